"""ADA's rule on losses made by hand."""

from typing import Any

import pytest

from adaptaug import AdaptAugError
from adaptaug.controllers import ADA
from adaptaug.controllers.ada import overfitting


@pytest.mark.parametrize(
    ("train", "validation", "expected"),
    [
        (0.5, 0.5, 0.0),
        (0.2, 0.8, 0.75),
        (0.0, 0.3, 1.0),
        (0.6, 0.4, -0.5),
        (0.0, 0.0, 0.0),
        (4.0, 4.0, 0.0),  # a diverged child, at the bounds
    ],
)
def test_overfitting_statistic_matches_hand_computation(
    seen: Any, train: float, validation: float, expected: float
) -> None:
    observation = seen(train_loss=train, validation_loss=validation)
    assert overfitting(observation) == pytest.approx(expected)


def strengths(seen: Any, gaps: list[float], **settings: Any) -> list[float]:
    """The strength at ten decisions of a run, one for each value of the statistic."""
    rule = ADA([1.0, 0.5], **settings)
    rule.reset(0)
    chosen = []
    for index, gap in enumerate(gaps):
        magnitudes = rule.decide(index / 10, seen(train_loss=1 - gap, validation_loss=1.0))
        assert magnitudes[1] == pytest.approx(magnitudes[0] / 2)
        chosen.append(magnitudes[0])
    return chosen


@pytest.mark.parametrize(
    ("gaps", "settings", "expected"),
    [
        ([0.9] * 5, {"speed": 2.0}, [0, 0.2, 0.4, 0.6, 0.8]),
        ([0.9] * 5, {}, [0, 0.4, 0.8, 1, 1]),  # speed 4: full in a quarter of the run, no further
        ([0.1] * 3, {}, [0, 0, 0]),
        ([0.9, 0.9, 0.9, 0.5, 0.5, 0.9], {"speed": 2.0}, [0, 0.2, 0.4, 0.2, 0, 0.2]),
        ([0.9, 0.9, 0.9, 0.5, 0.5], {"speed": 2.0, "target": 0.4}, [0, 0.2, 0.4, 0.6, 0.8]),
        ([0.9, 0.7, -0.5, 0.7], {"speed": 1.0}, [0, 0.1, 0, 0.1]),
    ],
)
def test_strength_matches_hand_computation(
    seen: Any, gaps: list[float], settings: dict[str, Any], expected: list[float]
) -> None:
    assert strengths(seen, gaps, **settings) == pytest.approx(expected)


def test_strength_settles_where_the_statistic_meets_the_target(seen: Any) -> None:
    """Where overfitting falls from 0.9 by 0.6 times the strength, half of it is 0.6."""
    rule, strength, chosen = ADA([1.0], target=0.6), 0.0, []
    for step in range(100):
        gap = 0.9 - 0.6 * strength
        (strength,) = rule.decide(step / 100, seen(train_loss=1 - gap, validation_loss=1.0))
        chosen.append(strength)
    assert chosen[50:] == pytest.approx([0.5] * 50, abs=0.05)


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"target": 1.5}, "target must be a number up to 1, got 1.5"),
        ({"target": float("nan")}, "target must be a number up to 1, got nan"),
        ({"speed": 0.0}, "speed must be a number above 0, got 0.0"),
        ({"speed": float("inf")}, "speed must be a number above 0, got inf"),
    ],
)
def test_setting_out_of_range_is_refused(settings: dict[str, float], rule: str) -> None:
    with pytest.raises(AdaptAugError, match=rule):
        ADA([0.5], **settings)
