"""PPO on a toy environment whose best magnitudes are known."""

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv

from adaptaug.policy.network import to_magnitudes
from adaptaug.policy.observation import GLOBAL_FEATURES, LIMIT, OP_FEATURES, observation_size
from adaptaug.utils.seeding import RandomStream
from agents.config import SearchConfig
from agents.ppo import build_agent, op_policy, standardise_on_first_rollout


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
