"""Learning-rate schedules and decision boundaries, by hand and at their ends."""

import numpy as np
import pytest

from adaptaug.policy.schedules import SCHEDULES, decision_boundaries


@pytest.mark.parametrize(
    ("steps", "decisions", "interval", "expected"),
    [
        (12, 3, None, [4, 8, 12]),
        (10, 4, None, [2, 5, 8, 10]),  # 2.5 and 7.5 are rounded to even
        (12, 1, None, [12]),
        (3, 8, None, [1, 2, 3]),
        (12, 8, 5, [5, 10, 12]),
        (10, 8, 5, [5, 10]),
        (4, 8, 1, [1, 2, 3, 4]),
        (4, 8, 4, [4]),
        (4, 8, 9, [4]),
    ],
)
def test_decision_boundaries_match_hand_computation(
    steps: int, decisions: int, interval: int | None, expected: list[int]
) -> None:
    assert decision_boundaries(steps, decisions, interval) == expected


@pytest.mark.parametrize("decisions", [1, 3, 8, 13])
def test_interval_lengths_differ_by_at_most_one_step(decisions: int) -> None:
    for steps in range(1, 120):
        ends = decision_boundaries(steps, decisions)
        lengths = np.diff([0, *ends])
        assert ends[-1] == steps
        assert len(ends) == min(decisions, steps)
        assert lengths.min() >= 1
        assert lengths.max() - lengths.min() <= 1


@pytest.mark.parametrize("name", ["one_cycle", "cosine", "linear"])
def test_schedule_rises_to_1_once_and_falls_to_0(name: str) -> None:
    rates = [SCHEDULES[name](progress) for progress in np.linspace(0, 1, 101)]
    assert max(rates) == pytest.approx(1)
    assert rates[-1] == pytest.approx(0, abs=1e-12)
    peak = int(np.argmax(rates))
    assert np.all(np.diff(rates[: peak + 1]) >= 0)
    assert np.all(np.diff(rates[peak:]) <= 0)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # the second is half-way from 0.04 to 1
        ("one_cycle", {0: 0.04, 0.15: 0.52, 0.3: 1, 0.65: 0.5, 1: 0}),
        ("cosine", {0: 1, 0.5: 0.5, 1: 0}),
        ("linear", {0: 0, 0.05: 0.5, 0.1: 1, 0.55: 0.5, 1: 0}),
        ("constant", {0: 1, 0.99: 1}),
    ],
)
def test_schedule_matches_hand_computation(name: str, expected: dict[float, float]) -> None:
    rates = {progress: SCHEDULES[name](progress) for progress in expected}
    assert rates == pytest.approx(expected)
