"""The search: solves a toy with a known answer, replays, resumes, and survives Ctrl-C."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv

from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.train_child import Pool
from adaptaug.policy.cost import CostTable
from adaptaug.policy.network import START, PolicyNetwork, to_latent, to_magnitudes
from adaptaug.policy.observation import GLOBAL_FEATURES, LIMIT, OP_FEATURES, observation_size
from adaptaug.policy.policy import load_policy
from adaptaug.utils.seeding import RandomStream
from agents.min_epochs import fewest_passes
from agents.search import (
    SearchConfig,
    SearchResult,
    build_agent,
    search,
    standardise_on_first_rollout,
)
from agents.warm_start.screening import Screening
from envs.vector import GroupedVecEnv

TASK = {
    "steps": (8, 16), "n_train": (20, 60), "n_validation": 50, "batch_size": 8, "width": 2,
    "decisions": 2,
}  # fmt: skip
CONFIG = SearchConfig(
    tasks=(TASK,), ops=("rotate", "noise"), episodes=16, groups=2, group_size=2, processes=0
)
UPDATES = 4


class ToyEnv(VecEnv):
    """Children whose best magnitudes are known.

    An op whose probe hurts (probe_loss 1) should be off; of the others the best magnitude rises
    with the probe's loss: 0.5 + 0.25 probe_loss for a probe_loss in [-1, 1]. The reward at each
    decision is minus the sum of the squared distances.
    """

    def __init__(self, num_envs: int, n_ops: int, decisions: int, seed: int) -> None:
        super().__init__(
            num_envs,
            spaces.Box(-LIMIT, LIMIT, (observation_size(n_ops),), np.float32),
            spaces.Box(-1, 1, (n_ops,), np.float32),
        )
        self._random = np.random.default_rng(seed)
        self._n_ops, self._decisions = n_ops, decisions
        self._step = 0

    def reset(self) -> np.ndarray:
        self._step = 0
        return self._draw()

    def step_async(self, actions: np.ndarray) -> None:
        self._actions = actions

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        rewards = -((to_magnitudes(self._actions) - self.best) ** 2).sum(1)
        self._step = (self._step + 1) % self._decisions
        dones = np.full(self.num_envs, self._step == 0)
        return self._draw(), rewards.astype(np.float32), dones, [{} for _ in rewards]

    def _draw(self) -> np.ndarray:
        """New observations (num_envs, size), which the toy's best magnitudes follow."""
        run = self._random.uniform(-1, 1, (self.num_envs, len(GLOBAL_FEATURES)))
        run[:, 0] = self._step / self._decisions
        ops = np.zeros((self.num_envs, self._n_ops, len(OP_FEATURES)))
        probe = self._random.uniform(-1, 1, (self.num_envs, self._n_ops))
        harmful = self._random.uniform(size=probe.shape) < 0.3
        ops[:, :, 0] = np.where(harmful, 1.0, probe)
        ops[:, :, 1] = np.where(harmful, -1.0, 0.0)
        self.best = np.where(harmful, 0.0, 0.5 + 0.25 * probe)
        flat = np.concatenate([run, ops.reshape(self.num_envs, -1)], axis=1)
        return flat.astype(np.float32)

    def close(self) -> None:
        """Nothing to do."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [None] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise NotImplementedError

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> Any:
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [False] * self.num_envs


def distance_from_best(actor: str, updates: int) -> np.ndarray:
    """Trains on the toy; mean distance of deterministic from best magnitudes, per op."""
    config, decisions = SearchConfig(actor=actor), 8
    env: Any = ToyEnv(config.groups * config.group_size, 4, decisions, seed=0)
    with RandomStream(0).active():
        agent = build_agent(config, env, decisions)
        standardise_on_first_rollout(agent.policy, env, decisions)
        agent.learn(updates * decisions * env.num_envs)
    test: Any = ToyEnv(500, 4, decisions, seed=1)
    actions, _ = agent.predict(test.reset(), deterministic=True)
    return np.abs(to_magnitudes(actions) - test.best).mean(0)


def test_a_toy_with_known_best_magnitudes_is_solved() -> None:
    assert (distance_from_best("shared", updates=90) < 0.1).all()


def test_the_plain_network_learns_too() -> None:
    """The ablation is slower, which is why it is one."""
    early, late = (distance_from_best("mlp", updates).mean() for updates in (1, 60))
    assert late < 0.8 * early


@pytest.fixture(autouse=True)
def fixed_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that no clock disturbs, measured once."""
    monkeypatch.setattr("agents.search.calibrate", lambda *arguments: CostTable({}, 1.25))


def weights(result: SearchResult) -> torch.Tensor:
    return torch.cat([value.flatten() for value in result.policy.network.state_dict().values()])


