"""Random shapes: their distances, their extent, and which of them are chiral."""

import pytest
import torch
from torch import Tensor

from adaptaug.data.toy.drawing import REACH, RESOLUTION, canvas
from adaptaug.data.toy.shape_fields import blob_fields, chirality, stroke_fields

CELL = 2 * REACH / RESOLUTION


def square(x: float, y: float, half: float) -> Tensor:
    away = (canvas() - torch.tensor([x, y])).abs().amax(dim=1)
    return (away - half).view(1, RESOLUTION, RESOLUTION)


def test_strokes_are_distances_of_curves_that_reach_the_unit_box() -> None:
    fields = stroke_fields(50, torch.Generator().manual_seed(0))
    assert fields.shape == (50, RESOLUTION, RESOLUTION)
    assert fields.min() >= 0
    assert fields.flatten(1).amin(1).max() < CELL
    for axis in (1, 2):
        assert fields.diff(dim=axis).abs().max() <= CELL * 1.001  # a distance
    near = (fields < CELL).view(50, -1, 1) * canvas().abs()
    assert (near.amax(dim=(1, 2)) - 1).abs().max() < 2 * CELL


def test_blobs_reach_the_unit_circle_and_some_are_rings() -> None:
    fields = blob_fields(60, torch.Generator().manual_seed(0))
    radius = canvas().norm(dim=1).view(1, RESOLUTION, RESOLUTION)
    reach = torch.where(fields < 0, radius, 0).amax(dim=(1, 2))
    assert reach.max() < 1 + CELL
    assert reach.min() > 0.4 - CELL
    assert reach.mean() > 0.8
    middle = fields[:, RESOLUTION // 2, RESOLUTION // 2]
    assert 8 <= int((middle > 0).sum()) <= 30


@pytest.mark.parametrize("draw", [stroke_fields, blob_fields])
def test_shapes_differ_from_each_other_and_by_seed(draw: object) -> None:
    assert callable(draw)
    once, again, other = (draw(5, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    assert (once[0] - once[1]).abs().mean() > 0.05


def test_only_shapes_without_a_mirror_axis_are_chiral() -> None:
    bar = torch.minimum(square(0, -0.4, 0.3), square(0, 0.4, 0.3))
    flag = torch.minimum(bar, square(0.5, -0.5, 0.2))
    found = chirality(torch.cat((square(0, 0, 0.5), bar, flag, flag.rot90(1, (1, 2)))), 0.0)
    assert found[:2].max() < 0.02
    assert found[2:].tolist() == pytest.approx([2 * 0.16 / 1.0] * 2, abs=0.1)
    assert chirality(flag.flip(2), 0.0).item() == pytest.approx(found[2].item(), abs=0.05)
