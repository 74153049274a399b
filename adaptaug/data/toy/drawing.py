"""Draws shapes, waves and colours on whole batches, for the made-up image tasks.

Points are in half sides of the image from its centre, x to the right and y down: the image's
corners are at (-1, -1) and (1, 1). An object has coordinates of its own, in which it fills the unit
disc; a `Pose` places it. Images are float (N, C, H, W), and (N, H, W) says how much of each pixel
an object covers, in [0, 1].
"""

import math
from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Generator, Tensor
from torch.nn import functional

RESOLUTION = 48
"""Height and width of a field of distances; see `canvas`."""
REACH = 1.3
"""Half a field's side, in an object's coordinates."""

_RGB = ((1.0, 0.956, 0.619), (1.0, -0.272, -0.647), (1.0, -1.106, 1.703))
"""NTSC's YIQ to RGB: hues are angles in the plane of I and Q, as in the op `hue`."""


def uniform(generator: Generator, low: float, high: float, *shape: int) -> Tensor:
    """Uniform numbers in [low, high)."""
    return torch.rand(shape, generator=generator) * (high - low) + low


@dataclass(frozen=True)
class Pose:
    """How objects lie in images: mirrored, slanted, scaled, turned, then moved.

    All fields are float tensors of one shape: (N,), or (N, L) for L parts of an object.
    """

    x: Tensor
    """The centre, in half sides to the right of the image's."""
    y: Tensor
    """The centre, in half sides below the image's."""
    angle: Tensor
    """Radians, counter-clockwise."""
    log_scale: Tensor
    """Log of the object's radius in half sides."""
    slant: Tensor
    """Shift to the right for each unit up."""
    side: Tensor
    """-1 if the object is mirrored left to right, else 1."""

    @classmethod
    def plain(cls, *shape: int) -> Self:
        """Upright objects in the centre, of radius 1."""
        zero = torch.zeros(shape)
        return cls(zero, zero, zero, zero, zero, torch.ones(shape))

    def __getitem__(self, index: Tensor | slice | tuple[slice, int]) -> "Pose":
        """The poses at `index`."""
        return Pose(*(getattr(self, field.name)[index] for field in fields(self)))

    def into_object(self, points: Tensor) -> Tensor:
        """Points of the images, float (N, M, 2), in the objects' coordinates, for poses (N,)."""
        dx, dy = points[..., 0] - self.x[:, None], points[..., 1] - self.y[:, None]
        cosine = (self.angle.cos() * (-self.log_scale).exp())[:, None]
        sine = (self.angle.sin() * (-self.log_scale).exp())[:, None]
        x, y = cosine * dx - sine * dy, sine * dx + cosine * dy
        return torch.stack((self.side[:, None] * (x + self.slant[:, None] * y), y), dim=-1)


def pixel_centres(size: int) -> Tensor:
    """The centres of an image's pixels, float (size * size, 2), row by row."""
    line = (torch.arange(size) * 2 + 1 - size) / size
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack((x, y), dim=-1).view(-1, 2)


def canvas() -> Tensor:
    """The points at which a field of distances is known, float (RESOLUTION ** 2, 2)."""
    return pixel_centres(RESOLUTION) * REACH


def coverage(fields: Tensor, points: Tensor, thickness: Tensor, pixel: Tensor) -> Tensor:
    """How much of each pixel objects cover, from their fields of distances.

    Args:
        fields: float (N, RESOLUTION, RESOLUTION), distance to each object's outline or strokes,
            negative inside.
        points: the pixels' centres in the objects' coordinates, float (N, size * size, 2).
        thickness: float (N,), by how much outlines are widened.
        pixel: float (N,), a pixel's side in the objects' coordinates.

    Returns:
        float (N, size, size), with edges as soft as a pixel is wide.
    """
    size = math.isqrt(points.shape[1])
    grid = points.view(-1, size, size, 2) / REACH
    distance = functional.grid_sample(
        fields[:, None], grid, padding_mode="border", align_corners=False
    )[:, 0]
    beyond = (grid.abs().amax(dim=-1) - 1).clamp_(min=0) * REACH  # of the canvas
    inside = (thickness[:, None, None] - distance - beyond) / pixel[:, None, None]
    return inside.add_(0.5).clamp_(0, 1)


def waves(points: Tensor, direction: Tensor, phase: Tensor) -> Tensor:
    """The sum of W plane waves of one cycle a unit, over the square root of W.

    Args:
        points: float (N, size * size, 2).
        direction: float (N, W), radians, counter-clockwise from the right.
        phase: float (N, W), radians.

    Returns:
        float (N, size, size), of variance 1/2.
    """
    size = math.isqrt(points.shape[1])
    turn = 2 * math.pi * torch.stack((direction.cos(), -direction.sin()), dim=1)  # (N, 2, W)
    angles = torch.baddbmm(phase[:, None], points, turn)
    return (angles.sin_().sum(dim=2) / math.sqrt(direction.shape[1])).view(-1, size, size)


def smooth(generator: Generator, count: int, planes: int, size: int, cells: int = 4) -> Tensor:
    """Random smooth images, float (count, planes, size, size), mostly in [-1, 1]."""
    coarse = uniform(generator, -1, 1, count, planes, cells, cells)
    return functional.interpolate(coarse, (size, size), mode="bicubic")


def cover(images: Tensor, share: Tensor, colour: Tensor, shade: Tensor | float = 0.0) -> Tensor:
    """Paints colours (N, C) plus shades (N, H, W) over a share (N, H, W) of images (N, C, H, W)."""
    shaded = colour[:, :, None, None] + (shade if isinstance(shade, float) else shade[:, None])
    return images.lerp(shaded.expand_as(images), share[:, None].expand_as(images))


def tinted(luma: Tensor, hue: Tensor, chroma: Tensor | float, channels: int) -> Tensor:
    """Colours, float (..., channels), in [0, 1]; for one channel the luma.

    Args:
        luma: float (...), in [0, 1].
        hue: float (...), turns.
        chroma: distance from grey in the plane of I and Q, up to about 0.3.
        channels: 1 or 3.
    """
    if channels == 1:
        return luma[..., None]
    angle = hue * (2 * math.pi)
    yiq = torch.stack((luma, angle.cos() * chroma, angle.sin() * chroma), dim=-1)
    return (yiq @ torch.tensor(_RGB).T).clamp(0, 1)


def turn_hues(images: Tensor, turns: Tensor) -> Tensor:
    """Turns the hues of images, float (N, 3, H, W), by turns (N,), and keeps luma."""
    to_rgb = torch.tensor(_RGB)
    cosine, sine = (turns * (2 * math.pi)).cos(), (turns * (2 * math.pi)).sin()
    turn = torch.eye(3).repeat(len(turns), 1, 1)
    turn[:, 1, 1], turn[:, 1, 2], turn[:, 2, 1], turn[:, 2, 2] = cosine, -sine, sine, cosine
    return (to_rgb @ turn @ to_rgb.inverse() @ images.flatten(2)).view(images.shape)
