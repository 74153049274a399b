"""PPO on a toy environment whose best magnitudes are known."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv

from adaptaug.policy.network import to_magnitudes
from adaptaug.policy.observation import GLOBAL_FEATURES, LIMIT, OP_FEATURES, observation_size
from adaptaug.utils.seeding import RandomStream
from agents.config import SearchConfig
from agents.group_baseline import GroupBaseline
from agents.ppo import EpisodeBuffer, build_agent, op_policy, standardise_on_first_rollout
from envs.vector import GroupedVecEnv


class ToyEnv(VecEnv):
    """Rewards at each decision are minus the sum of squared distances from the best magnitudes.

    The best magnitude of an op is 0.5 + 0.25 probe_loss, for a probe_loss in [-1, 1]. Of some ops
    it is 0: their probe_loss is 1 and their probe_accuracy -1.
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
        """Draws observations (num_envs, size) and sets the best magnitudes."""
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
        """Nothing to close."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [None] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise NotImplementedError

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> Any:
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [False] * self.num_envs


@pytest.mark.slow
def test_ppo_finds_the_best_magnitudes_of_a_toy() -> None:
    config, decisions = SearchConfig(), 8
    env = ToyEnv(config.children, 4, decisions, seed=0)
    with RandomStream(0).active():
        agent = build_agent(config, env, decisions)
        standardise_on_first_rollout(agent)
        agent.learn(90 * decisions * env.num_envs)
    test = ToyEnv(500, 4, decisions, seed=1)
    actions, _ = agent.predict(test.reset(), deterministic=True)
    assert (np.abs(to_magnitudes(actions) - test.best).mean(0) < 0.1).all()


def test_observations_of_the_first_rollout_are_standardised() -> None:
    config, decisions = SearchConfig(), 50
    env = ToyEnv(config.children, 4, decisions, seed=0)
    with RandomStream(0).active():
        agent = build_agent(config, env, decisions)
        standardise_on_first_rollout(agent)
    standardise = op_policy(agent).network.standardise
    # Features of the toy are uniform in [-1, 1], with a standard deviation of 1 / sqrt(3).
    assert standardise.run_mean[1:].abs().max() < 0.1
    assert (standardise.run_scale[1:] - 3**-0.5).abs().max() < 0.05


TASK = {
    "steps": (4, 64), "n_train": (20, 80), "n_validation": 20, "batch_size": 8, "width": 2,
    "decision_interval": 4,
}  # fmt: skip


def real_env(config: SearchConfig, **changes: Any) -> GroupedVecEnv:
    return GroupedVecEnv(
        {"tasks": [TASK | changes], "ops": ["rotate", "noise"]},
        groups=config.groups, group_size=config.group_size, processes=0, seed=0,
    )  # fmt: skip


def test_statistics_of_the_budget_come_from_the_ranges_of_the_tasks() -> None:
    """One rollout has a single budget, whose standard deviation would be 0."""
    config = SearchConfig(groups=1, group_size=2)
    env = real_env(config, decision_interval=None, decisions=2)
    with RandomStream(0).active():
        agent = build_agent(config, GroupBaseline(env, config.group_size), env.horizon)
        standardise_on_first_rollout(agent)
    standardise, random = op_policy(agent).network.standardise, np.random.default_rng(1)
    steps, n_train = (
        np.exp(random.uniform(math.log(low), math.log(high), 10**5))
        for low, high in ((4, 64), (20, 80))
    )
    epochs = np.log2(1 + 8 * steps / n_train) / 4
    index = GLOBAL_FEATURES.index("log_epochs")
    assert standardise.run_mean[index] == pytest.approx(epochs.mean(), abs=0.02)
    assert standardise.run_scale[index] == pytest.approx(epochs.std(), rel=0.1)
    assert standardise.run_mean[0] == pytest.approx(0.25, abs=0.01)  # decisions at 0 and 1/2


def test_updates_leave_out_the_transitions_of_children_that_wait() -> None:
    config = SearchConfig(groups=3, group_size=2)
    env = real_env(config)
    with RandomStream(0).active():
        agent = build_agent(config, GroupBaseline(env, config.group_size), env.horizon)
        agent.learn(env.horizon * env.num_envs)
    buffer = agent.rollout_buffer
    assert isinstance(buffer, EpisodeBuffer)
    seen = torch.cat([part.observations for part in buffer.get(agent.batch_size)])
    assert len(seen) < 0.9 * env.horizon * env.num_envs
    assert (seen[:, 0] < 1).all()
    # Whole episodes: 4 batches follow each decision, fewer the last, and every child has a first.
    assert (seen[:, 0] == 0).sum() == env.num_envs
    assert env.episodes.tolist() == [2] * config.groups  # the rollout's and the next


def test_reward_reaches_the_decisions_of_a_child_that_waited_for_it() -> None:
    """Two children of three steps; the second waits after its first, with progress 1."""
    space = spaces.Box(-LIMIT, LIMIT, (observation_size(1),), np.float32)
    buffer = EpisodeBuffer(3, space, spaces.Box(-1, 1, (1,)), "cpu", 1.0, 1.0, n_envs=2)
    for step, (first, second) in enumerate([(0.0, 0.0), (0.3, 1.0), (0.6, 1.0)]):
        seen = np.zeros((2, observation_size(1)), np.float32)
        seen[:, 0] = first, second
        rewards = np.array([5.0, -7.0]) if step == 2 else np.zeros(2)
        starts = np.full(2, step == 0)
        buffer.add(seen, np.zeros((2, 1)), rewards, starts, torch.full((2,), 9.0), torch.zeros(2))
    buffer.compute_returns_and_advantage(torch.zeros(2), np.full(2, True))
    with RandomStream(0).active():
        np.random.seed(0)  # noqa: NPY002 - SB3 shuffles minibatches with it
        parts = list(buffer.get(3))
    assert [len(part.returns) for part in parts] == [2, 2]  # as many minibatches as of six
    rows = torch.cat([torch.column_stack([p.observations[:, 0], p.returns]) for p in parts])
    assert np.ravel(sorted(rows.tolist())) == pytest.approx([0, -7, 0, 5, 0.3, 5, 0.6, 5])
