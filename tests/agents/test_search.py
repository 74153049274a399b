"""A whole search: what it leaves, its seeds, its variants, errors, and Ctrl-C on a terminal."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adaptaug.errors import AdaptAugError
from adaptaug.policy.network import START_MAGNITUDE
from adaptaug.policy.observation import (
    FEATURES,
    GLOBAL_FEATURES,
    OP_FEATURES,
    observation_size,
)
from adaptaug.policy.policy import load_policy
from agents.config import SearchConfig
from agents.search import SearchResult, search


def weights(result: SearchResult) -> torch.Tensor:
    return torch.cat([value.flatten() for value in result.policy.network.state_dict().values()])


def random_states() -> tuple[list[int], list[int]]:
    """Random states of torch and of numpy."""
    keys = np.random.get_state()[1]  # noqa: NPY002
    return torch.get_rng_state().tolist(), keys.tolist()


def test_search_leaves_its_result_in_the_run_folder(
    complete: tuple[SearchResult, Path], config: SearchConfig
) -> None:
    result, folder = complete
    assert not result.interrupted
    assert result.episodes == 16
    assert 16 * 8 <= result.child_steps <= 16 * 16
    assert result.seconds > 0
    assert len(result.history) == 4
    assert all(np.isfinite(list(row.values())).all() for row in result.history)
    loaded = load_policy(folder / "policy", config.ops)
    for name, value in loaded.network.state_dict().items():
        assert torch.equal(value, result.policy.network.state_dict()[name])
    assert loaded.provenance["episodes"] == 16
    assert list(folder.glob("events.out.tfevents.*"))


def test_untrained_policy_keeps_ops_near_the_start_magnitude(
    complete: tuple[SearchResult, Path],
) -> None:
    result, folder = complete
    untrained = load_policy(folder / "checkpoints" / "untrained")
    assert untrained.provenance["episodes"] == 0
    observation = np.zeros(observation_size(2), np.float32)
    magnitudes = untrained.network.magnitudes(observation)
    assert magnitudes == pytest.approx([START_MAGNITUDE] * 2, abs=0.05)
    assert magnitudes == result.untrained.network.magnitudes(observation)


def test_equal_seeds_give_equal_policies(
    complete: tuple[SearchResult, Path], config: SearchConfig, tmp_path: Path
) -> None:
    torch.rand(3)
    again = search(config, tmp_path / "again")
    assert torch.equal(weights(again), weights(complete[0]))
    assert again.history == complete[0].history
    other = search(replace(config, seed=1), tmp_path / "other")
    assert not torch.equal(weights(other), weights(complete[0]))


def test_search_leaves_global_random_states_as_they_were(
    config: SearchConfig, tmp_path: Path
) -> None:
    before = random_states()
    search(replace(config, episodes=4), tmp_path)
    assert random_states() == before


def test_resuming_a_complete_search_changes_nothing(
    complete: tuple[SearchResult, Path], config: SearchConfig, tmp_path: Path
) -> None:
    shutil.copytree(complete[1], tmp_path / "copy")
    again = search(config, tmp_path / "copy", resume=True)
    assert torch.equal(weights(again), weights(complete[0]))
    assert again.history == []
    assert again.episodes == 16


@pytest.mark.parametrize(
    ("changes", "task"),
    [
        ({"op_bias": False}, {}),
        ({"hidden": (8,)}, {}),
        ({}, {"decision_interval": 1, "patience": 1, "peak_learning_rate": 0.3}),
        ({}, {"peak_learning_rate": 1e30}),
    ],
    ids=["no op bias", "one hidden layer", "early stopping", "divergence"],
)
def test_variant_runs_and_exports(
    changes: dict[str, Any], task: dict[str, Any], config: SearchConfig, tmp_path: Path
) -> None:
    changed = replace(config, episodes=8, tasks=[{**config.tasks[0], **task}], **changes)
    result = search(changed, tmp_path)
    policy = load_policy(tmp_path / "policy", config.ops)
    observation = np.ones(observation_size(2), np.float32)
    assert policy.network.magnitudes(observation) == result.policy.network.magnitudes(observation)
    assert all(np.isfinite(list(row.values())).all() for row in result.history)
    if not changed.op_bias:
        assert policy.network.op_bias.tolist() == [0, 0]


def test_policy_ignores_the_features_that_its_search_did_not_observe(
    config: SearchConfig, tmp_path: Path
) -> None:
    features = ("progress", "log_epochs", "train_loss", "magnitude")
    search(replace(config, episodes=8, features=features), tmp_path)
    network = load_policy(tmp_path / "policy", config.ops).network
    network.gate.copy_(torch.tensor([1.0, 0.0]))
    plain = torch.full((1, observation_size(2)), 0.5)
    for name in FEATURES:
        other = torch.tensor([n != name for n in (*GLOBAL_FEATURES, *OP_FEATURES * 2)])
        changed = plain.where(other, 0.7)
        assert torch.equal(network(changed), network(plain)) == (name not in features)


def test_costs_that_are_given_are_not_measured(
    config: SearchConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("agents.search.calibrate")
    result = search(replace(config, episodes=4, costs=[{"observe": 2.0}]), tmp_path)
    assert [table.observe for table in result.costs] == [2.0]


def test_search_over_two_tasks_measures_costs_of_both(config: SearchConfig, tmp_path: Path) -> None:
    two = replace(config, episodes=8, tasks=[*config.tasks, {**config.tasks[0], "n_train": 100}])
    result = search(two, tmp_path)
    assert len(result.costs) == 2
    assert [row["n_train"] for row in result.policy.provenance["tasks"]] == [[20, 60], [100, 100]]


def test_task_larger_than_its_data_is_refused(config: SearchConfig, tmp_path: Path) -> None:
    large = replace(config, tasks=[{**config.tasks[0], "n_train": 1200}])
    with pytest.raises(AdaptAugError, match="fit in the pool of 1200 rows"):
        search(large, tmp_path)


SCRIPT = """
import signal
import sys
from pathlib import Path
from agents.config import SearchConfig
from agents.search import search

if __name__ == "__main__":
    # A shell's background job, which CI may be, inherits an ignored SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config = SearchConfig(tasks={tasks!r}, ops=("rotate", "noise"), episodes=4000, groups=2,
        group_size=2, processes=2)
    result = search(config, Path(sys.argv[1]))
    print(result.interrupted, result.episodes)
"""


@pytest.mark.slow
def test_ctrl_c_to_the_whole_process_group_keeps_the_policy(
    config: SearchConfig, tmp_path: Path
) -> None:
    """A terminal sends the signal to the workers too."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(tasks=config.tasks))
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=environment,
    )  # fmt: skip
    checkpoint = tmp_path / "checkpoints" / "last.safetensors"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    try:
        output, errors = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert process.returncode == 0, errors
    interrupted, episodes = output.split()
    assert interrupted == "True"
    assert int(episodes) % 4 == 0
    assert "Traceback" not in errors
    policy = load_policy(tmp_path / "policy")
    assert policy.provenance["episodes"] == int(episodes)
