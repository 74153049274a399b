"""Nine image ops with parameters drawn per image, in AdaptAug and in three other libraries.

All start from the same uint8 images, in the layout that suits the library, and end with a float32
batch in [0, 1]. Each library is used in the fastest of the ways tried, without compilation. If its
op differs from AdaptAug's, it does less work: torchvision and kornia add noise of a fixed standard
deviation, the mean of the others'; albumentations' brightness adds and its contrast multiplies,
without the image's mean; kornia does not clip after noise.

torchvision and kornia draw from the global random state, as they take no generator.
"""

import math
import os
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2

from adaptaug.data.batches import to_float
from adaptaug.ops import OpSpace, find

NINE_OPS = (
    "rotate", "translate", "zoom", "shear", "hflip", "brightness", "contrast", "noise", "erasing",
)  # fmt: skip
"""The ops that every library is timed on."""

Magnitudes = Mapping[str, float]
"""Magnitudes in [0, 1] of the nine ops, by name."""

Augment = Callable[[], Tensor]
"""Augments the images that it was made with: returns float32 (B, 3, H, W)."""

ASPECT = (1 / 3.3, 3.3)
"""Height over width of erased rectangles."""


def adaptaug(images: Tensor, magnitudes: Magnitudes) -> Augment:
    """AdaptAug's op space."""
    op_space = OpSpace(NINE_OPS)
    chosen = [magnitudes[name] for name in NINE_OPS]
    targets = torch.zeros(len(images), dtype=torch.int64)
    generator = torch.Generator().manual_seed(0)
    return lambda: op_space.apply(to_float(images), targets, chosen, generator)[0]


def torchvision(images: Tensor, magnitudes: Magnitudes) -> Augment:
    """transforms.v2, image by image on float tensors, faster than on uint8 or PIL images."""
    limit = _limits(magnitudes)
    transform = v2.Compose(
        [
            v2.RandomAffine(**_affine(limit), interpolation=v2.InterpolationMode.BILINEAR),
            v2.RandomHorizontalFlip(limit["hflip"]),
            v2.ColorJitter(limit["brightness"], limit["contrast"]),
            v2.GaussianNoise(sigma=limit["noise"] / 2),
            v2.RandomErasing(1.0, (0.0, limit["erasing"]), ASPECT),
        ]
    )
    return lambda: torch.stack([transform(image) for image in to_float(images)])


def kornia(images: Tensor, magnitudes: Magnitudes) -> Augment:
    """kornia.augmentation on the whole batch, in a fixed order, without copies of the outputs.

    Raises:
        ImportError: kornia is not installed.
    """
    import kornia.augmentation as augmentation

    limit = _limits(magnitudes)
    transform = augmentation.ImageSequential(
        augmentation.RandomAffine(**_affine(limit), p=1.0),
        augmentation.RandomHorizontalFlip(p=limit["hflip"]),
        augmentation.ColorJitter(limit["brightness"], limit["contrast"], order=(0, 1)),
        augmentation.RandomGaussianNoise(std=limit["noise"] / 2, p=1.0),
        augmentation.RandomErasing((0.0, limit["erasing"]), ASPECT, p=1.0),
    )
    transform.disable_features = True
    return lambda: transform(to_float(images))


def albumentations(images: Tensor, magnitudes: Magnitudes) -> Augment:
    """albumentations, image by image on float arrays (H, W, 3), converted in whole batches.

    Raises:
        ImportError: albumentations is not installed.
    """
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # otherwise the import goes online
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
    import albumentations as library

    limit = _limits(magnitudes)
    affine = _affine(limit)
    transform = library.Compose(
        [
            library.Affine(
                rotate=(-limit["rotate"], limit["rotate"]),
                translate_percent=(-limit["translate"], limit["translate"]),
                scale=affine["scale"],
                shear={"x": affine["shear"], "y": (0.0, 0.0)},
                keep_ratio=True,
                p=1.0,
            ),
            library.HorizontalFlip(p=limit["hflip"]),
            library.RandomBrightnessContrast(limit["brightness"], limit["contrast"], p=1.0),
            library.GaussNoise(std_range=(0.0, limit["noise"]), p=1.0),
            # It divides by the area, which must not be 0.
            library.Erasing(scale=(1e-6, limit["erasing"] + 1e-6), ratio=ASPECT, p=1.0),
        ],
        is_check_shapes=False,
        seed=0,
    )
    arrays = images.permute(0, 2, 3, 1).contiguous().numpy()

    def augment() -> Tensor:
        outputs = [transform(image=a)["image"] for a in arrays.astype(np.float32) / 255]
        return torch.from_numpy(np.stack(outputs)).permute(0, 3, 1, 2).contiguous()

    return augment


LIBRARIES: dict[str, Callable[[Tensor, Magnitudes], Augment]] = {
    "adaptaug": adaptaug,
    "torchvision": torchvision,
    "kornia": kornia,
    "albumentations": albumentations,
}
"""Each library: from uint8 images (B, 3, H, W) and magnitudes to the function that is timed."""


def randaugment(images: Tensor) -> Augment:
    """Torchvision's RandAugment, image by image on uint8: other ops, but the usual choice."""
    transform = v2.RandAugment()
    return lambda: to_float(torch.stack([transform(image) for image in images]))


def _limits(magnitudes: Magnitudes) -> dict[str, float]:
    """The end of each op's range at its magnitude, in the op's unit."""
    return {name: magnitudes[name] * find(name).high for name in NINE_OPS}


def _affine(limit: Mapping[str, float]) -> dict[str, object]:
    """Arguments of RandomAffine, which are the same in torchvision and kornia."""
    shear_degrees = math.degrees(math.atan(limit["shear"]))
    return {
        "degrees": limit["rotate"],
        "translate": (limit["translate"], limit["translate"]),
        "scale": (math.exp(-limit["zoom"]), math.exp(limit["zoom"])),
        "shear": (-shear_degrees, shear_degrees),
    }
