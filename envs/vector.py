"""Many child trainings at once: a few processes, several children in each, in groups.

The children of a group are reset with one seed, so they share task, data, initial weights and
batch order and differ only in what the policy did. A child is paid at the end of its run, by how
much more it earned than the group's mean: what is left is owed to the actions, not to the luck of
the draw, nor to how noisy a half-trained child's validation is.
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
    """Groups of `ChildTrainingEnv`s over worker processes, one thread each."""

    def __init__(
        self,
        env_kwargs: Mapping[str, Any],
        *,
        groups: int,
        group_size: int,
        processes: int,
        seed: int,
        center: bool = True,
    ) -> None:
        """Starts the workers.

        Args:
            env_kwargs: arguments of every `ChildTrainingEnv`.
            groups: number of groups.
            group_size: children in a group; each group is spread over all workers.
            processes: worker processes; 0 runs every child in this process.
            seed: fixes every episode's task and child, whatever the number of processes.
            center: whether a child is paid at the end, its whole return less the group's mean.
                Undiscounted, that is the same task with far less variance in the middle. Without,
                it is paid what the environment pays, step by step.

        Raises:
            AdaptAugError: the environment cannot be made of `env_kwargs`, or in a worker.
        """
        spaces = ChildTrainingEnv(**env_kwargs)
        super().__init__(groups * group_size, spaces.observation_space, spaces.action_space)
        self.groups, self.group_size, self.center = groups, group_size, center
        self._base_seed = seed
        self._returns = np.zeros(self.num_envs, dtype=np.float32)
        self.episodes = np.zeros(groups, dtype=np.int64)
        self._actions: np.ndarray | None = None
        count = min(processes, self.num_envs)
        # Worker w takes members w, w + count, ... : every group is spread evenly.
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
        self._returns[:] = 0
        return self._reset_groups(range(self.groups))

    def step_async(self, actions: np.ndarray) -> None:
        """Sends actions (num_envs, n_ops) to the workers."""
        for worker, members in zip(self._workers, self._members, strict=True):
            worker.send("step", [(i, actions[m]) for i, m in enumerate(members)])

    def step_wait(
        self,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Collects the workers' results; finished groups start anew, as SB3 expects."""
        results: list[Any] = [None] * self.num_envs
        for worker, members in zip(self._workers, self._members, strict=True):
            for member, result in zip(members, worker.receive(), strict=True):
                results[member] = result
        observations = np.stack([result[0] for result in results])
        rewards = np.array([result[1] for result in results], dtype=np.float32)
        dones = np.array([result[2] for result in results])
        infos = [result[4] | {"reward": result[1]} for result in results]
        # A child that ended early waits for its group, so that groups keep sharing seeds.
        by_group = dones.reshape(self.groups, self.group_size).all(1)
        finished, ended = np.flatnonzero(by_group), by_group.repeat(self.group_size)
        self._returns += rewards
        if self.center:
            means = self._returns.reshape(self.groups, -1).mean(1).repeat(self.group_size)
            rewards = np.where(ended, self._returns - means, 0).astype(np.float32)
        self._returns[ended] = 0
        for row in np.flatnonzero(ended):
            infos[row]["terminal_observation"] = observations[row].copy()
            infos[row]["TimeLimit.truncated"] = False
        if len(finished):
            fresh = self._reset_groups(finished)
            for group in finished:
                rows = slice(group * self.group_size, (group + 1) * self.group_size)
                observations[rows] = fresh[rows]
        return observations, rewards, ended, infos

    def close(self) -> None:
        """Ends the workers."""
        for worker in self._workers:
            worker.close()

    def _reset_groups(self, groups: Sequence[int] | range | np.ndarray) -> np.ndarray:
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
        """Render modes: there are none. Children live in other processes and hand out nothing."""
        if attr_name != "render_mode":
            raise NotImplementedError(f"children hand out no attributes, asked for {attr_name!r}")
        return [None] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refused: the children live in other processes."""
        raise NotImplementedError(f"children do not take attributes, got {attr_name!r}")

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Refused: the children live in other processes."""
        raise NotImplementedError(f"children do not take calls, got {method_name!r}")

    def env_is_wrapped(
        self, wrapper_class: type[gymnasium.Wrapper[Any, Any, Any, Any]], indices: Any = None
    ) -> list[bool]:
        """No child is wrapped."""
        return [False] * self.num_envs


class _Worker:
    """Something that holds a few children and does commands on them."""

    def send(self, command: str, arguments: list[tuple[int, Any]]) -> None:
        raise NotImplementedError

    def receive(self) -> list[Any]:
        raise NotImplementedError

    def close(self) -> None:
        """Ends the worker."""


class _Local(_Worker):
    """Children in this process."""

    def __init__(self, env_kwargs: Mapping[str, Any], count: int) -> None:
        self._envs = [ChildTrainingEnv(**env_kwargs) for _ in range(count)]
        self._last: list[Any] = [None] * count
        self._results: list[Any] = []

    def send(self, command: str, arguments: list[tuple[int, Any]]) -> None:
        self._results = [self._do(command, index, argument) for index, argument in arguments]

    def receive(self) -> list[Any]:
        return self._results

    def _do(self, command: str, index: int, argument: Any) -> Any:
        if command == "reset":
            self._last[index] = None
            return self._envs[index].reset(seed=argument)
        last = self._last[index]
        if last is not None and last[2]:  # ended before its group: stands still, earns nothing
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
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve,
            args=(theirs, dict(env_kwargs), count, list(sources), list(ops)),
            daemon=True,
        )
        with kept_from_workers():
            self._process.start()
        theirs.close()

    def send(self, command: str, arguments: list[tuple[int, Any]]) -> None:
        try:
            self._pipe.send((command, arguments))
        except OSError:
            raise AdaptAugError("a worker process ended unexpectedly") from None

    def receive(self) -> list[Any]:
        try:
            results, mistake, failure = self._pipe.recv()
        except (EOFError, OSError):
            raise AdaptAugError("a worker process ended unexpectedly") from None
        if mistake:
            raise AdaptAugError(mistake)
        if failure:
            raise RuntimeError(f"a worker failed: {failure}")
        answered: list[Any] = results
        return answered

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
    """A worker's life: do commands until the pipe closes."""
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
