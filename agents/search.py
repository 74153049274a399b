"""The search: PPO learns a policy over many child trainings, with checkpoints and resumption."""

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
from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat
from tqdm import tqdm

from adaptaug.artefact import Policy, save_policy
from adaptaug.cost import CostTable, calibrate
from adaptaug.ops import OpSpace
from adaptaug.randomness import RandomStream
from adaptaug.task import TaskRange
from agents.checkpoint import load_checkpoint, save_checkpoint
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
    op_space = OpSpace(config.ops)
    costs = [calibrate(task.task, op_space, config.device) for task in tasks]
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
    try:
        with stream.active():
            return _search(config, folder, env, tasks, costs, resume)
    finally:
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
    done = 0
    if resume:
        done = load_checkpoint(checkpoint, agent, env)
    else:
        standardise_on_first_rollout(policy, env, agent.n_steps)
    untrained = _export(config, policy, tasks, costs, 0)
    save_policy(folder / "checkpoints" / "untrained", untrained)
    callback = _Progress(config, folder, updates, done, checkpoint)
    started = time.monotonic()
    interrupted = False
    try:
        agent.learn(
            (updates - done) * agent.n_steps * env.num_envs,
            callback=callback,
            reset_num_timesteps=not resume,
        )
    except KeyboardInterrupt:
        interrupted = True
        if checkpoint.exists():  # the update in progress is dropped
            load_checkpoint(checkpoint, agent, env)
    finally:
        callback.bar.close()
    learned = _export(config, policy, tasks, costs, callback.episodes)
    save_policy(folder / "policy", learned)
    return SearchResult(
        learned, untrained, callback.episodes, callback.child_steps,
        time.monotonic() - started, interrupted, callback.history,
    )  # fmt: skip


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
    np.random.seed(config.seed)  # noqa: NPY002 - SB3 shuffles minibatches with numpy's global state
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
    network = type(policy.network)(
        policy.network.standardise.n_ops, **(kwargs | {"hidden": config.hidden})
    )
    network.load_state_dict(policy.network.state_dict())
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


class _Progress(BaseCallback):
    """Bar, TensorBoard, checkpoints, time limit."""

    def __init__(
        self, config: SearchConfig, folder: Path, updates: int, done: int, checkpoint: Path
    ) -> None:
        super().__init__()
        self._config, self._folder, self._checkpoint = config, folder, checkpoint
        self._updates, self._done = updates, done
        self._deadline = math.inf
        if config.time_limit_minutes is not None:
            self._deadline = time.monotonic() + 60 * config.time_limit_minutes
        self.bar = tqdm(
            total=updates, initial=done, desc="search", unit="update", disable=None,
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} updates "
            "[{elapsed}, {remaining} left{postfix}]",
        )  # fmt: skip
        self.episodes = done * config.groups * config.group_size
        self.child_steps = 0
        self.history: list[dict[str, float]] = []
        self._infos: list[list[dict[str, Any]]] = []

    def _on_training_start(self) -> None:
        self.model.set_logger(Logger(None, [TensorBoardOutputFormat(str(self._folder))]))

    def _on_rollout_start(self) -> None:
        if self._infos:
            self._after_update()
        self._infos = []

    def _on_step(self) -> bool:
        self._infos.append(self.locals["infos"])
        return True

    def _on_rollout_end(self) -> None:
        self.episodes += len(self._infos[0])
        self.child_steps += sum(info["steps"] for info in self._infos[-1])

    def _on_training_end(self) -> None:
        self._after_update()

    def _after_update(self) -> None:
        """Notes the last rollout, and that its update is complete."""
        self._done += 1
        totals = {
            name: float(np.mean([sum(step[i][name] for step in self._infos) for i in range(len(self._infos[0]))]))
            for name in ("gain", "cost", "reward")
        }  # fmt: skip
        totals["accuracy"] = float(np.mean([info["accuracy"] for info in self._infos[-1]]))
        self.history.append(totals)
        for name, value in totals.items():
            self.logger.record(f"search/{name}", value)
        magnitudes = np.array([[info["magnitudes"] for info in step] for step in self._infos])
        for name, value in zip(self._config.ops, magnitudes.mean((0, 1)), strict=True):
            self.logger.record(f"magnitude/{name}", float(value))
        recent = self.history[-10:]
        self.bar.set_postfix_str(
            f"gain {np.mean([h['gain'] for h in recent]):+.2f}, "
            f"cost {np.mean([h['cost'] for h in recent]):.2f}"
        )
        self.bar.update(1)
        save_checkpoint(self._checkpoint, self.model, self.training_env, self._done)
