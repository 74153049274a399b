"""The learning rate that a policy sees: a fraction of its peak, from whatever the user has."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from adaptaug.augmenter.learning_rate import LearningRate, PeakFraction, optimizer_of
from adaptaug.errors import AdaptAugError

schedules = torch.optim.lr_scheduler


def rates(scheduler: Callable[[torch.optim.Optimizer], Any] | None, lr: float = 0.1) -> list[float]:
    """The fractions before each of a run's eight steps."""
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=lr)
    schedule = scheduler(optimizer) if scheduler else None
    fraction, seen = PeakFraction(optimizer), []
    for step in range(8):
        seen.append(fraction.at(step / 8))
        optimizer.step()
        if schedule:
            schedule.step()
    return seen


def test_one_cycle_is_a_fraction_of_its_max_lr() -> None:
    cycle = rates(lambda o: schedules.OneCycleLR(o, 0.5, 8, pct_start=0.5))
    assert cycle[0] == pytest.approx(0.04)
    assert cycle[3] == pytest.approx(1)
    assert cycle[7] < 1e-4


def test_cosine_is_a_fraction_of_its_first_rate() -> None:
    cosine = rates(lambda o: schedules.CosineAnnealingLR(o, 8))
    assert cosine == pytest.approx([0.5 * (1 + np.cos(np.pi * i / 8)) for i in range(8)])


def test_warm_up_is_a_fraction_of_the_rate_that_the_scheduler_scales() -> None:
    warm = rates(lambda o: schedules.LambdaLR(o, lambda step: min(1, (step + 1) / 4)))
    assert warm == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 1, 1])


def test_constant_rate_is_at_its_peak_and_rate_0_is_0() -> None:
    assert rates(None) == [1] * 8
    assert rates(None, lr=0.0) == [0] * 8


@pytest.mark.parametrize(("source", "expected"), [(lambda: 0.3, 0.3), (None, 0.04)])
def test_function_is_asked_and_the_default_is_one_cycle(
    source: LearningRate, expected: float
) -> None:
    assert PeakFraction(source).at(0.0) == pytest.approx(expected)


def test_number_is_refused() -> None:
    source: Any = 0.1
    with pytest.raises(AdaptAugError, match=r"must be an optimizer, .*, got float"):
        PeakFraction(source)


@pytest.mark.parametrize("rate", [None, "high", float("nan")])
def test_a_function_that_returns_no_number_is_refused(rate: Any) -> None:
    with pytest.raises(AdaptAugError, match="must return a fraction of its peak, got"):
        PeakFraction(lambda: rate).at(0.5)


def test_observation_has_the_fraction(
    augmenter: Callable[..., Any], watch: Any, batch: Callable[..., Any]
) -> None:
    watched = watch()
    augmenter(watched, learning_rate=lambda: 0.3)(*batch(0))
    assert watched.seen[0].feature("learning_rate") == pytest.approx(0.3)


def test_a_scheduler_stands_for_its_optimizer() -> None:
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    cosine = schedules.CosineAnnealingLR(optimizer, 8)
    fraction = PeakFraction(cosine)
    for _ in range(4):
        optimizer.step()
        cosine.step()
    assert fraction.at(0.0) == pytest.approx(0.5)
    assert optimizer_of(cosine) is optimizer_of(optimizer) is optimizer
    assert optimizer_of(lambda: 0.5) is optimizer_of(None) is None
