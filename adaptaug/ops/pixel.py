"""Pixel ops: functions of (images, amount, generator) that return new images.

Images are float32 (B, C, H, W) in [0, 1] and are not modified; amounts are float32 (B,).
"""

import math

import torch
from torch import Generator, Tensor

_LOG_ASPECT = math.log(3.3)
"""Rectangles of random erasing are at most 3.3 times as wide as high, or as high as wide."""


def _per_image(amount: Tensor) -> Tensor:
    """(B,) to (B, 1, 1, 1)."""
    return amount[:, None, None, None]


def noise(images: Tensor, amount: Tensor, generator: Generator) -> Tensor:
    """Adds Gaussian noise of standard deviation amount to every value."""
    # normal_ on a whole tensor is vectorised: as fast as uniform_, without a transform to follow.
    normal = torch.empty_like(images).normal_(generator=generator)
    return normal.mul_(_per_image(amount)).add_(images).clamp_(0, 1)


def _smooth(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Weighted means along both sides; weights (..., H, H) and (..., W, W) need not sum to 1.

    On small images, two dense products are faster than a convolution. They also allow weights that
    differ between samples, and need no padding: each row of weights is normalised to sum to 1.
    """
    rows = rows / rows.sum(dim=-1, keepdim=True)
    columns = columns / columns.sum(dim=-1, keepdim=True)
    return rows @ images @ columns.mT


def _distances(side: int, images: Tensor) -> Tensor:
    """(side, side) squared distances between positions."""
    position = torch.arange(side, device=images.device, dtype=images.dtype)
    return (position[:, None] - position).square()


def blur(images: Tensor, amount: Tensor, _generator: Generator) -> Tensor:
    """Gaussian blur; amount is the variance, the square of sigma.

    The variance is in square pixels if the shorter side has at most 32 pixels; above that, sigma
    scales with the side. The amount is not sigma, since a sigma below 0.3 pixels has no visible
    effect, while the effect of the variance is linear from 0.
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
    """Moves the image away from its smoothed version by amount; -1 gives the smoothed version.

    The smoothing is Pillow's: a 3x3 kernel of ones with 5 in the centre, which is 9/13 of the plain
    mean plus 4/13 of the pixel. Pillow keeps border pixels; here they average the neighbours that
    they have.
    """
    rows, columns = ((_distances(side, images) <= 1).to(images.dtype) for side in images.shape[2:])
    detail = images - _smooth(images, rows, columns)
    return detail.mul_(_per_image(amount * (9 / 13))).add_(images).clamp_(0, 1)


def solarize(images: Tensor, amount: Tensor, generator: Generator) -> Tensor:
    """Inverts the values above a random threshold in [0, 1) in images whose amount is 1.

    The magnitude is a probability, not a threshold that falls from 1: even just below 1, such a
    threshold would invert values of exactly 1, so that small magnitudes would not be near the
    identity.
    """
    threshold = torch.rand(len(amount), generator=generator, device=amount.device)
    return invert_above(images, torch.where(amount > 0, threshold, 1))


def invert_above(images: Tensor, threshold: Tensor) -> Tensor:
    """1 - x for the values x above each image's threshold (B,); other values are unchanged."""
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
        area: float32 (B,), share of the image's area; sides are rounded to whole pixels.
        log_aspect: log(height / width), both as shares of the image's sides, is uniform in
            [-log_aspect, log_aspect].
        size: height and width in pixels.
        generator: draws aspect ratio and position.

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
    """Random erasing (Zhong et al., 2020): blacks out a rectangle; amount is its share of the area.

    Every sample loses a rectangle, filled with zeros. The paper erases with probability 1/2 and
    fills with noise.
    """
    mask = rectangles(amount, _LOG_ASPECT, (images.shape[2], images.shape[3]), generator)
    return images * (~mask).to(images.dtype)  # ten times as fast as masked_fill on a CPU
