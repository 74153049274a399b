"""Nuisances: how often they are drawn, how far they reach, and the ops that they cover."""

import math

import pytest
import torch

from adaptaug.data.toy.nuisances import (
    NUISANCES,
    confuse,
    covered,
    disturb,
    draw_labels,
    draw_poses,
    draw_strengths,
)
from adaptaug.ops import find

GREY = torch.full((400, 3, 16, 16), 0.5)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_nuisance_covers_an_op_if_it_reaches_as_far() -> None:
    for row in NUISANCES:
        for op, least in row.covers.items():
            assert least == pytest.approx(find(op).high) or (least == 0 and row.low == row.high), op
    assert covered({"rotate": 29.9, "shift": 0.2, "mirror": 1}) == {"crop", "hflip"}
    assert covered({"rotate": 30, "shift": 0.25}) == {"rotate", "crop", "translate"}
    assert covered({"spin": 1, "wrong": 0.3}) == {"rotate"}


def test_hard_nuisances_are_of_difficult_tasks_and_forbidden_ones_of_none() -> None:
    def tasks(difficulty: float) -> list[dict[str, float]]:
        return [
            draw_strengths(generator(seed), difficulty, 1, {"mirror"}, {"rotate"})
            for seed in range(200)
        ]

    easy, hard = tasks(0.0), tasks(1.0)
    for names, drawn in ((False, easy), (True, hard)):
        for row in NUISANCES:
            share = sum(row.name in strengths for strengths in drawn) / len(drawn)
            expected = row.chance * (2.0 * names if row.hard else 1.0)
            if row.name == "mirror":
                expected = 1.0
            elif row.name == "rotate" or row.colour:
                expected = 0.0
            assert share == pytest.approx(min(expected, 1.0), abs=0.12), row.name
            for strengths in drawn:
                assert row.low <= strengths.get(row.name, row.low) <= row.high


@pytest.mark.parametrize(
    ("name", "strength", "field", "limit"),
    [
        ("rotate", 30.0, "angle", math.radians(30)),
        ("spin", 1.0, "angle", math.pi),
        ("shift", 0.25, "x", 0.5),
        ("shift", 0.25, "y", 0.5),
        ("slant", 0.3, "slant", 0.3),
        ("scale", 0.4, "log_scale", 0.4),
    ],
)
def test_poses_reach_as_far_as_the_nuisance(
    name: str, strength: float, field: str, limit: float
) -> None:
    reached = getattr(draw_poses(500, 1.0, {name: strength}, generator()), field)
    assert 0.97 * limit < reached.abs().max() <= limit
    assert abs(reached.mean()) < 0.1 * limit


def test_half_of_the_objects_are_mirrored_and_upside_down_is_also_turned() -> None:
    mirrored = draw_poses(400, 0.5, {"mirror": 1.0}, generator())
    assert 150 < int((mirrored.side < 0).sum()) < 250
    assert mirrored.angle.abs().max() == 0
    assert mirrored.log_scale.exp().unique().item() == pytest.approx(0.5)
    flipped = draw_poses(400, 0.5, {"flip": 1.0}, generator())
    assert torch.equal(flipped.side < 0, flipped.angle > 3)


def test_images_are_disturbed_by_what_the_task_has_and_no_more() -> None:
    assert torch.equal(disturb(GREY, {"shift": 0.3, "wrong": 0.5}, generator()), GREY)
    hidden = disturb(GREY, {"occlusion": 0.3}, generator()) != 0.5
    share = hidden.float().mean(dim=(1, 2, 3))
    assert 0.1 < share.mean() < 0.2
    assert share.max() < 0.45  # sides are rounded to whole pixels
    noise = disturb(GREY, {"noise": 0.1}, generator()) - 0.5
    assert noise.std().item() == pytest.approx(0.1, abs=0.003)
    dark = disturb(GREY, {"light": 0.6}, generator())
    assert dark.max() <= 0.51
    assert 0.15 < dark.amin() < 0.3
    colour = torch.tensor([0.6, 0.4, 0.4])[:, None, None].expand(400, -1, 8, 8)
    assert disturb(colour, {"cast": 0.2}, generator()).std(dim=0).min() > 0.03


def test_labels_are_balanced_unless_the_task_is_not() -> None:
    even = draw_labels(6000, 4, {}, generator()).bincount(minlength=4)
    assert even.min() > 1400
    skewed = draw_labels(6000, 4, {"imbalance": math.log(4)}, generator()).bincount(minlength=4)
    assert (skewed[0] / skewed[3]).item() == pytest.approx(4, rel=0.15)


@pytest.mark.parametrize("classes", [2, 5])
def test_share_of_labels_becomes_those_of_other_classes(classes: int) -> None:
    labels = torch.arange(5000) % classes
    assert torch.equal(confuse(labels, classes, {}, generator()), labels)
    given = confuse(labels, classes, {"wrong": 0.3}, generator())
    assert (given != labels).float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert given.unique().tolist() == list(range(classes))
