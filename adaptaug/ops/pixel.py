"""Pixel ops: functions of (images, amount, generator) that return new images.

Images are float32 (B, C, H, W) in [0, 1] and are not modified; amounts are float32 (B,).
"""

import math

import torch
from torch import Generator, Tensor

_LOG_ASPECT = math.log(3.3)
"""Random erasing's rectangles are up to 3.3 times as wide as high, and the reverse."""


def _per_image(amount: Tensor) -> Tensor:
    """(B,) to (B, 1, 1, 1)."""
    return amount[:, None, None, None]


def noise(images: Tensor, amount: Tensor, generator: Generator) -> Tensor:
    """Adds Gaussian noise of standard deviation amount to every value."""
    # normal_ on a whole tensor is vectorised; uniform_ costs the same, an inverse transform more.
    normal = torch.empty_like(images).normal_(generator=generator)
    return normal.mul_(_per_image(amount)).add_(images).clamp_(0, 1)


def _smooth(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Weighted means along both sides; weights (..., H, H) and (..., W, W) need not sum to 1.

    Two dense products are faster than a convolution at the sizes of small images, need no padding,
    since the weights are renormalised at the border, and may differ from sample to sample.
    """
    rows = rows / rows.sum(dim=-1, keepdim=True)
    columns = columns / columns.sum(dim=-1, keepdim=True)
    return rows @ images @ columns.mT


def _distances(side: int, images: Tensor) -> Tensor:
    """(side, side) squared distances between positions."""
    position = torch.arange(side, device=images.device, dtype=images.dtype)
    return (position[:, None] - position).square()


def blur(images: Tensor, amount: Tensor, _generator: Generator) -> Tensor:
    """Gaussian blur; amount is the variance, whose square root is sigma.

    In square pixels up to a shorter side of 32; above, sigma grows with the side. Variances add
    up and their effect starts linearly, while a sigma below 0.3 pixels cannot be seen.
    """
    height, width = images.shape[-2:]
    scale = max(1, min(height, width) / 32) ** 2
    rate = -0.5 / (_per_image(amount) * scale).clamp_(min=1e-6)
    rows, columns = (
        # exp is many times slower where it underflows.
        (_distances(side, images) * rate).clamp_(min=-60).exp_()
        for side in (height, width)
    )
    return _smooth(images, rows, columns).clamp_(0, 1)


def sharpness(images: Tensor, amount: Tensor, _generator: Generator) -> Tensor:
    """Moves away from the smoothed image by amount; -1 is the smoothed image.

    Smoothed as in Pillow, by a 3x3 kernel of ones with 5 in its middle, that is 9/13 of the plain
    mean and 4/13 of the pixel. Border pixels, which Pillow keeps, average what neighbours they
    have.
    """
    rows, columns = ((_distances(side, images) <= 1).to(images.dtype) for side in images.shape[2:])
    detail = images - _smooth(images, rows, columns)
    return detail.mul_(_per_image(amount * (9 / 13))).add_(images).clamp_(0, 1)


def solarize(images: Tensor, amount: Tensor, generator: Generator) -> Tensor:
    """Inverts the values above a threshold, uniform in [0, 1), where the amount is 1.

    A chance, since a threshold that starts at 1 would not start from the identity: images with
    values of exactly 1 are inverted there at once.
    """
    threshold = torch.rand(len(amount), generator=generator, device=amount.device)
    return invert_above(images, torch.where(amount > 0, threshold, 1))


def invert_above(images: Tensor, threshold: Tensor) -> Tensor:
    """1 - x for the values x above each image's threshold (B,), the others as they are."""
    above = (images > _per_image(threshold)).to(images.dtype)
    return (images - above).abs_()  # |x - 1| is 1 - x; much faster than torch.where


def posterize(images: Tensor, amount: Tensor, _generator: Generator) -> Tensor:
    """Clears the lowest bits of every 8-bit value, as many as the amount rounds to."""
    lowest = (torch.exp2(amount.round()) - 1).to(torch.uint8)
    values = (images * 255).round_().to(torch.uint8)
    return (images - (values & _per_image(lowest)) / 255).clamp_(min=0)


def rectangles(
    area: Tensor, log_aspect: float, size: tuple[int, int], generator: Generator
) -> Tensor:
    """One random rectangle a sample, wholly inside the image.

    Args:
        area: float32 (B,), in images; rounded to whole pixels.
        log_aspect: the log of height over width, both in sides, is uniform within plus or minus it.
        size: height and width in pixels.
        generator: draws aspect and place.

    Returns:
        bool (B, 1, H, W), true inside.
    """
    aspect, *place = torch.rand(3, len(area), generator=generator, device=area.device)
    stretch = torch.exp((aspect - 0.5) * log_aspect)
    inside = []
    for side, fraction, at in zip(size, (stretch, 1 / stretch), place, strict=True):
        length = (area.sqrt() * fraction * side).clamp(max=side).round()
        start = (at * (side + 1 - length)).floor()[:, None]
        position = torch.arange(side, device=area.device, dtype=area.dtype)
        inside.append((position >= start) & (position < start + length[:, None]))
    rows, columns = inside
    mask: Tensor = (rows[:, :, None] & columns[:, None, :])[:, None]
    return mask


def erasing(images: Tensor, amount: Tensor, generator: Generator) -> Tensor:
    """Random erasing (Zhong et al., 2020): blacks out a rectangle of area amount, in images.

    Every sample loses one, of zeros; the paper erases with probability one half, with noise.
    """
    mask = rectangles(amount, _LOG_ASPECT, (images.shape[2], images.shape[3]), generator)
    return images * (~mask).to(images.dtype)  # ten times as fast as masked_fill on a CPU
