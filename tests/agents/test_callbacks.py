"""Advantages by hand, and what a search shows."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from adaptaug.policy.cost import CostTable
from agents.config import SearchConfig
from agents.search import search


def test_what_tensorboard_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.search.calibrate", lambda *arguments: CostTable({}, 1.0))
    task = {
        "steps": 8, "n_train": 20, "n_validation": 50, "batch_size": 8, "width": 2, "decisions": 2,
    }  # fmt: skip
    config = SearchConfig(
        tasks=(task,), ops=("rotate", "mixup"), episodes=8, groups=1, group_size=4, processes=0
    )
    result = search(config, tmp_path)
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    scalars = set(events.Tags()["scalars"])
    assert {"magnitude/rotate", "magnitude/mixup"} <= scalars
    assert {"reward/gain", "reward/cost", "reward/total"} <= scalars
    assert {"child/validation_accuracy", "child/validation_loss"} <= scalars
    assert {"train/approx_kl", "train/learning_rate", "train/value_loss"} <= scalars
    assert events.Tags()["images"] == ["images/original_above_augmented"]
    gains = [event.value for event in events.Scalars("reward/gain")]
    assert gains == pytest.approx([row["gain"] for row in result.history], rel=1e-5)
    costs = [event.value for event in events.Scalars("reward/cost")]
    assert costs == pytest.approx([0.05 * row["cost"] for row in result.history], rel=1e-4)
    steps = [event.step for event in events.Scalars("magnitude/rotate")]
    assert steps == [1, 2]
