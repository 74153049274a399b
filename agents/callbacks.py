"""What happens around PPO's updates: progress, TensorBoard, checkpoints, the time limit."""

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import KVWriter, Logger

from adaptaug.data import load
from adaptaug.data.batches import to_float
from adaptaug.ops import OpSpace
from adaptaug.tensorboard import Board
from adaptaug.training.task import TaskRange
from adaptaug.utils.progress import ProgressBar
from agents.checkpoint import CHECKPOINT, save_checkpoint
from agents.config import SearchConfig

IMAGES_EVERY = 10
"""Updates between two grids of augmented images."""


class Progress(BaseCallback):
    """Bar, TensorBoard, checkpoints, time limit."""

    def __init__(
        self, config: SearchConfig, folder: Path, rollouts: int, counts: Mapping[str, float]
    ) -> None:
        """Opens bar and board.

        Args:
            config: the search's.
            folder: the run folder.
            rollouts: of all children, in the whole search.
            counts: what was done before a resumption; see `agents.checkpoint.COUNTS`.
        """
        super().__init__()
        self._config, self._checkpoint = config, folder / CHECKPOINT
        self.counts = dict(counts)
        self._before, self._started = counts["seconds"], time.monotonic()
        self._deadline = math.inf
        if config.time_limit_minutes is not None:
            seconds = 60 * config.time_limit_minutes
            self._deadline = self._started + (1 - config.safeguard) * seconds
        self._bar = ProgressBar(
            total=rollouts, desc="search",
            initial=round(counts["episodes"]) // (config.groups * config.group_size),
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} rollouts "
            "[{elapsed}, {remaining} left{postfix}]",
        )  # fmt: skip
        self._board = Board(folder)
        self.history: list[dict[str, float]] = []
        self._infos: list[list[dict[str, Any]]] = []
        self._complete = self._stopping = False
        self._shown = 0
        dataset = TaskRange.from_dict(config.tasks[0]).task.dataset
        self._images = to_float(load(dataset).train.inputs[:16])
        self._labels = load(dataset).train.targets[:16]

    def close(self) -> None:
        """Closes bar and board."""
        self._bar.close()
        self._board.close()

    def after_rollout(self) -> None:
        """Moves the bar on."""
        self._bar.update(1)

    def save(self, agent: Any, env: Any) -> None:
        """Leaves a checkpoint with what is counted so far."""
        counts = self.counts | {"seconds": self.seconds()}
        save_checkpoint(self._checkpoint, agent, env, counts)

    def time_is_up(self) -> bool:
        """Whether the time limit is reached."""
        return time.monotonic() > self._deadline

    def seconds(self) -> float:
        """Elapsed time, that before a resumption included."""
        return self._before + time.monotonic() - self._started

    def _on_training_start(self) -> None:
        self.model.set_logger(Logger(None, [_BoardWriter(self._board)]))
        # So that there is one to go on from, whenever Ctrl-C comes.
        self.save(self.model, self.training_env)

    def _on_rollout_start(self) -> None:
        if self._complete:
            self._after_update()
            self._stopping = self.time_is_up()
        self._infos, self._complete = [], False

    def _on_step(self) -> bool:
        self._infos.append(self.locals["infos"])
        return not self._stopping

    def _on_rollout_end(self) -> None:
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
        self._board.reward(totals["gain"], totals["gain"] - totals["reward"], updates)
        self._board.scalars({"search/accuracy": totals["accuracy"]}, updates)
        # One row per decision, one column per child.
        magnitudes = np.array([[info["magnitudes"] for info in step] for step in self._infos])
        self._board.magnitudes(self._config.ops, magnitudes.mean((0, 1)).tolist(), updates)
        self._show_child()
        if updates % IMAGES_EVERY == 1 and self._images.ndim == 4:
            self._show_images(magnitudes.mean((0, 1)).tolist(), updates)
        recent = self.history[-10:]
        self._bar.set_postfix_str(
            f"gain {np.mean([h['gain'] for h in recent]):+.2f}, "
            f"cost {np.mean([h['cost'] for h in recent]):.2f}",
            refresh=False,
        )
        self.after_rollout()
        self.save(self.model, self.training_env)

    def _show_child(self) -> None:
        """The first child's curves, children end to end."""
        curve = [step[0] for step in self._infos]
        history = {f"validation_{n}": [info[n] for info in curve] for n in ("accuracy", "loss")}
        length = max(info["steps"] for info in curve)
        self._board.child_curves(history, self._shown, max(1, length // len(curve)))
        self._shown += length

    def _show_images(self, magnitudes: list[float], updates: int) -> None:
        """Some training images at the update's mean magnitudes."""
        generator = torch.Generator().manual_seed(self._config.seed)
        images, _ = OpSpace(self._config.ops).apply(
            self._images, self._labels, magnitudes, generator, int(self._labels.max()) + 1
        )
        self._board.image_grid(self._images, images, updates)


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
