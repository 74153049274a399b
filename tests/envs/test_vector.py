"""Many children at once: groups share their luck, and processes change nothing."""

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
        name: changes.pop(name) for name in ("groups", "group_size", "center") if name in changes
    }
    return GroupedVecEnv(KWARGS | changes, processes=processes, seed=seed, **shape)


def rollout(env: GroupedVecEnv, steps: int = 4) -> list[Any]:
    """Observations, rewards, dones and infos of some steps under fixed random actions."""
    random = np.random.default_rng(0)
    seen: list[Any] = [env.reset()]
    for _ in range(steps):
        env.step_async(random.uniform(-1, 1, (env.num_envs, 2)).astype(np.float32))
        seen.append(env.step_wait())
    env.close()
    return seen


def test_children_of_a_group_start_alike_and_groups_differ() -> None:
    first = grouped().reset()
    by_group = first.reshape(2, 3, -1)
    assert (by_group == by_group[:, :1]).all()
    assert not np.array_equal(by_group[0, 0], by_group[1, 0])


def test_equal_actions_give_equal_children() -> None:
    env = grouped(center=False)
    env.reset()
    env.step_async(np.tile(np.float32([0.2, -0.4]), (6, 1)))
    observations, rewards, _, _ = env.step_wait()
    for group in (slice(0, 3), slice(3, 6)):
        assert (observations[group] == observations[group][:1]).all()
        assert len(set(rewards[group])) == 1


def test_without_centring_a_child_is_paid_step_by_step() -> None:
    for _, rewards, _, infos in rollout(grouped(center=False))[1:]:
        assert rewards == pytest.approx([info["reward"] for info in infos], abs=1e-6)


def test_a_child_is_paid_at_the_end_what_it_earned_above_its_group() -> None:
    env = grouped()
    env.reset()
    env.step_async(np.zeros((6, 2), np.float32))
    env.step_wait()  # a new start forgets what this step has earned
    steps = rollout(env)[1:]
    paid = np.stack([rewards for _, rewards, _, _ in steps])
    earned = np.array([[info["reward"] for info in infos] for _, _, _, infos in steps])
    end = int(np.flatnonzero([dones.all() for _, _, dones, _ in steps])[0])
    assert (paid[:end] == 0).all()
    whole = earned[: end + 1].sum(0).reshape(2, 3)
    expected = (whole - whole.mean(1, keepdims=True)).ravel()
    assert np.abs(expected).max() > 1e-4
    assert paid[end] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("processes", [1, 2])
def test_processes_change_nothing(processes: int) -> None:
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


def test_a_seed_fixes_everything_and_another_changes_it() -> None:
    assert np.array_equal(grouped(seed=1).reset(), grouped(seed=1).reset())
    assert not np.array_equal(grouped(seed=1).reset(), grouped(seed=2).reset())


def test_a_finished_group_starts_anew() -> None:
    seen = rollout(grouped(), steps=4)
    assert [bool(step[2].all()) for step in seen[1:]] == [False, False, True, False]
    fresh, _, _, infos = seen[3]
    terminal = np.stack([info["terminal_observation"] for info in infos])
    assert (terminal[:, 0] == 1).all()  # progress
    assert (fresh[:, 0] == 0).all()
    assert not any(info["TimeLimit.truncated"] for info in infos)
    assert not np.array_equal(fresh, seen[0])  # another episode
    assert (seen[4][0][:, 0] > 0).all()


def test_the_next_episodes_are_those_of_the_counters() -> None:
    env = grouped()
    first = env.reset()
    second = env.reset()
    assert env.episodes.tolist() == [2, 2]
    env.episodes = np.array([0, 1])
    again = env.reset()
    assert np.array_equal(again[:3], first[:3])
    assert np.array_equal(again[3:], second[3:])


def test_a_child_that_ends_early_waits_for_its_group() -> None:
    """One child diverges at once; its group goes on."""
    env = grouped(groups=1, group_size=2, center=False, tasks=[TASK | {"steps": 12}])
    env.reset()
    child: Any = env._workers[0]._envs[0]
    next(child._episode.run.model.parameters()).data.fill_(float("nan"))
    results = []
    for _ in range(3):
        env.step_async(np.zeros((2, 2), np.float32))
        results.append(env.step_wait())
    rewards = np.array([result[1] for result in results])
    assert rewards[0, 0] < -9
    assert rewards[1:, 0].tolist() == [0, 0]
    assert [result[2].tolist() for result in results] == [[False] * 2, [False] * 2, [True] * 2]
    waited = results[1][3][0]
    assert (waited["gain"], waited["cost"], waited["reward"]) == (0, 0, 0)
    assert np.isfinite(rewards).all()


@pytest.mark.parametrize("processes", [0, 1])
def test_a_users_mistake_in_a_worker_arrives_as_one(processes: int) -> None:
    env = grouped(processes, tasks=[TASK | {"n_train": 1200}])
    with pytest.raises(AdaptAugError, match="fit in the pool of 1200 rows"):
        env.reset()
    env.close()


@pytest.mark.parametrize("processes", [0, 1])
def test_a_users_mistake_in_the_arguments_is_told_at_once(processes: int) -> None:
    with pytest.raises(AdaptAugError, match="unknown op 'melt'"):
        grouped(processes, ops=["melt"])


def test_workers_are_handed_data_that_only_this_process_has() -> None:
    preload(replace(load("digits"), name="digits in memory"))
    env = grouped(1, tasks=[TASK | {"dataset": "digits in memory"}])
    assert np.array_equal(env.reset(), grouped(0).reset())
    env.close()


def test_a_dead_worker_is_told() -> None:
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
