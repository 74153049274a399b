"""Group-relative baseline, as in GRPO (Shao et al. 2024): returns minus the mean of the group.

Children of a group share task, data, initial weights and batch order, so that what a child earns
above the group's mean is due to its actions.
"""

from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper


class GroupBaseline(VecEnvWrapper):
    """Pays one terminal reward: the child's return minus the mean return of its group.

    All earlier rewards are 0. Without discounting this is the same task, with less variance: the
    validation noise of half-trained children cancels within the return.
    """

    def __init__(self, venv: VecEnv, group_size: int) -> None:
        """Wraps a vectorised environment.

        Args:
            venv: the environment; every `group_size` consecutive children are a group and finish
                together.
            group_size: children in a group.
        """
        super().__init__(venv)
        self.group_size = group_size
        self._returns = np.zeros(self.num_envs, dtype=np.float32)

    def reset(self) -> np.ndarray:
        """Starts a new episode in every group and returns observations (num_envs, size)."""
        self._returns[:] = 0
        observations = self.venv.reset()
        assert isinstance(observations, np.ndarray)
        return observations

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Collects a step of the environment; rewards (num_envs,) are 0 but at the end."""
        observations, rewards, dones, infos = self.venv.step_wait()
        assert isinstance(observations, np.ndarray)
        self._returns += rewards
        means = self._returns.reshape(-1, self.group_size).mean(1).repeat(self.group_size)
        rewards = np.where(dones, self._returns - means, 0).astype(np.float32)
        self._returns[dones] = 0
        return observations, rewards, dones, infos
