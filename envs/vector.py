"""A vectorised environment: many child trainings in a few worker processes, in groups.

The children of a group are reset with one seed. They share task, data, initial weights and batch
order, and differ only in their actions. A group starts new episodes when all its children have
finished.
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
from adaptaug.utils.signals import kept_from_workers
from envs.child_training import ChildTrainingEnv

_SEEDS = 2**31


class GroupedVecEnv(VecEnv):
    """Groups of `ChildTrainingEnv`s, spread over worker processes of one thread each.

    Rewards are those of the environment, step by step; `info["reward"]` has them in double
    precision. A child that finishes before its group is done repeats its last observation with
    reward 0 until the whole group is done.
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
        return self._reset_groups(range(self.groups))

    def step_async(self, actions: np.ndarray) -> None:
        """Sends actions (num_envs, n_ops) to the workers."""
        for worker, members in zip(self._workers, self._members, strict=True):
            worker.send("step", [(i, actions[m]) for i, m in enumerate(members)])

    def step_wait(
        self,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Collects the workers' results and resets finished groups, as SB3 expects."""
        results: list[Any] = [None] * self.num_envs
        for worker, members in zip(self._workers, self._members, strict=True):
            for member, result in zip(members, worker.receive(), strict=True):
                results[member] = result
        observations = np.stack([result[0] for result in results])
        rewards = np.array([result[1] for result in results], dtype=np.float32)
        terminated = np.array([result[2] for result in results])
        infos = [result[4] | {"reward": result[1]} for result in results]
        # A group is done as a whole, so that its children share the next seed too.
        by_group = terminated.reshape(self.groups, self.group_size).all(1)
        finished, dones = np.flatnonzero(by_group), by_group.repeat(self.group_size)
        for row in np.flatnonzero(dones):
            infos[row]["terminal_observation"] = observations[row].copy()
            infos[row]["TimeLimit.truncated"] = False
        if len(finished):
            first = self._reset_groups(finished)
            observations[dones] = first[dones]
        return observations, rewards, dones, infos

    def close(self) -> None:
        """Stops the workers."""
        for worker in self._workers:
            worker.close()

    def _reset_groups(self, groups: Sequence[int] | range | np.ndarray) -> np.ndarray:
        """Starts new episodes in these groups; observations (num_envs, size), else 0."""
        seeds: dict[int, int] = {}
        for group in groups:
            entropy = (self._base_seed, int(group), int(self.episodes[group]))
            self.episodes[group] += 1
            seed = int(np.random.default_rng(entropy).integers(_SEEDS))
            first = int(group) * self.group_size
            seeds |= dict.fromkeys(range(first, first + self.group_size), seed)
        assert self.observation_space.shape is not None
        observations = np.zeros((self.num_envs, *self.observation_space.shape), np.float32)
        for worker, members in zip(self._workers, self._members, strict=True):
            worker.send("reset", [(i, seeds[m]) for i, m in enumerate(members) if m in seeds])
        for worker, members in zip(self._workers, self._members, strict=True):
            started = [member for member in members if member in seeds]
            for member, result in zip(started, worker.receive(), strict=True):
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
        if last is not None and last[2]:  # it finished before its group
            return last[0], 0.0, True, False, last[4] | {"gain": 0.0, "cost": 0.0}
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
