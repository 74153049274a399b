"""Random shapes as fields of distances: pen strokes and blobs; and which of them are chiral.

A field, float (RESOLUTION, RESOLUTION), holds the distance of each point of `canvas` to the shape,
negative inside. Sampled at other points, it draws the shape in any pose and at any size, with
edges that stay sharp. Shapes reach to the unit circle's box.
"""

import math
from dataclasses import replace

import torch
from torch import Generator, Tensor

from adaptaug.data.toy.drawing import RESOLUTION, Pose, canvas, coverage, uniform

_STROKES = 3
"""Most strokes of a glyph."""
_CURVE = 8
"""Straight segments of a stroke."""
_HARMONICS = torch.arange(2, 7)
"""The waves around a blob's outline."""
_TURNS = 12
"""Angles at which a shape is compared with its mirror image."""


def stroke_fields(count: int, generator: Generator) -> Tensor:
    """Glyphs of one to three curved strokes, many of them joined: (count, R, R) distances >= 0."""
    start, control, end = uniform(generator, -1, 1, 3, count, _STROKES, 2)
    for stroke in range(1, _STROKES):
        joined = uniform(generator, 0, 1, count, 1) < 0.6
        start[:, stroke] = torch.where(joined, end[:, stroke - 1], start[:, stroke])
    straight = uniform(generator, 0, 1, count, _STROKES, 1) < 0.4
    control = torch.where(straight, (start + end) / 2, control)
    drawn = uniform(generator, 0, 1, count, _STROKES) < torch.tensor([1.0, 0.8, 0.5])
    t = torch.linspace(0, 1, _CURVE + 1)[:, None]
    start, control, end = start[:, :, None], control[:, :, None], end[:, :, None]
    curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end  # (count, S, 9, 2)
    low = curve.masked_fill(~drawn[..., None, None], math.inf).amin(dim=(1, 2), keepdim=True)
    high = curve.masked_fill(~drawn[..., None, None], -math.inf).amax(dim=(1, 2), keepdim=True)
    radius = ((high - low) / 2).amax(dim=-1, keepdim=True)
    curve = (curve - (low + high) / 2) / radius
    return _to_segments(curve[:, :, :-1], curve[:, :, 1:], drawn).view(
        count, RESOLUTION, RESOLUTION
    )


def _to_segments(first: Tensor, last: Tensor, drawn: Tensor) -> Tensor:
    """Distances (N, M) of `canvas` to the nearest segment, (N, S, T, 2), of the drawn strokes."""
    points = canvas()[:, None]
    distance = torch.full((len(first), len(points)), math.inf)
    for stroke in range(first.shape[1]):
        along = (last - first)[:, None, stroke]  # (N, 1, T, 2)
        away = points - first[:, None, stroke]  # (N, M, T, 2)
        at = (away * along).sum(-1) / along.square().sum(-1).clamp(min=1e-9)
        nearest = (away - at.clamp_(0, 1)[..., None] * along).square().sum(-1).amin(-1)
        nearest = nearest.masked_fill(~drawn[:, stroke, None], math.inf)
        distance = torch.minimum(distance, nearest)
    return distance.sqrt()


def blob_fields(count: int, generator: Generator) -> Tensor:
    """Stretched, lobed blobs, a third of them rings: (count, R, R), about the distance."""
    points = canvas()[None].expand(count, -1, -1)
    stretch = uniform(generator, 0.4, 1, count, 1)
    turned = replace(Pose.plain(count), angle=uniform(generator, -math.pi, math.pi, count))
    points = turned.into_object(points) / torch.stack((torch.ones_like(stretch), stretch), dim=-1)
    lobes = uniform(generator, 0, 0.7, count, len(_HARMONICS)) / _HARMONICS.sqrt()
    lobes = lobes * (uniform(generator, 0, 1, count, len(_HARMONICS)) < 0.5)
    phase = uniform(generator, -math.pi, math.pi, count, len(_HARMONICS))
    angle = torch.atan2(points[..., 1], points[..., 0])[..., None]  # (N, M, 1)
    edge = 1 + (lobes[:, None] * (angle * _HARMONICS + phase[:, None]).cos()).sum(-1)
    edge = edge.clamp(min=0.25)
    edge = edge / edge.amax(dim=1, keepdim=True)
    distance = (points.norm(dim=-1) - edge) * stretch
    ring = uniform(generator, 0, 1, count, 1) < 1 / 3
    distance = torch.where(ring, (distance + 0.14).abs() - 0.14, distance)
    return distance.view(count, RESOLUTION, RESOLUTION)


def chirality(fields: Tensor, thickness: float) -> Tensor:
    """How much each shape, (N, R, R), differs from its mirror image, at the angle of least.

    Returns:
        float (N,): the share of the shape's area, from 0 for a shape with a mirror axis.
    """
    count = len(fields)
    ink = _drawn(fields, Pose.plain(count), thickness)
    least = torch.full((count,), math.inf)
    for step in range(_TURNS):
        angle = torch.full((count,), 2 * math.pi * step / _TURNS)
        mirrored = replace(Pose.plain(count), angle=angle, side=-torch.ones(count))
        other = _drawn(fields, mirrored, thickness)
        least = torch.minimum(least, (ink - other).abs().sum(dim=(1, 2)))
    return least / ink.sum(dim=(1, 2)).clamp(min=1)


def _drawn(fields: Tensor, pose: Pose, thickness: float) -> Tensor:
    """The shapes' coverage on the canvas, float (N, R, R)."""
    count = len(fields)
    points = pose.into_object(canvas()[None].expand(count, -1, -1))
    return coverage(fields, points, torch.full((count,), thickness), torch.full((count,), 0.1))
