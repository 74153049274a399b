"""Every phase resumes bit for bit after Ctrl-C and after the time limit."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO

from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.train_child import Pool
from adaptaug.policy.cost import CostTable
from adaptaug.policy.network import START, PolicyNetwork, to_latent
from adaptaug.policy.observation import observation_size
from adaptaug.policy.policy import load_policy
from agents.config import SearchConfig
from agents.min_epochs import shortest_useful_run
from agents.phases import WARM_START_POLICY, PPOUpdates
from agents.ppo import op_policy
from agents.search import SearchResult, search
from agents.warm_start.screening import Screening
from envs.vector import GroupedVecEnv

Interrupt = Callable[[object, str, int], None]

STRONG = to_latent(0.8) - START
"""Bias of an op at magnitude 0.8."""


def weights(result: SearchResult) -> torch.Tensor:
    return torch.cat([value.flatten() for value in result.policy.network.state_dict().values()])


def first_op_off(screening: Screening, network: PolicyNetwork, *, before_ppo: bool) -> None:
    """Replaces `Screening.initialise`: the first op is off, the second at magnitude 0.8."""
    with torch.no_grad():
        network.op_bias.copy_(torch.tensor([0.0, STRONG]))
        network.gate.copy_(torch.tensor([[0.2, 0.0], [1.0, 0.0]]))


@pytest.fixture(scope="module")
def with_warm_start(config: SearchConfig) -> SearchConfig:
    """Two rounds of the warm start, then four updates."""
    return replace(config, episodes=24, warm_start_share=0.34)


@pytest.fixture(scope="module")
def with_pairs(config: SearchConfig) -> SearchConfig:
    """Four updates, then five pairs."""
    return replace(config, episodes=26, warm_start_share=0, min_epochs_share=0.385)


@pytest.fixture(scope="module")
def warm_started(
    with_warm_start: SearchConfig, tmp_path_factory: pytest.TempPathFactory
) -> tuple[SearchResult, Path]:
    """Result and folder of a search with a warm start that nothing interrupts."""
    folder = tmp_path_factory.mktemp("warm_started")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Screening, "initialise", first_op_off)
        return search(with_warm_start, folder), folder


# The calls of step_wait: one of the first rollout, which fits the statistics, then two an update.
@pytest.mark.parametrize(("call", "updates"), [(2, 0), (3, 0), (4, 1), (7, 2)])
def test_ctrl_c_in_a_rollout_then_resume_replays_the_search(
    call: int,
    updates: int,
    complete: tuple[SearchResult, Path],
    config: SearchConfig,
    tmp_path: Path,
    interrupt: Interrupt,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    interrupt(GroupedVecEnv, "step_wait", call)
    stopped = search(config, tmp_path)
    assert stopped.interrupted
    assert stopped.episodes == 4 * updates
    assert stopped.history == complete[0].history[:updates]
    load_policy(tmp_path / "policy", config.ops)
    if updates == 0:
        observation = np.ones(observation_size(2), np.float32)
        assert stopped.policy.network.magnitudes(observation) == (
            stopped.untrained.network.magnitudes(observation)
        )
    # The costs that are measured when the search resumes must not matter.
    monkeypatch.setattr("agents.search.calibrate", lambda *arguments: CostTable({}, 9.0))
    resumed = search(config, tmp_path, resume=True)
    whole = complete[0]
    assert torch.equal(weights(resumed), weights(whole))
    assert resumed.history == whole.history[updates:]
    assert (resumed.episodes, resumed.child_steps) == (whole.episodes, whole.child_steps)
    assert resumed.costs == [CostTable({}, 1.25)]
    assert not resumed.interrupted
    for name, value in resumed.untrained.network.state_dict().items():
        assert torch.equal(value, whole.untrained.network.state_dict()[name])


def test_ctrl_c_within_an_update_drops_the_update(
    complete: tuple[SearchResult, Path], config: SearchConfig, tmp_path: Path, interrupt: Interrupt
) -> None:
    one = search(replace(config, time_limit_minutes=0), tmp_path / "one")
    interrupt(PPO, "train", 2)
    stopped = search(config, tmp_path / "stopped")
    assert (stopped.episodes, one.episodes) == (4, 4)
    assert torch.equal(weights(stopped), weights(one))
    resumed = search(config, tmp_path / "stopped", resume=True)
    assert torch.equal(weights(resumed), weights(complete[0]))


def test_policy_that_the_warm_start_saves_is_the_one_that_ppo_starts_from(
    with_warm_start: SearchConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, torch.Tensor] = {}
    run = PPOUpdates.run

    def watched(phase: PPOUpdates) -> None:
        network = op_policy(phase._state.agent).network
        seen.update({name: value.clone() for name, value in network.state_dict().items()})
        run(phase)

    monkeypatch.setattr(PPOUpdates, "run", watched)
    result = search(with_warm_start, tmp_path)
    saved = load_policy(tmp_path / WARM_START_POLICY)
    kept = saved.network.state_dict()
    assert all(torch.equal(seen[name], kept[name]) for name in seen)
    assert not torch.equal(kept["op_bias"], result.untrained.network.state_dict()["op_bias"])
    assert saved.provenance["episodes"] == 8


def test_another_search_in_the_folder_drops_the_policy_of_the_warm_start(
    with_warm_start: SearchConfig, config: SearchConfig, tmp_path: Path
) -> None:
    search(replace(with_warm_start, time_limit_minutes=0), tmp_path)
    assert (tmp_path / WARM_START_POLICY).exists()
    search(replace(config, time_limit_minutes=0), tmp_path)
    assert not (tmp_path / WARM_START_POLICY).exists()


def test_op_that_the_warm_start_switches_off_stays_off(
    warm_started: tuple[SearchResult, Path],
) -> None:
    result, folder = warm_started
    assert (result.episodes, len(result.history)) == (24, 4)
    magnitudes = result.policy.network.magnitudes(np.zeros(observation_size(2), np.float32))
    assert magnitudes[0] == 0
    assert magnitudes[1] == pytest.approx(0.8, abs=0.1)
    found = json.loads((folder / "warm_start.json").read_text())
    assert found["rotate"]["magnitudes"] == [0, 0, 0]
    assert found["noise"]["magnitudes"] == pytest.approx([0.8] * 3)
    assert np.isfinite([row["effects"] for row in found.values()]).all()


@pytest.mark.parametrize(
    ("owner", "name", "call", "rollouts"),
    [
        (Pool, "run", 1, 0),
        (Pool, "run", 2, 1),
        (sys.modules["agents.phases"], "write_json", 2, 1),  # one call a round
        (sys.modules["agents.phases"], "write_json", 3, 2),  # what it found of the ops
        (GroupedVecEnv, "reset", 2, 2),  # PPO's, after that of the first rollout
        (GroupedVecEnv, "step_wait", 2, 2),
        (GroupedVecEnv, "step_wait", 4, 3),
    ],
)
def test_ctrl_c_in_the_warm_start_or_after_it_then_resume_replays_the_search(
    owner: object,
    name: str,
    call: int,
    rollouts: int,
    warm_started: tuple[SearchResult, Path],
    with_warm_start: SearchConfig,
    tmp_path: Path,
    interrupt: Interrupt,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Screening, "initialise", first_op_off)
    interrupt(owner, name, call)
    stopped = search(with_warm_start, tmp_path)
    assert (stopped.interrupted, stopped.episodes) == (True, 4 * rollouts)
    load_policy(tmp_path / "policy", with_warm_start.ops)
    resumed, whole = search(with_warm_start, tmp_path, resume=True), warm_started[0]
    assert torch.equal(weights(resumed), weights(whole))
    assert resumed.history == whole.history[max(0, rollouts - 2) :]
    assert (resumed.episodes, resumed.child_steps) == (whole.episodes, whole.child_steps)


def test_ctrl_c_while_the_policy_is_initialised_then_resume_initialises_it(
    warm_started: tuple[SearchResult, Path],
    with_warm_start: SearchConfig,
    tmp_path: Path,
    interrupt: Interrupt,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    interrupt(Screening, "initialise", 1)
    stopped = search(with_warm_start, tmp_path)
    assert (stopped.interrupted, stopped.episodes) == (True, 8)
    monkeypatch.setattr(Screening, "initialise", first_op_off)
    resumed = search(with_warm_start, tmp_path, resume=True)
    assert torch.equal(weights(resumed), weights(warm_started[0]))
    assert (tmp_path / "warm_start.json").exists()


def test_ctrl_c_among_the_pairs_then_resume_finds_the_shortest_useful_run(
    complete: tuple[SearchResult, Path],
    with_pairs: SearchConfig,
    tmp_path: Path,
    interrupt: Interrupt,
) -> None:
    interrupt(Pool, "run", 1)
    stopped = search(with_pairs, tmp_path)
    assert (stopped.interrupted, stopped.episodes, stopped.evidence) == (True, 16, None)
    assert load_policy(tmp_path / "policy").min_epochs == 0
    result = search(with_pairs, tmp_path, resume=True)
    assert torch.equal(weights(result), weights(complete[0]))
    assert (result.interrupted, result.episodes) == (False, 26)
    assert result.child_steps > complete[0].child_steps
    found = json.loads((tmp_path / "min_epochs.json").read_text())
    assert found == result.evidence
    assert len(found["epochs"]) == len(found["gains"]) == 5
    expected = shortest_useful_run(np.array(found["epochs"]), np.array(found["gains"]))
    assert load_policy(tmp_path / "policy").min_epochs == expected > 0


def test_pairs_are_not_trained_again_when_a_complete_search_resumes(
    with_pairs: SearchConfig, tmp_path: Path, interrupt: Interrupt
) -> None:
    first = search(with_pairs, tmp_path)
    interrupt(Pool, "run", 1)
    again = search(with_pairs, tmp_path, resume=True)
    assert (again.interrupted, again.episodes, again.evidence) == (False, 26, first.evidence)
    assert again.child_steps == first.child_steps
    assert load_policy(tmp_path / "policy").min_epochs == first.policy.min_epochs


def test_pairs_of_a_policy_that_learns_on_are_dropped(
    with_pairs: SearchConfig, tmp_path: Path, interrupt: Interrupt
) -> None:
    search(with_pairs, tmp_path)
    more = replace(with_pairs, episodes=36)
    interrupt(GroupedVecEnv, "step_wait", 2)
    stopped = search(more, tmp_path, resume=True)
    assert (stopped.interrupted, stopped.evidence) == (True, None)
    assert not (tmp_path / "min_epochs.json").exists()
    assert stopped.policy.min_epochs == 0


def test_new_search_ignores_files_of_another_search_in_its_folder(
    warm_started: tuple[SearchResult, Path],
    with_warm_start: SearchConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Screening, "initialise", first_op_off)
    search(replace(with_warm_start, seed=1), tmp_path)
    assert torch.equal(weights(search(with_warm_start, tmp_path)), weights(warm_started[0]))


def test_time_limit_ends_a_search_after_its_update(
    complete: tuple[SearchResult, Path], config: SearchConfig, tmp_path: Path
) -> None:
    limited = replace(config, time_limit_minutes=0)
    results = [search(limited, tmp_path)]
    results += [search(limited, tmp_path, resume=True) for _ in range(3)]
    assert [result.episodes for result in results] == [4, 8, 12, 16]
    assert not any(result.interrupted for result in results)
    assert [row for result in results for row in result.history] == complete[0].history
    assert torch.equal(weights(results[-1]), weights(complete[0]))


def test_time_limit_ends_a_warm_start_after_its_round(
    warm_started: tuple[SearchResult, Path],
    with_warm_start: SearchConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Screening, "initialise", first_op_off)
    first = search(replace(with_warm_start, time_limit_minutes=0), tmp_path)
    assert (first.episodes, first.history, first.interrupted) == (4, [], False)
    rest = search(with_warm_start, tmp_path, resume=True)
    assert torch.equal(weights(rest), weights(warm_started[0]))


@pytest.mark.parametrize("name", ["costs.json", "warm_start.json"])
@pytest.mark.parametrize("text", ["[", "{}", "[1]"])
def test_damaged_file_beside_the_checkpoint_is_an_error(
    name: str, text: str, with_warm_start: SearchConfig, tmp_path: Path
) -> None:
    limited = replace(with_warm_start, time_limit_minutes=0)
    search(limited, tmp_path)
    (tmp_path / "checkpoints" / name).write_text(text)
    with pytest.raises(AdaptAugError, match=f"{name} must be what the search wrote"):
        search(limited, tmp_path, resume=True)


def test_damaged_file_of_the_shortest_useful_run_is_an_error(
    with_pairs: SearchConfig, tmp_path: Path
) -> None:
    search(with_pairs, tmp_path)
    (tmp_path / "min_epochs.json").write_text("[]")
    with pytest.raises(AdaptAugError, match=r"min_epochs\.json must be what the search wrote"):
        search(with_pairs, tmp_path, resume=True)
