"""The search: PPO learns a policy over many child trainings, with checkpoints and resumption."""

import copy
import json
import logging
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import KVWriter, Logger
from tqdm import tqdm

from adaptaug.artefact import Policy, load_policy, save_policy
from adaptaug.cost import CostTable, calibrate
from adaptaug.files import write_json
from adaptaug.ops import OpSpace
from adaptaug.randomness import RandomStream, one_thread
from adaptaug.task import TaskRange
from adaptaug.tensorboard import Board
from agents.checkpoint import COUNTS, load_checkpoint, save_checkpoint
from agents.policy import OpPolicy
from envs.vector import GroupedVecEnv

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SearchConfig:
    """What is searched over, and how."""

    tasks: Sequence[Mapping[str, Any]] = ({},)
    """Fields of `adaptaug.task.Task`; `steps` and `n_train` may be pairs: log-uniform ranges."""
    ops: tuple[str, ...] = ()
    """Names of the ops."""
    cost_weight: float = 0.05
    """Lambda: the price, in reward, of as much compute again as plain training."""
    episodes: int = 1620
    """Child trainings, at most; rounded to whole updates."""
    groups: int = 3
    """Groups of children in an update."""
    group_size: int = 6
    """Children that share task, data, weights and batch order."""
    actor: str = "shared"
    """'shared', or 'mlp' for the ablation."""
    hidden: tuple[int, ...] = (32, 32)
    """Widths of the hidden layers."""
    op_bias: bool = True
    """Whether each op has a learned bias of its own."""
    bias_penalty: float = 0.0
    """Weight decay of those biases."""
    learning_rate: float = 2e-3
    """Adam's, falling linearly to a tenth over the search."""
    epochs: int = 10
    """Passes over an update's transitions."""
    minibatches: int = 2
    """Minibatches in a pass."""
    target_kl: float = 0.1
    """An update ends early beyond 1.5 times this divergence."""
    log_std: float = -0.9
    """Logarithm of the first exploration noise, before the squashing."""
    seed: int = 0
    """Seeds the search: tasks, children, noise, weights."""
    processes: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Worker processes; 0 trains in this one."""
    device: str = "cpu"
    """Where children train."""
    time_limit_minutes: float | None = None
    """Stop after the update in which this much time is spent; None means all episodes."""

    def to_dict(self) -> dict[str, Any]:
        """The configuration as plain data, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class SearchResult:
    """What a search leaves besides its files."""

    policy: Policy
    """The learned policy."""
    untrained: Policy
    """The policy as it was before the first update: the arm to beat."""
    costs: Sequence[CostTable]
    """The measured cost table of each task."""
    episodes: int
    """Child trainings done."""
    child_steps: int
    """Batches that children were trained on."""
    seconds: float
    """Elapsed time."""
    interrupted: bool
    """Whether Ctrl-C ended it."""
    history: list[dict[str, float]]
    """Mean gain, cost and validation accuracy of each update."""


def search(config: SearchConfig, folder: Path, *, resume: bool = False) -> SearchResult:
    """Learns a policy and exports it to `folder/policy`.

    Every update leaves a checkpoint in `folder/checkpoints`. Ctrl-C ends the search after the
    last complete update, with its policy exported.

    Args:
        config: what to search.
        folder: the run folder; it exists.
        resume: go on from the folder's checkpoint.

    Raises:
        AdaptAugError: tasks, ops or checkpoint are not usable.
    """
    tasks = [TaskRange.from_dict(task) for task in config.tasks]
    costs = _costs(config, tasks, folder / "checkpoints" / "costs.json", resume)
    env = GroupedVecEnv(
        {
            "tasks": list(config.tasks),
            "ops": config.ops,
            "cost_weight": config.cost_weight,
            "costs": [table.to_dict() for table in costs],
            "device": config.device,
        },
        groups=config.groups,
        group_size=config.group_size,
        processes=config.processes,
        seed=config.seed,
    )
    stream = RandomStream(config.seed)
    numpy_state = np.random.get_state()  # noqa: NPY002 - SB3 shuffles minibatches with it
    try:
        with stream.active(), one_thread():
            return _search(config, folder, env, tasks, costs, resume)
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        env.close()


