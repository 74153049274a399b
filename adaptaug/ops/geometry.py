"""Geometric ops as affine matrices; the matrices of all active ops are applied in one warp.

A matrix maps the position of an *output* pixel to the *input* position that its value is read from.
Positions are in pixels, x to the right and y down, with the origin in the image's centre, so that
rotations do not distort non-square images.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

Size = tuple[int, int]
"""Height and width in pixels."""


def _identity(amount: Tensor) -> Tensor:
    """(B, 3, 3) identity matrices on the amount's device."""
    return torch.eye(3, device=amount.device).expand(len(amount), 3, 3).clone()


def rotate(amount: Tensor, _size: Size) -> Tensor:
    """Turns the image about its centre; amount (B,): degrees, counter-clockwise."""
    angle = amount * (math.pi / 180)
    cosine, sine = angle.cos(), angle.sin()
    matrix = _identity(amount)
    matrix[:, 0, 0] = cosine
    matrix[:, 0, 1] = -sine
    matrix[:, 1, 0] = sine
    matrix[:, 1, 1] = cosine
    return matrix


def translate(amount: Tensor, size: Size) -> Tensor:
    """Moves the image; amount (B, 2): shift to the right in widths, and down in heights."""
    height, width = size
    matrix = _identity(amount)
    matrix[:, 0, 2] = amount[:, 0] * -width
    matrix[:, 1, 2] = amount[:, 1] * -height
    return matrix


def crop(amount: Tensor, size: Size) -> Tensor:
    """Moves the image by whole pixels: a random crop of the padded image, without blur.

    amount (B, 2): shift to the right in widths, and down in heights, before rounding.
    """
    height, width = size
    matrix = _identity(amount)
    matrix[:, 0, 2] = (amount[:, 0] * -width).round()
    matrix[:, 1, 2] = (amount[:, 1] * -height).round()
    return matrix


def zoom(amount: Tensor, _size: Size) -> Tensor:
    """Scales about the centre; amount (B,): log of the factor, above 0 magnifies."""
    matrix = _identity(amount)
    matrix[:, :2, :2] *= torch.exp(-amount)[:, None, None]
    return matrix


def shear(amount: Tensor, _size: Size) -> Tensor:
    """Slants along x; amount (B,): pixels to the right for each pixel up."""
    matrix = _identity(amount)
    matrix[:, 0, 1] = amount
    return matrix


def hflip(amount: Tensor, _size: Size) -> Tensor:
    """Mirrors images left to right where the amount (B,) is 1; 0 leaves them unchanged."""
    matrix = _identity(amount)
    matrix[:, 0, 0] = 1 - 2 * amount
    return matrix


def vflip(amount: Tensor, _size: Size) -> Tensor:
    """Mirrors images top to bottom where the amount (B,) is 1; 0 leaves them unchanged."""
    matrix = _identity(amount)
    matrix[:, 1, 1] = 1 - 2 * amount
    return matrix


def warp(images: Tensor, matrices: Tensor) -> Tensor:
    """Reads every output pixel at the input position its matrix gives: bilinear, zeros outside.

    Args:
        images: float32 (B, C, H, W) in [0, 1].
        matrices: float32 (B, 3, 3) affine matrices, output to input pixels from the centre.

    Returns:
        New images (B, C, H, W) in [0, 1].
    """
    height, width = images.shape[-2:]
    x = torch.arange(width, device=images.device) - (width - 1) / 2
    y = torch.arange(height, device=images.device) - (height - 1) / 2
    # grid_sample's coordinates run from -1 to 1 over each side.
    rows = torch.stack((matrices[:, 0] * (2 / width), matrices[:, 1] * (2 / height)), dim=1)
    along_x = rows[..., 0:1] * x  # (B, 2, W)
    along_y = rows[..., 1:2] * y + rows[..., 2:3]  # (B, 2, H)
    # The sum of two small terms is several times faster than functional.affine_grid, and
    # grid_sample reads the two planes as fast as interleaved pairs.
    grid = (along_x[:, :, None, :] + along_y[..., None]).permute(0, 2, 3, 1)
    # The weights of four neighbours may sum to just above 1.
    return functional.grid_sample(images, grid, align_corners=False).clamp_(0, 1)
