"""The callback of a search: progress bar, TensorBoard, checkpoints and time limit."""

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
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
"""Number of updates between two image grids on TensorBoard."""


class SearchCallback(BaseCallback):
    """Shows progress, saves a checkpoint after every update, and stops PPO at the time limit."""

    def __init__(self, config: SearchConfig, folder: Path, counts: Mapping[str, float]) -> None:
        """Opens the progress bar and the TensorBoard log; the time limit starts to run.

        Args:
            config: the settings of the search.
            folder: the run folder.
            counts: values of `agents.checkpoint.COUNTS`; those of the checkpoint if resumed.
        """
        super().__init__()
        self._config, self._checkpoint = config, folder / CHECKPOINT
        self.counts = dict(counts)
        """What is done so far, by the names in `agents.checkpoint.COUNTS`."""
        self.history: list[dict[str, float]] = []
        """Means over the children of each update: `gain`, `cost`, `reward` and final `score`."""
        self._seconds_before, self._started = counts["seconds"], time.monotonic()
        self._deadline = math.inf
        if config.time_limit_minutes is not None:
            seconds = 60 * config.time_limit_minutes
            self._deadline = self._started + (1 - config.min_epochs_share) * seconds
        self._bar = ProgressBar(
            total=config.warm_start_rounds + config.updates, desc="search",
            initial=round(counts["episodes"]) // config.children,
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} rollouts "
            "[{elapsed}, {remaining} left{postfix}]",
        )  # fmt: skip
        self._board = Board(folder)
        self._infos: list[list[dict[str, Any]]] = []
        self._rollout_complete = self._stopping = False
        self._child_steps_shown = 0
        dataset = TaskRange.from_dict(config.tasks[0]).task.dataset
        self._images = to_float(load(dataset).train.inputs[:16])
        self._labels = load(dataset).train.targets[:16]

    def close(self) -> None:
        """Closes progress bar and TensorBoard log."""
        self._bar.close()
        self._board.close()

    def advance_bar(self) -> None:
        """Advances the progress bar by one rollout: all children trained once."""
        self._bar.update(1)

    def save(self, agent: PPO, *, running: bool) -> None:
        """Saves a checkpoint; see `agents.checkpoint.save_checkpoint`."""
        counts = self.counts | {"seconds": self.seconds()}
        save_checkpoint(self._checkpoint, agent, counts, running=running)

    def time_is_up(self) -> bool:
        """Whether the time limit is reached."""
        return time.monotonic() > self._deadline

    def seconds(self) -> float:
        """Elapsed seconds of the search, including those before it was resumed."""
        return self._seconds_before + time.monotonic() - self._started

    def _on_training_start(self) -> None:
        self.model.set_logger(Logger(None, [_BoardWriter(self._board)]))
        self._save_ppo()  # Ctrl-C in the first update must find a checkpoint

    def _on_rollout_start(self) -> None:
        # SB3 has no hook for the end of an update: the next rollout starts right after it.
        if self._rollout_complete:
            self._after_update()
            self._stopping = self.time_is_up()
        self._infos, self._rollout_complete = [], False

    def _on_step(self) -> bool:
        self._infos.append(self.locals["infos"])
        return not self._stopping

    def _on_rollout_end(self) -> None:
        self._rollout_complete = True

    def _on_training_end(self) -> None:
        if self._rollout_complete:
            self._after_update()

    def _after_update(self) -> None:
        """Counts and logs the last rollout, and saves a checkpoint."""
        self.counts["updates"] += 1
        ended = [info for step in self._infos for info in step if "terminal_observation" in info]
        self.counts["episodes"] += len(ended)
        self.counts["child_steps"] += sum(info["steps"] for info in ended)
        updates, children = round(self.counts["updates"]), len(self._infos[0])
        means = {
            name: sum(info[name] for step in self._infos for info in step) / children
            for name in ("gain", "cost", "reward")
        }
        means["score"] = float(np.mean([info["score"] for info in self._infos[-1]]))
        self.history.append(means)
        self._board.reward(means["gain"], means["gain"] - means["reward"], updates)
        self._board.scalars({"search/score": means["score"]}, updates)
        magnitudes = np.mean(  # over all decisions of all children
            [info["magnitudes"] for step in self._infos for info in step if not info["waiting"]], 0
        ).tolist()
        self._board.magnitudes(self._config.ops, magnitudes, updates)
        self._log_child()
        if updates % IMAGES_EVERY == 1 and self._images.ndim == 4:
            self._log_images(magnitudes, updates)
        recent = self.history[-10:]
        self._bar.set_postfix_str(
            f"gain {np.mean([row['gain'] for row in recent]):+.2f}, "
            f"cost {np.mean([row['cost'] for row in recent]):.2f}",
            refresh=False,
        )
        self.advance_bar()
        self._save_ppo()

    def _save_ppo(self) -> None:
        assert isinstance(self.model, PPO)
        self.save(self.model, running=True)

    def _log_child(self) -> None:
        """Logs the curves of the first child, right of those of all children logged before."""
        curve = [step[0] for step in self._infos if not step[0]["waiting"]]
        history = {f"validation_{n}": [info[n] for info in curve] for n in ("score", "loss")}
        length = curve[-1]["steps"]
        self._board.child_curves(history, self._child_steps_shown, max(1, length // len(curve)))
        self._child_steps_shown += length

    def _log_images(self, magnitudes: list[float], updates: int) -> None:
        """Logs some training images, augmented at the mean magnitudes of the update."""
        generator = torch.Generator().manual_seed(self._config.seed)
        images, _ = OpSpace(self._config.ops).apply(
            self._images, self._labels, magnitudes, generator, int(self._labels.max()) + 1
        )
        self._board.image_grid(self._images, images, updates)


class _BoardWriter(KVWriter):
    """Writes PPO's diagnostics to the run's TensorBoard log, by number of decisions."""

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
