"""Calibration: costs measured on this machine."""

import json
from functools import partial

import pytest
import torch

from adaptaug.ops import OpSpace
from adaptaug.training import calibration
from adaptaug.training.calibration import calibrate
from adaptaug.training.task import Task


def test_slow_spell_of_the_machine_does_not_change_the_ratios(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]

    def work(seconds: float) -> None:
        now[0] += seconds * (5 if now[0] < 7 else 1)  # others let go of the machine after a while

    monkeypatch.setattr("time.process_time", lambda: now[0])
    works = [partial(work, 0.1), partial(work, 0.2)]
    assert calibration._typical(works, "cpu") == pytest.approx([0.1, 0.2])
    assert now[0] < 12
    now[0] = -1000.0  # slow all along: still in proportion, and given up in time
    assert calibration._typical(works, "cpu") == pytest.approx([0.5, 1.0])
    assert now[0] < -1000 + calibration.LONGEST + 2


def test_every_stage_that_applies_is_measured() -> None:
    task = Task(steps=16, n_train=40, n_validation=50, width=4)
    before = torch.get_rng_state()
    table = calibrate(task, OpSpace(["rotate", "zoom", "hue", "noise"]))
    assert set(table.stages) == {"geometry", "noise"}  # digits have no hue
    assert all(cost >= 0 for cost in table.stages.values())
    assert table.observe > 0
    assert table.validate > 0
    assert torch.equal(torch.get_rng_state(), before)
    json.dumps(table.to_dict())
