"""The group baseline, by hand on a scripted environment and on real children."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv

from agents.group_baseline import GroupBaseline
from envs.vector import GroupedVecEnv


class ScriptedEnv(VecEnv):
    """Four children in two groups, with given rewards and ends."""

    def __init__(self, steps: Sequence[tuple[Sequence[float], Sequence[bool]]]) -> None:
        self._steps = iter(steps)
        super().__init__(4, spaces.Box(-1, 1, (1,), np.float32), spaces.Box(-1, 1, (1,)))

    def reset(self) -> np.ndarray:
        return np.zeros((4, 1), np.float32)

    def step_async(self, actions: np.ndarray) -> None:
        """The script ignores actions."""

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        rewards, dones = next(self._steps)
        infos: list[dict[str, Any]] = [{"reward": reward} for reward in rewards]
        return self.reset(), np.array(rewards, np.float32), np.array(dones), infos

    def close(self) -> None:
        """Nothing to close."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [None] * 4

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise NotImplementedError

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> Any:
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [False] * 4


def paid(env: GroupBaseline, steps: int) -> list[list[float]]:
    return [env.step(np.zeros((4, 1), np.float32))[1].tolist() for _ in range(steps)]


def test_terminal_reward_is_the_return_minus_the_mean_of_the_group() -> None:
    none, first, both = [False] * 4, [True, True, False, False], [True] * 4
    env = GroupBaseline(
        ScriptedEnv(
            [
                ([1, 2, 10, 20], none),
                ([3, 4, 10, 20], first),  # returns 4 and 6
                ([5, 7, 10, 20], both),  # returns 5 and 7; 30 and 60
            ]
        ),
        group_size=2,
    )
    env.reset()
    assert paid(env, 3) == [[0, 0, 0, 0], [-1, 1, 0, 0], [-1, 1, -15, 15]]


def test_reset_drops_the_rewards_so_far() -> None:
    env = GroupBaseline(
        ScriptedEnv([([9, 0, 0, 0], [False] * 4), ([1, 3, 0, 0], [True] * 4)]), group_size=2
    )
    env.reset()
    assert paid(env, 1) == [[0, 0, 0, 0]]
    env.reset()
    assert paid(env, 1) == [[-1, 1, 0, 0]]


def test_rewards_of_the_environment_stay_in_the_infos() -> None:
    env = GroupBaseline(ScriptedEnv([([1, 2, 3, 4], [False] * 4)]), group_size=2)
    env.reset()
    *_, infos = env.step(np.zeros((4, 1), np.float32))
    assert [info["reward"] for info in infos] == [1, 2, 3, 4]


def test_real_children_are_paid_their_return_minus_the_mean_of_their_group() -> None:
    task = {
        "steps": (12, 24), "n_train": (20, 60), "n_validation": 50, "batch_size": 8, "width": 8,
        "decisions": 3,
    }  # fmt: skip
    children = GroupedVecEnv(
        {"tasks": [task], "ops": ["rotate", "noise"]},
        groups=2, group_size=3, processes=0, seed=0,
    )  # fmt: skip
    env, random = GroupBaseline(children, children.group_size), np.random.default_rng(0)
    env.reset()
    steps = [env.step(random.uniform(-1, 1, (6, 2)).astype(np.float32)) for _ in range(3)]
    rewards = np.stack([step[1] for step in steps])
    assert [step[2].all() for step in steps] == [False, False, True]
    assert (rewards[:2] == 0).all()
    returns = np.sum([[info["reward"] for info in step[3]] for step in steps], 0).reshape(2, 3)
    expected = (returns - returns.mean(1, keepdims=True)).ravel()
    assert np.abs(expected).max() > 1e-4
    assert rewards[2] == pytest.approx(expected, abs=1e-4)
