"""The warm start's policy is the one that PPO starts from."""

from pathlib import Path

import torch

from agents.config import SearchConfig
from agents.phases import WARM_START_TRAININGS, PPOUpdates, read_rows
from agents.ppo import op_policy
from agents.search import search
from agents.warm_start.policy import warm_start_policy


def test_policy_equals_the_one_that_ppo_starts_from(tmp_path: Path, monkeypatch) -> None:
    config = SearchConfig(
        [{"n_train": 50, "steps": [4, 12], "n_validation": 100, "width": 4}],
        ("rotate", "noise"), episodes=36, warm_start_share=0.5, min_epochs_share=0, processes=0,
        seed=3,
    )  # fmt: skip
    seen = {}
    run = PPOUpdates.run

    def watched(phase: PPOUpdates) -> None:
        network = op_policy(phase._state.agent).network
        seen.update({name: value.clone() for name, value in network.state_dict().items()})
        run(phase)

    monkeypatch.setattr(PPOUpdates, "run", watched)
    result = search(config, tmp_path)
    trainings = read_rows(tmp_path / WARM_START_TRAININGS)
    policy = warm_start_policy(result.untrained, trainings, config.warm_start_magnitude, 3)
    rebuilt = policy.network.state_dict()
    assert seen.keys() == rebuilt.keys()
    assert all(torch.equal(seen[name], rebuilt[name]) for name in seen)
    assert not torch.equal(rebuilt["op_bias"], result.untrained.network.state_dict()["op_bias"])
    assert policy.provenance["episodes"] == 18
    assert policy.provenance["phase"] == "warm start"