def interrupt(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, call: int) -> None:
    """Makes a method raise what Ctrl-C raises, after it did its work, at its n-th call."""
    original: Callable[..., Any] = getattr(owner, name)
    calls = iter(range(1, 10**6))

    def method(*arguments: Any, **keywords: Any) -> Any:
        result = original(*arguments, **keywords)
        if next(calls) == call:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(owner, name, method)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchResult, Path]:
    """An undisturbed search, to compare others with."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("agents.search.calibrate", lambda *arguments: CostTable({}, 1.25))
        return search(CONFIG, folder), folder


def test_what_a_search_leaves(whole: tuple[SearchResult, Path]) -> None:
    result, folder = whole
    assert not result.interrupted
    assert result.episodes == 16
    assert 16 * 8 <= result.child_steps <= 16 * 16
    assert result.seconds > 0
    assert len(result.history) == UPDATES
    assert all(np.isfinite(list(row.values())).all() for row in result.history)
    loaded = load_policy(folder / "policy", CONFIG.ops)
    for name, value in loaded.network.state_dict().items():
        assert torch.equal(value, result.policy.network.state_dict()[name])
    assert loaded.provenance["episodes"] == 16
    untrained = load_policy(folder / "checkpoints" / "untrained")
    assert untrained.provenance["episodes"] == 0
    start = untrained.network.magnitudes(np.zeros(observation_size(2), np.float32))
    assert start == pytest.approx([0.25, 0.25], abs=0.15)
    assert list(folder.glob("events.out.tfevents.*"))


def test_two_searches_of_one_seed_are_equal(
    whole: tuple[SearchResult, Path], tmp_path: Path
) -> None:
    torch.rand(3)
    again = search(CONFIG, tmp_path / "again")
    assert torch.equal(weights(again), weights(whole[0]))
    assert again.history == whole[0].history
    other = search(replace(CONFIG, seed=1), tmp_path / "other")
    assert not torch.equal(weights(other), weights(whole[0]))


def random_states() -> tuple[list[int], list[int]]:
    """Of torch and of numpy."""
    keys = np.random.get_state()[1]  # noqa: NPY002
    return torch.get_rng_state().tolist(), keys.tolist()


def test_the_random_states_of_others_are_untouched(tmp_path: Path) -> None:
    before = random_states()
    search(replace(CONFIG, episodes=4), tmp_path)
    assert random_states() == before


# One step of the statistics' rollout, then two in each update's.
@pytest.mark.parametrize(("call", "done"), [(2, 0), (3, 0), (4, 1), (7, 2)])
def test_ctrl_c_in_a_rollout_then_resume_replays_bit_for_bit(
    call: int,
    done: int,
    whole: tuple[SearchResult, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        interrupt(patch, GroupedVecEnv, "step_wait", call)
        stopped = search(CONFIG, tmp_path)
    assert stopped.interrupted
    assert stopped.episodes == 4 * done
    assert stopped.history == whole[0].history[:done]
    load_policy(tmp_path / "policy", CONFIG.ops)
    if done == 0:
        observation = np.ones(observation_size(2), np.float32)
        assert stopped.policy.network.magnitudes(observation) == (
            stopped.untrained.network.magnitudes(observation)
        )
    # a machine that is busier now must not change the costs
    monkeypatch.setattr("agents.search.calibrate", lambda *arguments: CostTable({}, 9.0))
    resumed = search(CONFIG, tmp_path, resume=True)
    assert torch.equal(weights(resumed), weights(whole[0]))
    assert resumed.history == whole[0].history[done:]
    assert (resumed.episodes, resumed.child_steps) == (whole[0].episodes, whole[0].child_steps)
    assert resumed.costs == [CostTable({}, 1.25)]
    assert not resumed.interrupted
    for name, value in resumed.untrained.network.state_dict().items():
        assert torch.equal(value, whole[0].untrained.network.state_dict()[name])


SCREENED = replace(CONFIG, episodes=24, screening=0.34)
"""Two rollouts of screening, then the four updates."""


STRONG = to_latent(0.8) - START
"""The bias of an op at magnitude 0.8."""


def find(patch: pytest.MonkeyPatch) -> None:
    """Has a screening find that the first op harms and the second should start strong."""

    def start(screening: Screening, network: PolicyNetwork, *, learns: bool) -> None:
        with torch.no_grad():
            network.op_bias.copy_(torch.tensor([0.0, STRONG]))
            network.gate.copy_(torch.tensor([[0.2, 0.0], [1.0, 0.0]]))

    patch.setattr(Screening, "start", start)


@pytest.fixture(scope="module")
def screened(tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchResult, Path]:
    """An undisturbed search that screens its ops, with what `find` has it find."""
    folder = tmp_path_factory.mktemp("screened")
    with pytest.MonkeyPatch.context() as patch:
        find(patch)
        patch.setattr("agents.search.calibrate", lambda *arguments: CostTable({}, 1.25))
        return search(SCREENED, folder), folder


def test_an_op_that_the_screening_leaves_out_stays_off(
    screened: tuple[SearchResult, Path],
) -> None:
    result, folder = screened
    assert (result.episodes, len(result.history)) == (24, 4)
    magnitudes = result.policy.network.magnitudes(np.zeros(observation_size(2), np.float32))
    assert magnitudes[0] == 0
    assert magnitudes[1] == pytest.approx(0.8, abs=0.1)
    found = json.loads((folder / "screening.json").read_text())
    assert found["rotate"]["magnitudes"] == [0, 0, 0]
    assert found["noise"]["magnitudes"] == pytest.approx([0.8] * 3)
    assert np.isfinite([row["effects"] for row in found.values()]).all()


# One step of the statistics' rollout, then two in each update's; two rounds of screening.
@pytest.mark.parametrize(
    ("owner", "name", "call", "done"),
    [
        (Pool, "run", 1, 0),
        (Pool, "run", 2, 1),
        (sys.modules["agents.search"], "write_json", 3, 1),  # costs, then a round each
        (GroupedVecEnv, "step_wait", 2, 2),
        (GroupedVecEnv, "step_wait", 4, 3),
    ],
)
def test_ctrl_c_in_a_screening_or_after_it_then_resume_replays_bit_for_bit(
    owner: object,
    name: str,
    call: int,
    done: int,
    screened: tuple[SearchResult, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    find(monkeypatch)
    with monkeypatch.context() as patch:
        interrupt(patch, owner, name, call)
        stopped = search(SCREENED, tmp_path)
    assert (stopped.interrupted, stopped.episodes) == (True, 4 * done)
    load_policy(tmp_path / "policy", CONFIG.ops)
    resumed = search(SCREENED, tmp_path, resume=True)
    assert torch.equal(weights(resumed), weights(screened[0]))
    assert resumed.history == screened[0].history[max(0, done - 2) :]
    whole = screened[0]
    assert (resumed.episodes, resumed.child_steps) == (whole.episodes, whole.child_steps)


GUARDED = replace(CONFIG, episodes=24, screening=0, safeguard=0.34)
"""The four updates, then four pairs."""


def test_a_search_ends_with_a_safeguard_even_where_ctrl_c_came_first(
    whole: tuple[SearchResult, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.search.calibrate", lambda *arguments: CostTable({}, 1.25))
    with monkeypatch.context() as patch:
        interrupt(patch, Pool, "run", 1)
        stopped = search(GUARDED, tmp_path)
    assert (stopped.interrupted, stopped.episodes, stopped.safeguard) == (True, 16, None)
    assert load_policy(tmp_path / "policy").network.fewest_passes == 0
    result = search(GUARDED, tmp_path, resume=True)
    assert torch.equal(weights(result), weights(whole[0]))
    assert (result.interrupted, result.episodes) == (False, 24)
    assert result.child_steps > whole[0].child_steps
    found = json.loads((tmp_path / "safeguard.json").read_text())
    assert found == result.safeguard
    assert len(found["passes"]) == len(found["gains"]) == 4
    fewest = fewest_passes(np.array(found["passes"]), np.array(found["gains"]))
    assert load_policy(tmp_path / "policy").network.fewest_passes == fewest > 0
    with monkeypatch.context() as patch:  # what has been found is not looked for again
        interrupt(patch, Pool, "run", 1)
        again = search(GUARDED, tmp_path, resume=True)
    assert (again.interrupted, again.episodes, again.safeguard) == (False, 24, found)
    assert load_policy(tmp_path / "policy").network.fewest_passes == fewest
    (tmp_path / "safeguard.json").write_text("[]")
    with pytest.raises(AdaptAugError, match=r"safeguard\.json must be what the search wrote"):
        search(GUARDED, tmp_path, resume=True)


def test_ctrl_c_between_screening_and_start_then_resume_starts_all_the_same(
    screened: tuple[SearchResult, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupt(patch, Screening, "start", 1)
        stopped = search(SCREENED, tmp_path)
    assert (stopped.interrupted, stopped.episodes) == (True, 8)
    find(monkeypatch)
    resumed = search(SCREENED, tmp_path, resume=True)
    assert torch.equal(weights(resumed), weights(screened[0]))
    assert (tmp_path / "screening.json").exists()


def test_ctrl_c_in_the_midst_of_an_update_drops_it(
    whole: tuple[SearchResult, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = search(replace(CONFIG, time_limit_minutes=0), tmp_path / "one")
    with monkeypatch.context() as patch:
        interrupt(patch, PPO, "train", 2)
        stopped = search(CONFIG, tmp_path / "stopped")
    assert (stopped.episodes, one.episodes) == (4, 4)
    assert torch.equal(weights(stopped), weights(one))
    resumed = search(CONFIG, tmp_path / "stopped", resume=True)
    assert torch.equal(weights(resumed), weights(whole[0]))


def test_the_time_limit_ends_a_search_after_its_update(
    whole: tuple[SearchResult, Path], tmp_path: Path
) -> None:
    limited = replace(CONFIG, time_limit_minutes=0)
    results = [search(limited, tmp_path)]
    results += [search(limited, tmp_path, resume=True) for _ in range(UPDATES - 1)]
    assert [result.episodes for result in results] == [4, 8, 12, 16]
    assert not any(result.interrupted for result in results)
    assert [row for result in results for row in result.history] == whole[0].history
    assert torch.equal(weights(results[-1]), weights(whole[0]))


def test_the_time_limit_ends_a_screening_too(
    screened: tuple[SearchResult, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find(monkeypatch)
    limited = replace(SCREENED, time_limit_minutes=0)
    first = search(limited, tmp_path)
    assert (first.episodes, first.history, first.interrupted) == (4, [], False)
    rest = search(SCREENED, tmp_path, resume=True)
    assert torch.equal(weights(rest), weights(screened[0]))


@pytest.mark.parametrize("name", ["costs.json", "screening.json"])
@pytest.mark.parametrize("text", ["[", "{}", "[1]"])
def test_a_damaged_file_beside_the_checkpoint_is_a_sentence(
    name: str, text: str, screened: tuple[SearchResult, Path], tmp_path: Path
) -> None:
    limited = replace(SCREENED, time_limit_minutes=0)
    search(limited, tmp_path)
    (tmp_path / "checkpoints" / name).write_text(text)
    with pytest.raises(AdaptAugError, match=f"{name} must be what the search wrote"):
        search(limited, tmp_path, resume=True)


def test_a_finished_search_resumes_to_itself(
    whole: tuple[SearchResult, Path], tmp_path: Path
) -> None:
    shutil.copytree(whole[1], tmp_path / "copy")
    again = search(CONFIG, tmp_path / "copy", resume=True)
    assert torch.equal(weights(again), weights(whole[0]))
    assert again.history == []
    assert again.episodes == 16


def test_a_checkpoint_must_be_there_whole_and_of_this_search(
    whole: tuple[SearchResult, Path], tmp_path: Path
) -> None:
    with pytest.raises(AdaptAugError, match="can only go on from a checkpoint, got none"):
        search(CONFIG, tmp_path / "nothing", resume=True)
    folder = tmp_path / "copy"
    shutil.copytree(whole[1], folder)
    with pytest.raises(AdaptAugError, match="damaged or of another search"):
        search(replace(CONFIG, ops=("rotate", "noise", "zoom")), folder, resume=True)
    checkpoint = folder / "checkpoints" / "last.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.raises(AdaptAugError, match="damaged or of another search"):
        search(CONFIG, folder, resume=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"actor": "mlp"},
        {"op_bias": False},
        {"hidden": (8,)},
        {"tasks": (TASK, TASK | {"n_train": 100})},
        {"tasks": (TASK | {"decision_interval": 1, "patience": 1, "peak_learning_rate": 0.3},)},
        {"tasks": (TASK | {"peak_learning_rate": 1e30},)},
    ],
    ids=["mlp", "no bias", "bias penalty", "two tasks", "early stopping", "divergence"],
)
def test_variants_run_and_export(changes: dict[str, Any], tmp_path: Path) -> None:
    config = replace(CONFIG, episodes=8, **changes)
    result = search(config, tmp_path)
    policy = load_policy(tmp_path / "policy", CONFIG.ops)
    observation = np.ones(observation_size(2), np.float32)
    assert policy.network.magnitudes(observation) == result.policy.network.magnitudes(observation)
    assert all(np.isfinite(list(row.values())).all() for row in result.history)
    if not config.op_bias:
        assert policy.network.op_bias.tolist() == [0, 0]


def test_children_that_do_not_fit_are_a_users_mistake(tmp_path: Path) -> None:
    config = replace(CONFIG, tasks=(TASK | {"n_train": 1200},))
    with pytest.raises(AdaptAugError, match="fit in the pool of 1200 rows"):
        search(config, tmp_path)


SCRIPT = """
import signal
import sys
from pathlib import Path
from agents.search import SearchConfig, search

if __name__ == "__main__":
    # A shell's background job, which CI may be, inherits an ignored SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config = SearchConfig(tasks=({task!r},), ops=("rotate", "noise"), episodes=4000, groups=2,
        group_size=2, processes=2)
    result = search(config, Path(sys.argv[1]))
    print(result.interrupted, result.episodes)
"""


def test_ctrl_c_reaches_workers_too_and_costs_nothing(tmp_path: Path) -> None:
    """As on a terminal: the signal goes to every process of the group."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(task=TASK))
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