def _search(
    config: SearchConfig,
    folder: Path,
    env: GroupedVecEnv,
    tasks: Sequence[TaskRange],
    costs: Sequence[CostTable],
    resume: bool,
) -> SearchResult:
    agent = build_agent(config, env, decisions=max(len(t.task.boundaries()) for t in tasks))
    policy = agent.policy
    assert isinstance(policy, OpPolicy)
    updates = max(1, config.episodes // env.num_envs)
    checkpoint = folder / "checkpoints" / "last.safetensors"
    counts = dict.fromkeys(COUNTS, 0.0)
    if resume:
        counts = load_checkpoint(checkpoint, agent, env)
        untrained = load_policy(folder / "checkpoints" / "untrained", config.ops)
    else:
        standardise_on_first_rollout(policy, env, agent.n_steps)
        untrained = _export(config, policy, tasks, costs, 0)
        save_policy(folder / "checkpoints" / "untrained", untrained)
    callback = _Progress(config, folder, updates, counts, checkpoint)
    interrupted = False
    try:
        agent.learn(
            round(updates - counts["updates"]) * agent.n_steps * env.num_envs,
            callback=callback,
            reset_num_timesteps=not resume,
        )
    except KeyboardInterrupt:
        interrupted = True
        if checkpoint.exists():  # the update in progress is dropped
            load_checkpoint(checkpoint, agent, env)
    finally:
        callback.bar.close()
        callback.board.close()
    episodes = round(callback.counts["episodes"])
    learned = _export(config, policy, tasks, costs, episodes)
    save_policy(folder / "policy", learned)
    return SearchResult(
        learned, untrained, costs, episodes, round(callback.counts["child_steps"]),
        callback.seconds(), interrupted, callback.history,
    )  # fmt: skip


def _costs(
    config: SearchConfig, tasks: Sequence[TaskRange], path: Path, resume: bool
) -> list[CostTable]:
    """Measures what augmenting costs; a resumed search keeps the tables that it began with."""
    op_space = OpSpace(config.ops)
    if resume and path.exists():
        return [CostTable.from_dict(row) for row in json.loads(path.read_text(encoding="utf-8"))]
    costs = [calibrate(task.task, op_space, config.device) for task in tasks]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, [table.to_dict() for table in costs])
    return costs


def build_agent(config: SearchConfig, env: GroupedVecEnv, decisions: int) -> PPO:
    """PPO for whole episodes of `decisions` decisions, undiscounted."""
    transitions = decisions * env.num_envs
    agent = PPO(
        OpPolicy,
        env,
        learning_rate=lambda left: config.learning_rate * (0.1 + 0.9 * left),
        n_steps=decisions,
        batch_size=math.ceil(transitions / config.minibatches),
        n_epochs=config.epochs,
        gamma=1.0,
        gae_lambda=1.0,
        ent_coef=0.0,
        target_kl=config.target_kl,
        policy_kwargs={
            "actor": config.actor,
            "hidden": config.hidden,
            "op_bias": config.op_bias,
            "bias_penalty": config.bias_penalty,
            "log_std_init": config.log_std,
            "seed": config.seed,
        },
        device="cpu",
    )
    np.random.seed(config.seed)  # noqa: NPY002 - SB3 shuffles minibatches with it
    agent.set_logger(Logger(None, []))
    return agent


def standardise_on_first_rollout(policy: OpPolicy, env: GroupedVecEnv, decisions: int) -> None:
    """Fits the observation statistics to one rollout of the untrained policy."""
    observations = [env.reset()]
    for _ in range(decisions - 1):
        actions, _ = policy.predict(observations[-1])
        env.step_async(actions)
        observations.append(env.step_wait()[0])
    policy.network.standardise.fit(torch.from_numpy(np.concatenate(observations)))


def _export(
    config: SearchConfig,
    policy: OpPolicy,
    tasks: Sequence[TaskRange],
    costs: Sequence[CostTable],
    episodes: int,
) -> Policy:
    kwargs = {"actor": config.actor, "hidden": list(config.hidden), "op_bias": config.op_bias}
    network = copy.deepcopy(policy.network)
    first = tasks[0].task
    provenance = {
        "tasks": [task.to_dict() for task in tasks],
        "episodes": episodes,
        "seed": config.seed,
        "cost_weight": config.cost_weight,
    }
    return Policy(
        network.eval(), tuple(config.ops), first.decisions, first.decision_interval, kwargs,
        costs[0], provenance,
    )  # fmt: skip


