"""Seeded corruptions of images, modelled on CIFAR-10-C (Hendrycks and Dietterich 2019).

Five of its kinds, each with its five severities. What is changed:

* Images may have any size, and 1 or 3 channels.
* Blur grows with the shorter side above 32 pixels, so that it stays visible. At the border its
  weights are renormalised; CIFAR-10-C mirrors the image.
* Values of 8-bit images are rounded to 8 bits, not truncated; float images stay float.
* All severities of a kind share their random draws.

Noise, blur, brightness and contrast are also training ops, so an arm that uses these ops has been
trained on similar corruptions. No op resembles JPEG.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor

from adaptaug.data.batches import to_float
from adaptaug.errors import AdaptAugError
from adaptaug.ops import pixel

SEVERITIES = (1, 2, 3, 4, 5)
"""Severities, from hardly visible to strong."""


@dataclass(frozen=True)
class Corruption:
    """A row of the table of corruptions."""

    levels: tuple[float, float, float, float, float]
    """Level at each of the severities 1 to 5."""
    unit: str
    """Meaning and unit of a level, in words."""
    function: Callable[[Tensor, float, Generator], Tensor]
    """Maps float images (B, C, H, W) in [0, 1], a level and a generator to new images in [0, 1]."""


def _noise(images: Tensor, deviation: float, generator: Generator) -> Tensor:
    """Adds Gaussian noise to every value."""
    return pixel.noise(images, _for_each(images, deviation), generator)


def _blur(images: Tensor, sigma: float, generator: Generator) -> Tensor:
    """Blurs with a Gaussian of standard deviation `sigma`."""
    return pixel.blur(images, _for_each(images, sigma**2), generator)


def _brightness(images: Tensor, added: float, _generator: Generator) -> Tensor:
    """Adds to HSV's value, the largest channel; hue and saturation stay."""
    value = images.amax(1, keepdim=True)
    raised = (value + added).clamp_(max=1)
    return torch.where(value > 0, images * (raised / value), raised).clamp_(0, 1)


def _contrast(images: Tensor, factor: float, _generator: Generator) -> Tensor:
    """Multiplies the difference from the mean of each channel."""
    mean = images.mean((2, 3), keepdim=True)
    return ((images - mean) * factor + mean).clamp_(0, 1)


def _jpeg(images: Tensor, quality: float, _generator: Generator) -> Tensor:
    """Encodes every image as JPEG and decodes it, one by one on the CPU."""
    pixels = (images * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()  # (B, H, W, C)
    if pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    read = np.stack([_through_jpeg(image, round(quality)) for image in pixels])
    return to_float(torch.from_numpy(read).reshape(len(images), *images.shape[2:], -1)).permute(
        0, 3, 1, 2
    )


def _through_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def _for_each(images: Tensor, amount: float) -> Tensor:
    """The amount repeated for each image: float32 (B,)."""
    return torch.full((len(images),), amount, device=images.device)


CORRUPTIONS: dict[str, Corruption] = {
    "noise": Corruption((0.04, 0.06, 0.08, 0.09, 0.1), "standard deviation", _noise),
    "blur": Corruption((0.4, 0.6, 0.7, 0.8, 1.0), "sigma in pixels of a side of 32", _blur),
    "brightness": Corruption((0.05, 0.1, 0.15, 0.2, 0.3), "added to HSV's value", _brightness),
    "contrast": Corruption((0.75, 0.5, 0.4, 0.3, 0.15), "factor", _contrast),
    "jpeg": Corruption((80, 65, 58, 50, 40), "quality", _jpeg),
}
"""The kinds by name, with CIFAR-10-C's severities."""

CELLS = {f"{name}/{severity}": (name, severity) for name in CORRUPTIONS for severity in SEVERITIES}
"""(kind, severity) by a name such as "noise/3", for every kind at every severity."""


def corrupt(images: Tensor, name: str, severity: int, generator: Generator) -> Tensor:
    """Corrupts every image with the same kind and severity; each image has its own draws.

    Args:
        images: uint8, or float32 in [0, 1], (B, C, H, W) with 1 or 3 channels; not modified.
        name: one of `CORRUPTIONS`.
        severity: 1 to 5.
        generator: source of all random draws, on the images' device.

    Returns:
        New images of the same shape, dtype, device and range.

    Raises:
        AdaptAugError: an unknown name or severity, or images of another shape.
    """
    if name not in CORRUPTIONS:
        raise AdaptAugError(f"corruption must be one of {sorted(CORRUPTIONS)}, got {name!r}")
    if severity not in SEVERITIES:
        raise AdaptAugError(f"severity must be one of {SEVERITIES}, got {severity} for {name!r}")
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise AdaptAugError(
            "images to corrupt must have shape (B, C, H, W) with 1 or 3 channels, "
            f"got {tuple(images.shape)}"
        )
    row = CORRUPTIONS[name]
    if len(images) == 0:
        return images.clone()
    result = row.function(to_float(images), row.levels[severity - 1], generator).to(images.device)
    return result.mul(255).round_().byte() if images.dtype == torch.uint8 else result


def corrupted(images: Tensor, seed: int) -> Iterator[tuple[str, Tensor]]:
    """Yields (name, corrupted images) for each of `CELLS`; see `corrupt` for the images."""
    for cell, (name, severity) in CELLS.items():
        generator = Generator(images.device).manual_seed(seed)
        yield cell, corrupt(images, name, severity, generator)
