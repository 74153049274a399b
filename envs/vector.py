"""A vectorised environment: many child trainings in a few worker processes, in groups.

The children of a group are reset with one seed. They share task, data, initial weights and batch
order, and differ only in their actions. All children start new episodes at once, so that a rollout
of `GroupedVecEnv.horizon` steps holds whole episodes.
"""

import traceback
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any

import gymnasium
import numpy as np
import torch
from stable_baselines3.common.vec_env import VecEnv

from adaptaug.data import Source, load, preload
from adaptaug.errors import AdaptAugError
from adaptaug.ops import Op, register_missing
from adaptaug.policy.observation import GLOBAL_FEATURES
from adaptaug.utils.signals import kept_from_workers
from envs.child_training import ChildTrainingEnv

_SEEDS = 2**31
_PROGRESS = GLOBAL_FEATURES.index("progress")


class GroupedVecEnv(VecEnv):
    """Groups of `ChildTrainingEnv`s, spread over worker processes of one thread each.

    Rewards are those of the environment, step by step; `info["reward"]` has them in double
    precision. Episodes of all children last `horizon` steps. A child whose run ends earlier, as it
    is short, has diverged or was stopped early, waits: it repeats its last observation with reward
    0 and with `info["waiting"]` true. The feature `progress` is 1 as soon as a run has ended.
    """

    def __init__(
        self,
        env_kwargs: Mapping[str, Any],
        *,
        groups: int,
        group_size: int,
        processes: int,
        seed: int,
    ) -> None:
        """Starts the workers.

        Args:
            env_kwargs: arguments of every `ChildTrainingEnv`.
            groups: number of groups.
            group_size: children in a group.
            processes: worker processes; 0 runs every child in this process.
            seed: fixes the task and child of every episode, whatever the number of processes.

        Raises:
            AdaptAugError: `env_kwargs` are not valid for a `ChildTrainingEnv`.
        """
        spaces = ChildTrainingEnv(**env_kwargs)
        super().__init__(groups * group_size, spaces.observation_space, spaces.action_space)
        self.groups, self.group_size = groups, group_size
        self.tasks = spaces.tasks
        """Ranges of tasks from which episodes are drawn."""
        self.horizon = max(len(item.task.boundaries()) for item in spaces.tasks)
        """Steps of an episode: the largest number of decisions of all tasks."""
        self._step = 0
        self.episodes = np.zeros(groups, dtype=np.int64)
        """Episodes that each group has begun, (groups,); with the seed, they fix the next one."""
        self._base_seed = seed
        count = min(processes, self.num_envs)
        # Worker w holds the children w, w + count, ..., so that every group is spread evenly.
        self._members = [list(range(w, self.num_envs, count)) for w in range(count)]
        if count == 0:
            self._members = [list(range(self.num_envs))]
            self._workers: list[_Worker] = [_Local(env_kwargs, self.num_envs)]
        else:
            sources = [load(task.task.dataset) for task in spaces.tasks]
            ops = spaces.op_space.ops
            self._workers = [_Remote(env_kwargs, len(m), sources, ops) for m in self._members]

    def reset(self) -> np.ndarray:
        """Starts a new episode in every group and returns observations (num_envs, size)."""
        self.reset_infos = [{} for _ in range(self.num_envs)]
        self._step = 0
        return self._reset_groups()

    def step_async(self, actions: np.ndarray) -> None:
        """Sends actions (num_envs, n_ops) to the workers."""
        for worker, members in zip(self._workers, self._members, strict=True):
            worker.send("step", [(i, actions[m]) for i, m in enumerate(members)])

    def step_wait(
        self,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Collects the workers' results; after `horizon` steps also resets, as SB3 expects."""
        results: list[Any] = [None] * self.num_envs
        for worker, members in zip(self._workers, self._members, strict=True):
            for member, result in zip(members, worker.receive(), strict=True):
                results[member] = result
        observations = np.stack([result[0] for result in results])
        rewards = np.array([result[1] for result in results], dtype=np.float32)
        observations[[result[2] for result in results], _PROGRESS] = 1
        infos = [{"waiting": False} | result[4] | {"reward": result[1]} for result in results]
        self._step += 1
        done = self._step == self.horizon
        if done:
            for info, observation in zip(infos, observations, strict=True):
                info |= {"terminal_observation": observation, "TimeLimit.truncated": False}
            observations, self._step = self._reset_groups(), 0
        return observations, rewards, np.full(self.num_envs, done), infos

    def close(self) -> None:
        """Stops the workers."""
        for worker in self._workers:
            worker.close()

    def _reset_groups(self) -> np.ndarray:
        """Starts a new episode in every group and returns observations (num_envs, size)."""
        seeds: list[int] = []
        for group in range(self.groups):
            entropy = (self._base_seed, group, int(self.episodes[group]))
            seed = int(np.random.default_rng(entropy).integers(_SEEDS))
            seeds += [seed] * self.group_size
        self.episodes += 1
        assert self.observation_space.shape is not None
        observations = np.zeros((self.num_envs, *self.observation_space.shape), np.float32)
        for worker, members in zip(self._workers, self._members, strict=True):
            worker.send("reset", [(i, seeds[member]) for i, member in enumerate(members)])
        for worker, members in zip(self._workers, self._members, strict=True):
            for member, result in zip(members, worker.receive(), strict=True):
                observations[member] = result[0]
        return observations

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Returns None as the render mode; other attributes stay in the workers."""
        if attr_name != "render_mode":
            raise NotImplementedError(f"children give out no attributes, got {attr_name!r}")
        return [None] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Not supported: the children are in other processes."""
        raise NotImplementedError(f"attributes of children cannot be set, got {attr_name!r}")

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Not supported: the children are in other processes."""
        raise NotImplementedError(f"methods of children cannot be called, got {method_name!r}")

    def env_is_wrapped(
        self, wrapper_class: type[gymnasium.Wrapper[Any, Any, Any, Any]], indices: Any = None
    ) -> list[bool]:
        """Returns False for every child: none is wrapped."""
        return [False] * self.num_envs


class _Worker:
    """Holds a few children; takes commands ("reset" or "step") and returns their results."""

    def send(self, command: str, arguments: list[tuple[int, Any]]) -> None:
        raise NotImplementedError

    def receive(self) -> list[Any]:
        raise NotImplementedError

    def close(self) -> None:
        """Stops the worker."""


class _Local(_Worker):
    """Children in this process."""

    def __init__(self, env_kwargs: Mapping[str, Any], count: int) -> None:
        self._envs = [ChildTrainingEnv(**env_kwargs) for _ in range(count)]
        self._last: list[Any] = [None] * count
        self._results: list[Any] = []

    def send(self, command: str, arguments: list[tuple[int, Any]]) -> None:
        self._results = [self._run(command, index, argument) for index, argument in arguments]

    def receive(self) -> list[Any]:
        return self._results

    def _run(self, command: str, index: int, argument: Any) -> Any:
        if command == "reset":
            self._last[index] = None
            return self._envs[index].reset(seed=argument)
        last = self._last[index]
        if last is not None and last[2]:  # its run has ended
            return last[0], 0.0, True, False, last[4] | {"gain": 0.0, "cost": 0.0, "waiting": True}
        self._last[index] = self._envs[index].step(argument)
        return self._last[index]


class _Remote(_Worker):
    """Children in a process of their own."""

    def __init__(
        self,
        env_kwargs: Mapping[str, Any],
        count: int,
        sources: Sequence[Source],
        ops: Sequence[Op],
    ) -> None:
        context = torch.multiprocessing.get_context("spawn")
        self._pipe, worker_end = context.Pipe()
        self._process = context.Process(
            target=_serve,
            args=(worker_end, dict(env_kwargs), count, list(sources), list(ops)),
            daemon=True,
        )
        with kept_from_workers():
            self._process.start()
        worker_end.close()

    def send(self, command: str, arguments: list[tuple[int, Any]]) -> None:
        try:
            self._pipe.send((command, arguments))
        except OSError:
            raise AdaptAugError("a worker process ended unexpectedly") from None

    def receive(self) -> list[Any]:
        try:
            results, user_error, failure = self._pipe.recv()
        except (EOFError, OSError):
            raise AdaptAugError("a worker process ended unexpectedly") from None
        if user_error:
            raise AdaptAugError(user_error)
        if failure:
            raise RuntimeError(f"a worker failed: {failure}")
        received: list[Any] = results
        return received

    def close(self) -> None:
        self._process.terminate()
        self._process.join()
        self._pipe.close()


def _serve(
    pipe: Connection,
    env_kwargs: dict[str, Any],
    count: int,
    sources: list[Source],
    ops: list[Op],
) -> None:
    """Main loop of a worker: answers commands until the pipe closes."""
    torch.set_num_threads(1)
    register_missing(ops)
    for source in sources:
        preload(source)
    children = _Local(env_kwargs, count)
    while True:
        try:
            command, arguments = pipe.recv()
        except EOFError:
            return
        try:
            children.send(command, arguments)
            pipe.send((children.receive(), None, None))
        except AdaptAugError as error:
            pipe.send((None, str(error), None))
        except Exception:  # noqa: BLE001 - the parent raises it
            pipe.send((None, None, traceback.format_exc()))
