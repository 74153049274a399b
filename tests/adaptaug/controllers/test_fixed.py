"""Constant, ramp and random magnitudes, by hand."""

import numpy as np
import pytest

from adaptaug.controllers import Constant, Ramp, Random


def test_constant_picks_the_same_at_every_decision() -> None:
    constant = Constant([0.0, 0.3, 0.8])
    assert constant.decide(0.0, None) == constant.decide(0.9, None) == [0.0, 0.3, 0.8]


def test_ramp_matches_hand_computation() -> None:
    ramp = Ramp([0.0, 0.3, 0.8])
    assert ramp.decide(0.0, None) == [0, 0, 0]
    assert ramp.decide(0.25, None) == pytest.approx([0, 0.15, 0.4])
    assert ramp.decide(0.75, None) == pytest.approx([0, 0.45, 1])  # 1.2 is cut


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
