"""Cross-validated kernel ridge regression against one fit for each fold."""

import pytest
import torch
from torch import Tensor

from adaptaug.policy.kernel_ridge import cross_validated_r2

RIDGE = 0.1


def r2(points: Tensor, targets: Tensor, count: int, folds: int) -> float:
    return cross_validated_r2(kernel(points, points), targets, count, folds, RIDGE)


def data(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Random points (count, 3), and centred targets (count, 2) that depend on them."""
    points = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))
    targets = torch.stack([points[:, 0].sin(), points[:, 1] * points[:, 2]], 1)
    return points, targets - targets.mean(0)


def kernel(one: Tensor, other: Tensor) -> Tensor:
    return torch.exp(-torch.cdist(one, other).square() / 2)


def test_equals_one_fit_for_each_fold() -> None:
    """Two copies of twelve examples in three folds, each fitted without its own rows."""
    points, targets = data(24, seed=0)
    fold = torch.arange(12) // 4
    residuals = []
    for left_out in range(3):
        kept = (fold != left_out).repeat(2)
        tested = torch.cat([fold == left_out, torch.zeros(12, dtype=torch.bool)])
        regularised = kernel(points[kept], points[kept]) + 2 * RIDGE * torch.eye(16)
        weights = torch.linalg.solve(regularised, targets[kept])
        residuals.append(targets[tested] - kernel(points[tested], points[kept]) @ weights)
    expected = 1 - torch.cat(residuals).square().sum() / targets[:12].square().sum()
    found = r2(points, targets, count=12, folds=3)
    assert found == pytest.approx(float(expected), abs=1e-4)


def test_equal_copies_change_nothing() -> None:
    points, targets = data(40, seed=1)
    once = r2(points, targets, count=40, folds=10)
    points, targets = points.repeat(3, 1), targets.repeat(3, 1)
    thrice = r2(points, targets, count=40, folds=10)
    assert thrice == pytest.approx(once, abs=1e-4)


def test_more_examples_of_the_same_kind_help() -> None:
    points, targets = data(200, seed=2)
    few = r2(points[:40], targets[:40], count=40, folds=10)
    many = r2(points, targets, count=40, folds=10)
    assert 0 < few < many < 1


def test_nothing_to_predict() -> None:
    points, targets = data(10, seed=3)
    assert r2(points, 0 * targets, count=10, folds=5) == 0