def equalised(advantages: np.ndarray, group_size: int, floor: float = 0.1) -> np.ndarray:
    """Advantages (decisions, children) over their group's standard deviation plus `floor`.

    In a short run a magnitude moves accuracy by tens of points, in a long one by tenths: without
    this the short runs alone would steer. The floor, a point of accuracy, keeps groups in which
    nothing mattered from being blown up to the noise that they are.
    """
    groups = advantages.reshape(len(advantages), -1, group_size)
    scaled = groups / (groups.std(axis=(0, 2), keepdims=True) + floor)
    return scaled.reshape(advantages.shape)


class _Progress(BaseCallback):
    """Bar, TensorBoard, checkpoints, time limit."""

    def __init__(
        self,
        config: SearchConfig,
        folder: Path,
        updates: int,
        counts: Mapping[str, float],
        checkpoint: Path,
    ) -> None:
        super().__init__()
        self._config, self._folder, self._checkpoint = config, folder, checkpoint
        self.counts = dict(counts)
        self._before, self._started = counts["seconds"], time.monotonic()
        self._deadline = math.inf
        if config.time_limit_minutes is not None:
            self._deadline = self._started + 60 * config.time_limit_minutes
        self.bar = tqdm(
            total=updates, initial=round(counts["updates"]), desc="search", unit="update",
            disable=None,
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} updates "
            "[{elapsed}, {remaining} left{postfix}]",
        )  # fmt: skip
        self.history: list[dict[str, float]] = []
        self._infos: list[list[dict[str, Any]]] = []
        self._complete = self._time_is_up = False
        self.board = Board(folder)

    def seconds(self) -> float:
        """Elapsed time, that before a resumption included."""
        return self._before + time.monotonic() - self._started

    def _on_training_start(self) -> None:
        self.model.set_logger(Logger(None, [_BoardWriter(self.board)]))
        self._save()  # so that there is one to go on from, whenever Ctrl-C comes

    def _on_rollout_start(self) -> None:
        if self._complete:
            self._after_update()
            self._time_is_up = time.monotonic() > self._deadline
        self._infos, self._complete = [], False

    def _on_step(self) -> bool:
        self._infos.append(self.locals["infos"])
        return not self._time_is_up

    def _on_rollout_end(self) -> None:
        buffer = self.model.rollout_buffer
        buffer.advantages = equalised(buffer.advantages, self._config.group_size)
        self._complete = True

    def _on_training_end(self) -> None:
        if self._complete:
            self._after_update()

    def _after_update(self) -> None:
        """Notes the last rollout, and that its update is complete."""
        self.counts["updates"] += 1
        ended = [info for step in self._infos for info in step if "terminal_observation" in info]
        self.counts["episodes"] += len(ended)
        self.counts["child_steps"] += sum(info["steps"] for info in ended)
        updates, children = round(self.counts["updates"]), len(self._infos[0])
        totals = {
            name: sum(info[name] for step in self._infos for info in step) / children
            for name in ("gain", "cost", "reward")
        }
        totals["accuracy"] = float(np.mean([info["accuracy"] for info in self._infos[-1]]))
        self.history.append(totals)
        self.board.reward(totals["gain"], totals["gain"] - totals["reward"], updates)
        self.board.scalars({"search/accuracy": totals["accuracy"]}, updates)
        # One per decision, child and op.
        magnitudes = np.array([[info["magnitudes"] for info in step] for step in self._infos])
        self.board.magnitudes(self._config.ops, magnitudes.mean((0, 1)).tolist(), updates)
        recent = self.history[-10:]
        self.bar.set_postfix_str(
            f"gain {np.mean([h['gain'] for h in recent]):+.2f}, "
            f"cost {np.mean([h['cost'] for h in recent]):.2f}"
        )
        self.bar.update(1)
        self._save()

    def _save(self) -> None:
        counts = self.counts | {"seconds": self.seconds()}
        save_checkpoint(self._checkpoint, self.model, self.training_env, counts)


class _BoardWriter(KVWriter):
    """PPO's own diagnostics on the run's board, by number of child decisions."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def write(
        self,
        key_values: dict[str, Any],
        key_excluded: dict[str, tuple[str, ...]],
        step: int = 0,
    ) -> None:
        numbers = {
            k: float(v) for k, v in key_values.items() if isinstance(v, int | float | np.number)
        }
        self._board.scalars({k: v for k, v in numbers.items() if "time/" not in k}, step)
