import json
from dataclasses import replace

import pytest

from agents.config import SearchConfig


@pytest.mark.parametrize(
    ("changes", "rounds", "updates", "pairs"),
    [
        ({}, 20, 70, 90),  # 20%, 70% and 10% of 1,800 trainings
        ({"episodes": 180}, 2, 7, 9),
        ({"episodes": 20}, 0, 1, 0),
        ({"op_bias": False}, 0, 90, 90),
        ({"warm_start_share": 0.0}, 0, 90, 90),
        ({"min_epochs_share": 0.0}, 20, 80, 0),
    ],
)
def test_trainings_are_split_over_the_phases(
    changes: dict[str, float], rounds: int, updates: int, pairs: int
) -> None:
    config = replace(SearchConfig(), **changes)
    assert config.children == 18
    assert (config.warm_start_rounds, config.updates) == (rounds, updates)
    assert config.pairs(config.children * (rounds + updates)) == pairs


def test_settings_are_json() -> None:
    config = SearchConfig(tasks=({"steps": (8, 16)},), ops=("rotate",))
    assert json.loads(json.dumps(config.to_dict()))["tasks"] == [{"steps": [8, 16]}]
