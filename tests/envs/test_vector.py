"""Many children at once: groups, seeds, worker processes and their errors."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from adaptaug.data import load, preload
from adaptaug.errors import AdaptAugError
from envs.child_training import ChildTrainingEnv
from envs.vector import GroupedVecEnv

TASK = {
    "steps": (12, 24), "n_train": (20, 60), "n_validation": 50, "batch_size": 8, "width": 8,
    "decisions": 3,
}  # fmt: skip
KWARGS: dict[str, Any] = {"tasks": [TASK], "ops": ["rotate", "noise"]}


def grouped(processes: int = 0, seed: int = 0, **changes: Any) -> GroupedVecEnv:
    shape = {"groups": 2, "group_size": 3} | {
        name: changes.pop(name) for name in ("groups", "group_size") if name in changes
    }
    return GroupedVecEnv(KWARGS | changes, processes=processes, seed=seed, **shape)


def rollout(env: GroupedVecEnv, steps: int = 4) -> list[Any]:
    """Observations, rewards, dones and infos of some steps under fixed random actions."""
    random = np.random.default_rng(0)
    results: list[Any] = [env.reset()]
    for _ in range(steps):
        env.step_async(random.uniform(-1, 1, (env.num_envs, 2)).astype(np.float32))
        results.append(env.step_wait())
    env.close()
    return results


def test_first_observations_are_equal_within_a_group_and_differ_between_groups() -> None:
    first = grouped().reset()
    by_group = first.reshape(2, 3, -1)
    assert (by_group == by_group[:, :1]).all()
    assert not np.array_equal(by_group[0, 0], by_group[1, 0])


def test_equal_actions_give_equal_children_within_a_group() -> None:
    env = grouped()
    env.reset()
    env.step_async(np.tile(np.float32([0.2, -0.4]), (6, 1)))
    observations, rewards, _, _ = env.step_wait()
    for group in (slice(0, 3), slice(3, 6)):
        assert (observations[group] == observations[group][:1]).all()
        assert len(set(rewards[group])) == 1


def test_rewards_are_those_of_the_infos() -> None:
    for _, rewards, _, infos in rollout(grouped())[1:]:
        assert rewards == pytest.approx([info["reward"] for info in infos], abs=1e-6)


@pytest.mark.parametrize("processes", [1, 2])
def test_results_do_not_depend_on_the_number_of_processes(processes: int) -> None:
    here, there = rollout(grouped(0)), rollout(grouped(processes))
    assert np.array_equal(here[0], there[0])
    for mine, theirs in zip(here[1:], there[1:], strict=True):
        for a, b in zip(mine[:3], theirs[:3], strict=True):
            assert np.array_equal(a, b)
        for a, b in zip(mine[3], theirs[3], strict=True):
            assert np.array_equal(
                a.pop("terminal_observation", 0), b.pop("terminal_observation", 0)
            )
            assert a == b


def test_seed_fixes_the_children() -> None:
    assert np.array_equal(grouped(seed=1).reset(), grouped(seed=1).reset())
    assert not np.array_equal(grouped(seed=1).reset(), grouped(seed=2).reset())


def test_finished_group_is_reset_with_its_terminal_observation_in_the_info() -> None:
    first, *steps = rollout(grouped(), steps=4)
    assert [bool(step[2].all()) for step in steps] == [False, False, True, False]
    second, _, _, infos = steps[2]
    terminal = np.stack([info["terminal_observation"] for info in infos])
    assert (terminal[:, 0] == 1).all()  # progress
    assert (second[:, 0] == 0).all()
    assert not any(info["TimeLimit.truncated"] for info in infos)
    assert not np.array_equal(second, first)  # another episode
    assert (steps[3][0][:, 0] > 0).all()


def test_episode_counters_fix_the_next_episodes() -> None:
    env = grouped()
    first = env.reset()
    second = env.reset()
    assert env.episodes.tolist() == [2, 2]
    env.episodes = np.array([0, 1])
    again = env.reset()
    assert np.array_equal(again[:3], first[:3])
    assert np.array_equal(again[3:], second[3:])


def test_rollout_of_horizon_steps_holds_whole_episodes_under_a_decision_interval() -> None:
    """Runs of 12 to 24 steps take 3 to 6 decisions; short runs wait, and none is cut."""
    env = grouped(tasks=[TASK | {"decision_interval": 4}], groups=5, group_size=1)
    assert env.horizon == 6
    for _ in range(3):
        observations = env.reset()
        lengths = np.zeros(env.num_envs, int)
        assert (observations[:, 0] == 0).all()
        for step in range(1, env.horizon + 1):
            env.step_async(np.zeros((env.num_envs, 2), np.float32))
            observations, rewards, dones, infos = env.step_wait()
            assert dones.tolist() == [step == env.horizon] * env.num_envs
            waiting = np.array([info["waiting"] for info in infos])
            lengths += ~waiting
            assert (rewards[waiting] == 0).all()
        ended = np.stack([info["terminal_observation"] for info in infos])
        assert (ended[:, 0] == 1).all()
        assert lengths.tolist() == [-(-info["steps"] // 4) for info in infos]
        assert len(set(lengths)) > 1


def test_run_that_ended_early_has_progress_1() -> None:
    env = grouped(groups=1, group_size=2, tasks=[TASK | {"steps": 12, "patience": 1}])
    env.reset()
    child: Any = env._workers[0]._envs[0]
    child._episode.run.check_early_stopping = lambda validation: setattr(
        child._episode.run, "stopped", True
    )
    env.step_async(np.zeros((2, 2), np.float32))
    observations, *_, infos = env.step_wait()
    assert observations[0, 0] == 1
    assert observations[1, 0] == pytest.approx(1 / 3)
    assert [info["waiting"] for info in infos] == [False, False]


def test_diverged_child_gets_reward_0_until_its_group_is_done() -> None:
    env = grouped(groups=1, group_size=2, tasks=[TASK | {"steps": 12}])
    env.reset()
    child: Any = env._workers[0]._envs[0]
    next(child._episode.run.model.parameters()).data.fill_(float("nan"))
    results = []
    for _ in range(3):
        env.step_async(np.zeros((2, 2), np.float32))
        results.append(env.step_wait())
    rewards = np.array([result[1] for result in results])
    assert rewards[0, 0] < -0.5  # the score falls from about chance to 0
    assert rewards[1:, 0].tolist() == [0, 0]
    assert [result[0][0, 0] for result in results[:2]] == [1, 1]  # progress
    assert [result[2].tolist() for result in results] == [[False] * 2, [False] * 2, [True] * 2]
    waiting = results[1][3][0]
    assert (waiting["gain"], waiting["cost"], waiting["reward"]) == (0, 0, 0)
    assert [result[3][0]["waiting"] for result in results] == [False, True, True]
    assert np.isfinite(rewards).all()


@pytest.mark.parametrize("processes", [0, 1])
def test_user_error_in_a_worker_is_raised_here(processes: int) -> None:
    env = grouped(processes, tasks=[TASK | {"n_train": 1200}])
    with pytest.raises(AdaptAugError, match="fit in the pool of 1200 rows"):
        env.reset()
    env.close()


@pytest.mark.parametrize("processes", [0, 1])
def test_invalid_argument_is_refused(processes: int) -> None:
    with pytest.raises(AdaptAugError, match="unknown op 'melt'"):
        grouped(processes, ops=["melt"])


def test_workers_get_data_sets_that_are_only_in_memory() -> None:
    preload(replace(load("digits"), name="digits in memory"))
    env = grouped(1, tasks=[TASK | {"dataset": "digits in memory"}])
    assert np.array_equal(env.reset(), grouped(0).reset())
    env.close()


def test_dead_worker_is_an_error() -> None:
    env = grouped(1)
    env._workers[0]._process.kill()
    env._workers[0]._process.join()
    with pytest.raises(AdaptAugError, match="a worker process ended unexpectedly"):
        env.reset()
    env.close()


def test_spaces_are_those_of_one_child() -> None:
    env, one = grouped(), ChildTrainingEnv(**KWARGS)
    assert env.observation_space == one.observation_space
    assert env.action_space == one.action_space
    assert env.num_envs == 6
    with pytest.raises(NotImplementedError):
        env.env_method("reset")
