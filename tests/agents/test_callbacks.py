from dataclasses import replace
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agents.config import SearchConfig
from agents.search import search


def test_tensorboard_log_holds_the_history_of_the_search(
    config: SearchConfig, tmp_path: Path
) -> None:
    result = search(replace(config, ops=("rotate", "mixup"), episodes=8), tmp_path)
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    scalars = set(events.Tags()["scalars"])
    assert {"magnitude/rotate", "magnitude/mixup"} <= scalars
    assert {"reward/gain", "reward/cost", "reward/total"} <= scalars
    assert {"child/validation_score", "child/validation_loss"} <= scalars
    assert {"train/approx_kl", "train/learning_rate", "train/value_loss"} <= scalars
    assert events.Tags()["images"] == ["images/original_above_augmented"]
    gains = [event.value for event in events.Scalars("reward/gain")]
    assert gains == pytest.approx([row["gain"] for row in result.history], rel=1e-5)
    costs = [event.value for event in events.Scalars("reward/cost")]
    assert costs == pytest.approx([0.05 * row["cost"] for row in result.history], rel=1e-4)
    steps = [event.step for event in events.Scalars("magnitude/rotate")]
    assert steps == [1, 2]
