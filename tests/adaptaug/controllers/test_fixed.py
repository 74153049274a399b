"""Magnitudes of the controllers that observe nothing, by hand."""

import numpy as np
import pytest

from adaptaug.controllers import Constant, Ramp, Random
from adaptaug.controllers.fixed import Linear, Schedule
from adaptaug.errors import AdaptAugError


def test_constant_picks_the_same_at_every_decision() -> None:
    constant = Constant([0.0, 0.3, 0.8])
    assert constant.decide(0.0, None) == constant.decide(0.9, None) == [0.0, 0.3, 0.8]


def test_ramp_matches_hand_computation() -> None:
    ramp = Ramp([0.0, 0.3, 0.8])
    assert ramp.decide(0.0, None) == [0, 0, 0]
    assert ramp.decide(0.25, None) == pytest.approx([0, 0.15, 0.4])
    assert ramp.decide(0.75, None) == pytest.approx([0, 0.45, 1])  # 1.2 is cut


def test_linear_goes_from_the_first_to_the_last_magnitudes() -> None:
    linear = Linear([0.2, 0.8], [0.6, 0.0])
    assert linear.decide(0.0, None) == [0.2, 0.8]
    assert linear.decide(0.25, None) == pytest.approx([0.3, 0.6])
    assert linear.decide(1.0, None) == pytest.approx([0.6, 0.0])


def test_schedule_holds_the_magnitudes_of_each_part_of_the_run() -> None:
    schedule = Schedule([0, 0.25, 0.5], [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
    picked = [schedule.decide(progress, None) for progress in (0.0, 0.24, 0.25, 0.49, 0.5, 0.99)]
    assert picked == [[0.1, 0.2]] * 2 + [[0.3, 0.4]] * 2 + [[0.5, 0.6]] * 2
    assert not schedule.features


@pytest.mark.parametrize(
    ("starts", "rows", "sentence"),
    [
        ([], [], "starts that ascend from 0"),
        ([0.1], [[0.5]], "starts that ascend from 0"),
        ([0, 0.5, 0.5], [[0.5]] * 3, "starts that ascend from 0"),
        ([0, 0.5], [[0.5]], "a row of magnitudes for each"),
        ([0], [[1.5]], "magnitude must lie in"),
    ],
)
def test_schedule_that_does_not_fit_together_is_refused(starts, rows, sentence: str) -> None:
    with pytest.raises(AdaptAugError, match=sentence):
        Schedule(starts, rows)


def test_random_is_uniform_up_to_twice_the_given_magnitude() -> None:
    random = Random([0.0, 0.3])
    random.reset(0)
    drawn = np.array([random.decide(0.5, None) for _ in range(4000)])
    assert drawn[:, 0].max() == 0
    assert drawn[:, 1].mean() == pytest.approx(0.3, abs=0.01)
    assert 0.59 < drawn[:, 1].max() <= 0.6


def test_random_draws_differ_between_seeds() -> None:
    drawn = []
    for seed in (0, 1):
        random = Random([0.0, 0.3, 0.8])
        random.reset(seed)
        drawn.append([random.decide(i / 6, None) for i in range(6)])
    assert drawn[0] != drawn[1]
