"""Any torchvision v2 transform as an op, applied to each sample with probability magnitude.

torchvision's transforms draw once for a whole batch (pytorch/vision#8484) and from the global
generator. Therefore they are called once per sample, which is no faster than torchvision itself,
inside a fork of the global random state that is seeded from the op's own generator.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from adaptaug.errors import AdaptAugError
from adaptaug.ops.op import Op


@dataclass(frozen=True)
class Wrapped:
    """A pixel op's function that applies a transform image by image; picklable if that is."""

    transform: Callable[[Tensor], Tensor]
    """Maps an image (C, H, W) to an image of the same shape."""
    name: str
    """The op's name, for errors."""
    dtype: torch.dtype
    """Type of the images that the transform receives: uint8 in 0..255, or float32 in [0, 1]."""

    def __call__(self, images: Tensor, amount: Tensor, generator: Generator) -> Tensor:
        """Applies the transform to the samples whose amount is above 0.

        Args:
            images: float32 (B, C, H, W) in [0, 1]; not modified.
            amount: float32 (B,), 0 or 1.
            generator: seeds what the transform draws.

        Returns:
            New images (B, C, H, W) in [0, 1]; those with amount 0 are exact copies.

        Raises:
            AdaptAugError: the transform changed an image's shape, or returned no tensor.
        """
        chosen = amount.nonzero()[:, 0]
        result = images.clone()
        if len(chosen) == 0:
            return result
        seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
        picked = images[chosen]
        if self.dtype == torch.uint8:
            picked = (picked * 255).round_().to(torch.uint8)
        with torch.random.fork_rng([images.device] if images.is_cuda else []):
            _seed(seed, images.device)
            outputs = [self._transformed(image) for image in picked]
        result[chosen] = torch.stack(outputs)
        return result

    def _transformed(self, image: Tensor) -> Tensor:
        """The transform of one image, as float32 in [0, 1]."""
        output = self.transform(image)
        if not isinstance(output, Tensor) or output.shape != image.shape:
            got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise AdaptAugError(
                f"a wrapped transform must keep the shape {tuple(image.shape)}, "
                f"got {got} from op {self.name!r}"
            )
        return output.float().div_(255) if output.dtype == torch.uint8 else output.clamp(0, 1)


def _seed(seed: int, device: torch.device) -> None:
    """Seeds the forked generators only; torch.manual_seed would seed those of every device."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


def wrap(
    transform: Callable[[Tensor], Tensor],
    name: str | None = None,
    *,
    dtype: torch.dtype = torch.uint8,
    grayscale: bool = True,
) -> Op:
    """Makes an op from a `torchvision.transforms.v2` transform, or any function of one image.

    Args:
        transform: maps an image tensor (C, H, W) to one of the same shape; if it is random, it must
            draw from torch's global generator.
        name: the op's name; by default the transform's class or function name.
        dtype: type of the images that the transform accepts. uint8, the default, suits nearly all
            transforms, including RandAugment and TrivialAugmentWide; GaussianNoise needs float32.
        grayscale: whether the op also makes sense for images that are not RGB.

    Returns:
        A pixel op that applies the transform to each sample with probability magnitude.

    Raises:
        AdaptAugError: the dtype is neither uint8 nor float32.
    """
    if dtype not in (torch.uint8, torch.float32):
        raise AdaptAugError(f"dtype must be torch.uint8 or torch.float32, got {dtype}")
    name = name or str(getattr(transform, "__name__", type(transform).__name__))
    function = Wrapped(transform, name, dtype)
    return Op(name, "pixel", 1, "probability", function, chance=True, grayscale=grayscale)
