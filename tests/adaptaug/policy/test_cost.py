"""Costs: read from a table, by hand."""

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
def test_an_interval_by_hand(magnitudes: list[float], cost: float) -> None:
    assert TABLE.interval(SPACE, magnitudes, 10) == pytest.approx(10 * cost)


def test_plain_data_there_and_back() -> None:
    assert CostTable.from_dict(json.loads(json.dumps(TABLE.to_dict()))) == TABLE
    assert CostTable.from_dict({}) == CostTable()


def test_a_table_of_an_older_policy() -> None:
    older = CostTable.from_dict({"stages": {"noise": 0.4}, "observe": 2.0, "default": 0.1})
    assert older == CostTable({"noise": 0.4}, observe=2.0, validate=0.5)


def test_an_observation_by_hand() -> None:
    assert (TABLE.observation(probe=True), TABLE.observation(probe=False)) == (2.0, 0.75)
