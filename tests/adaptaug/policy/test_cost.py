"""Costs from a table, by hand."""

import json

import pytest

from adaptaug.ops import OpSpace
from adaptaug.policy.cost import CostTable

SPACE = OpSpace(["rotate", "zoom", "brightness", "contrast", "noise", "erasing"])
TABLE = CostTable(
    {"geometry": 0.2, "colour": 0.1, "noise": 0.4}, observe=2.0, default=0.05, validate=0.75
)


@pytest.mark.parametrize(
    ("magnitudes", "cost"),
    [
        ([0, 0, 0, 0, 0, 0], 0.0),
        ([0.1, 0, 0, 0, 0, 0], 0.2),
        ([0.1, 1, 0, 0, 0, 0], 0.2),  # fused: two for the price of one
        ([0, 0, 0.3, 0.3, 1, 0], 0.5),
        ([0, 0, 0, 0, 0, 0.5], 0.05),  # not in the table
        ([1, 1, 1, 1, 1, 1], 0.75),
    ],
)
def test_cost_of_an_interval_matches_hand_computation(magnitudes: list[float], cost: float) -> None:
    assert TABLE.interval(SPACE, magnitudes, 10) == pytest.approx(10 * cost)


def test_plain_data_round_trip_is_exact() -> None:
    assert CostTable.from_dict(json.loads(json.dumps(TABLE.to_dict()))) == TABLE
    assert CostTable.from_dict({}) == CostTable()


def test_missing_entries_take_their_defaults() -> None:
    older = CostTable.from_dict({"stages": {"noise": 0.4}, "observe": 2.0, "default": 0.1})
    assert older == CostTable({"noise": 0.4}, observe=2.0, validate=0.5)


def test_cost_of_an_observation_depends_on_probes() -> None:
    assert (TABLE.observation(probe=True), TABLE.observation(probe=False)) == (2.0, 0.75)
