"""The feedback rule on sequences of validation losses made by hand."""

from collections.abc import Sequence
from typing import Any

import pytest

from adaptaug import AdaptAugError
from adaptaug.controllers import Reactive

LEVELS = [[0.0, 0.0], [0.25, 0.0], [0.5, 0.5], [1.0, 0.75]]


def levels(seen: Any, losses: Sequence[float], **settings: Any) -> list[int]:
    """The level after each of the losses."""
    rule = Reactive(LEVELS, **settings)
    rule.reset(0)
    chosen = [rule.decide(0.1, seen(validation_loss=loss)) for loss in losses]
    return [LEVELS.index(list(magnitudes)) for magnitudes in chosen]


@pytest.mark.parametrize(
    ("losses", "settings", "expected"),
    [
        ([1.0, 0.9, 0.8, 0.7], {}, [0, 1, 2, 3]),
        ([1.0, 0.9, 0.8, 0.7, 0.6], {"start": 2}, [2, 3, 3, 3, 3]),  # no level above the last
        ([1.0, 1.1, 1.2, 1.3], {"start": 2}, [2, 1, 0, 0]),  # nor below the first
        ([1.0, 1.0, 1.0], {"start": 2}, [2, 1, 0]),  # stagnant
        ([1.0, 0.9, 0.95, 0.8, 0.8], {}, [0, 1, 0, 1, 0]),
        # two in a row make a move, a turn starts the count again
        ([1.0, 0.9, 0.8, 0.7, 0.6], {"patience": 2}, [0, 0, 1, 1, 2]),
        ([1.0, 0.9, 1.0, 0.9, 0.8], {"patience": 2, "start": 1}, [1, 1, 1, 1, 2]),
        ([1.0, 1.1, 1.2, 1.1, 1.2, 1.3], {"patience": 2, "start": 2}, [2, 2, 1, 1, 1, 0]),
        # falls by 0.5%, 2%, 0.5%
        ([1.0, 0.995, 0.975, 0.97], {"tolerance": 0.01, "start": 1}, [1, 0, 1, 0]),
        ([1.0, 0.995, 0.975, 0.97], {"start": 0}, [0, 1, 2, 3]),
        ([4.0, 4.0, 4.0], {"start": 2}, [2, 1, 0]),  # a diverged child, at the bound
    ],
)
def test_levels_match_hand_computation(
    seen: Any, losses: list[float], settings: dict[str, Any], expected: list[int]
) -> None:
    assert levels(seen, losses, **settings) == expected


def test_reset_returns_to_the_starting_level(seen: Any) -> None:
    rule = Reactive(LEVELS, start=1)
    for _ in range(2):
        rule.reset(3)
        chosen = [rule.decide(0.0, seen(validation_loss=loss)) for loss in (1.0, 0.5)]
        assert chosen == [LEVELS[1], LEVELS[2]]


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"levels": []}, r"levels must be one or more, all of the same ops, got \[\]"),
        ({"levels": [[0.0], [0.0, 0.5]]}, r"all of the same ops, got \[1, 2\]"),
        ({"start": 4}, "start must be one of the levels 0 to 3, got 4"),
        ({"start": -1}, "start must be one of the levels 0 to 3, got -1"),
        ({"patience": 0}, "patience must be at least 1, got 0"),
        ({"tolerance": -0.1}, r"tolerance must lie in \[0, 1\), got -0.1"),
        ({"tolerance": 1.0}, r"tolerance must lie in \[0, 1\), got 1.0"),
    ],
)
def test_setting_out_of_range_is_refused(settings: dict[str, Any], rule: str) -> None:
    with pytest.raises(AdaptAugError, match=rule):
        Reactive(**({"levels": LEVELS} | settings))
