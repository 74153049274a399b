"""Colour ops as affine matrices; the matrices of all active ops are multiplied into one.

A matrix acts on the vector (colour, 1). Each function receives the amounts, float32 (B,), and each
image's mean colour after the preceding colour ops, float32 (B, C + 1) with last entry 1. It returns
matrices, float32 (B, C + 1, C + 1).
"""

import math

import torch
from torch import Tensor

_LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G and B in luma (ITU-R BT.601), as in torchvision and Pillow."""
_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))
"""RGB to NTSC's YIQ: luma and two axes of chroma."""


def _identity(mean: Tensor) -> Tensor:
    """(B, C + 1, C + 1) identity matrices on the mean's device."""
    count, size = mean.shape
    return torch.eye(size, device=mean.device).expand(count, size, size).clone()


def _luma(mean: Tensor) -> Tensor:
    """Luma (B,) of RGB; for any other number of channels, their mean."""
    channels = mean.shape[1] - 1
    weights = _LUMA if channels == 3 else (1 / channels,) * channels
    return sum((mean[:, i] * weights[i] for i in range(channels)), mean.new_zeros(()))


def brightness(amount: Tensor, mean: Tensor) -> Tensor:
    """Multiplies all channels by 1 + amount."""
    matrix = _identity(mean)
    matrix[:, :-1, :-1] *= (1 + amount)[:, None, None]
    return matrix


def contrast(amount: Tensor, mean: Tensor) -> Tensor:
    """Multiplies the distance to the image's mean luma by 1 + amount."""
    matrix = brightness(amount, mean)
    matrix[:, :-1, -1] = (-amount * _luma(mean))[:, None]
    return matrix


def saturation(amount: Tensor, mean: Tensor) -> Tensor:
    """Multiplies each pixel's distance to its own luma by 1 + amount; RGB only."""
    matrix = brightness(amount, mean)
    for column, weight in enumerate(_LUMA):
        matrix[:, :-1, column] -= (amount * weight)[:, None]
    return matrix


def hue(amount: Tensor, mean: Tensor) -> Tensor:
    """Rotates the chroma plane of YIQ by amount turns and keeps luma; RGB only."""
    angle = amount * (2 * math.pi)
    cosine, sine = angle.cos(), angle.sin()
    turn = _identity(mean[:, 1:])
    turn[:, 1, 1] = cosine
    turn[:, 1, 2] = -sine
    turn[:, 2, 1] = sine
    turn[:, 2, 2] = cosine
    to_yiq = torch.tensor(_YIQ)
    matrix = _identity(mean)
    matrix[:, :-1, :-1] = to_yiq.inverse().to(mean.device) @ turn @ to_yiq.to(mean.device)
    return matrix


def mean_colour(images: Tensor) -> Tensor:
    """Mean of each channel with a 1 appended: (B, C, H, W) to (B, C + 1)."""
    mean = images.mean(dim=(2, 3))
    return torch.cat((mean, mean.new_ones(len(mean), 1)), dim=1)


def recolour(images: Tensor, matrices: Tensor) -> Tensor:
    """Applies one matrix to all pixels of each image.

    Args:
        images: float32 (B, C, H, W) in [0, 1].
        matrices: float32 (B, C + 1, C + 1), acting on (colour, 1).

    Returns:
        New images (B, C, H, W), clipped to [0, 1].
    """
    pixels = matrices[:, :-1, :-1] @ images.flatten(2)
    return pixels.add_(matrices[:, :-1, -1:]).clamp_(0, 1).view(images.shape)
