"""What is drawn: poses, coverage, waves and hues, against hand computation and the image ops."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from adaptaug.data.toy.drawing import (
    RESOLUTION,
    Pose,
    canvas,
    cover,
    coverage,
    pixel_centres,
    tinted,
    turn_hues,
    uniform,
    waves,
)
from adaptaug.ops import find
from adaptaug.ops.geometry import warp

ONE = torch.ones(1)


def disc(radius: float) -> Tensor:
    """The field of distances of one disc."""
    return (canvas().norm(dim=1) - radius).view(1, RESOLUTION, RESOLUTION)


def pennant() -> Tensor:
    """The field of distances of a shape without symmetry: a bar with a flag at its top right."""
    x, y = canvas().unbind(dim=1)
    bar = torch.maximum(x.abs() - 0.15, y.abs() - 0.8)
    flag = torch.maximum((x - 0.35).abs() - 0.35, (y + 0.55).abs() - 0.25)
    return torch.minimum(bar, flag).view(1, RESOLUTION, RESOLUTION)


def image_of(field: Tensor, pose: Pose, size: int) -> Tensor:
    """One white object on black, float (1, 1, size, size)."""
    points = pose.into_object(pixel_centres(size)[None])
    pixel = 2 / size * (-pose.log_scale).exp()
    return coverage(field, points, torch.zeros(1), pixel)[:, None]


@pytest.mark.parametrize(
    ("changes", "point"),
    [
        ({}, (1.0, 0.0)),
        ({"x": 0.25, "y": -0.5}, (1.25, -0.5)),
        ({"angle": math.pi / 2}, (0.0, -1.0)),  # counter-clockwise: what was right is above
        ({"log_scale": math.log(0.5)}, (0.5, 0.0)),
        ({"side": -1.0}, (-1.0, 0.0)),
        ({"log_scale": math.log(2), "angle": math.pi, "x": 1.0}, (-1.0, 0.0)),
    ],
)
def test_rightmost_point_of_an_object_lies_where_the_pose_puts_it(
    changes: dict[str, float], point: tuple[float, float]
) -> None:
    pose = replace(Pose.plain(1), **{name: value * ONE for name, value in changes.items()})
    found = pose.into_object(torch.tensor([[point]]))
    torch.testing.assert_close(found, torch.tensor([[[1.0, 0.0]]]), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("changes", "op", "amount"),
    [
        ({"angle": math.radians(30)}, "rotate", 30.0),
        ({"x": 0.5, "y": -0.25}, "translate", (0.25, -0.125)),
        ({"log_scale": 0.4}, "zoom", 0.4),
        ({"slant": 0.3}, "shear", 0.3),
        ({"side": -1.0}, "hflip", 1.0),
        ({"side": -1.0, "angle": math.pi}, "vflip", 1.0),
    ],
)
def test_pose_moves_an_object_as_the_op_moves_its_image(
    changes: dict[str, float], op: str, amount: float | tuple[float, float]
) -> None:
    plain = replace(Pose.plain(1), log_scale=math.log(0.5) * ONE)
    moved = {name: getattr(plain, name) + value * ONE for name, value in changes.items()}
    if "side" in changes:
        moved["side"] = -ONE
    upright, posed = (image_of(pennant(), pose, 64) for pose in (plain, replace(plain, **moved)))
    warped = warp(upright, find(op).function(torch.tensor([amount]), (64, 64)))
    mass = posed.sum()
    assert (warped - posed).abs().sum() < 0.12 * mass  # edges are softer after a warp
    assert (upright - posed).abs().sum() > 0.4 * mass


@pytest.mark.parametrize(("radius", "size"), [(0.8, 32), (0.5, 12), (0.3, 16)])
def test_disc_covers_its_area_at_any_resolution(radius: float, size: int) -> None:
    pose = replace(Pose.plain(1), log_scale=math.log(radius) * ONE)
    image = image_of(disc(1.0), pose, size)
    assert image.mean() == pytest.approx(math.pi * radius**2 / 4, rel=0.04)


def test_small_object_leaves_the_rest_of_the_image_empty() -> None:
    pose = replace(Pose.plain(1), log_scale=math.log(0.1) * ONE)
    image = image_of(disc(1.0), pose, 16)[0, 0]
    assert image[:5].max() == image[:, :5].max() == 0
    assert image.sum() == pytest.approx(math.pi * 0.8**2, rel=0.25)


def test_wave_runs_in_its_direction_and_has_half_variance() -> None:
    points = pixel_centres(64)[None] * 3
    right = waves(points, torch.zeros(1, 1), torch.zeros(1, 1))[0]
    torch.testing.assert_close(right, right[:1].expand(64, -1))
    assert right[0, 0].item() == pytest.approx(math.sin(-6 * math.pi * 63 / 64), abs=1e-4)
    many = waves(
        points, uniform(torch.Generator().manual_seed(0), 0, 6.3, 1, 12), torch.zeros(1, 12)
    )
    assert many.var() == pytest.approx(0.5, abs=0.15)


def test_hues_turn_as_under_the_op_and_one_channel_is_luma() -> None:
    luma, hue = torch.full((5,), 0.4), torch.arange(5) * 0.2
    colours = tinted(luma, hue, 0.1, 3)
    assert (colours @ torch.tensor([0.299, 0.587, 0.114])).tolist() == pytest.approx(
        [0.4] * 5, abs=1e-3
    )
    turned = turn_hues(colours[..., None, None], torch.full((5,), 0.13))[..., 0, 0]
    torch.testing.assert_close(turned, tinted(luma, hue + 0.13, 0.1, 3), atol=1e-5, rtol=0)
    matrix = find("hue").function(torch.full((5,), 0.13), torch.ones(5, 4))
    by_op = (matrix[:, :3, :3] @ colours[..., None])[..., 0]
    torch.testing.assert_close(by_op, turned, atol=2e-3, rtol=0)
    assert tinted(luma, hue, 0.1, 1).tolist() == [[pytest.approx(0.4)]] * 5


def test_cover_mixes_by_share() -> None:
    share = torch.tensor([[[0.0, 0.25, 1.0]]])
    painted = cover(torch.full((1, 1, 1, 3), 0.2), share, torch.tensor([[0.6]]), shade=share)
    assert painted.flatten().tolist() == pytest.approx([0.2, 0.2 + 0.25 * 0.65, 1.6])
