"""Costs: read from a table by hand, and measured."""

import json
from functools import partial

import pytest
import torch

from adaptaug import cost
from adaptaug.cost import CostTable, calibrate
from adaptaug.ops import OpSpace
from adaptaug.task import Task

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


def test_a_machine_that_is_slow_for_a_while_is_so_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def work(seconds: float) -> None:
        now[0] += seconds * (5 if now[0] < 7 else 1)  # others let go of the machine after a while

    monkeypatch.setattr("time.process_time", lambda: now[0])
    works = [partial(work, 0.1), partial(work, 0.2)]
    assert cost._typical(works, "cpu") == pytest.approx([0.1, 0.2])
    assert now[0] < 12
    now[0] = -1000.0  # slow all along: still in proportion, and given up in time
    assert cost._typical(works, "cpu") == pytest.approx([0.5, 1.0])
    assert now[0] < -1000 + cost.LONGEST + 2


def test_calibration_measures_every_stage_that_applies() -> None:
    task = Task(steps=16, n_train=40, n_validation=50, width=4)
    before = torch.get_rng_state()
    table = calibrate(task, OpSpace(["rotate", "zoom", "hue", "noise"]))
    assert set(table.stages) == {"geometry", "noise"}  # digits have no hue
    assert all(cost >= 0 for cost in table.stages.values())
    assert table.observe > 0
    assert table.validate > 0
    assert torch.equal(torch.get_rng_state(), before)
    json.dumps(table.to_dict())
