"""TensorBoard logs, with the same tags for a search and for a user's training.

The tags are `magnitude/<op>`, `reward/gain|cost|total`, `child/<curve>`,
`images/original_above_augmented`, and `images/<name>` and `text/<name>` for generated samples. The
hyperparameters are logged with the final metrics. Show a log with `tensorboard --logdir runs`.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from adaptaug.errors import AdaptAugError
from adaptaug.utils.optional import needs

_SMALLEST_SIDE = 64  # pixels that the shorter side is enlarged to; 8 x 8 digits would be a speck


class Board:
    """Writer of one run's TensorBoard events, all in one event file.

    Use it as a context manager, or call `close`. Open only one writer per folder, and let other
    loggers write through `scalars`: TensorBoard may read only the newest event file of a folder.

    Args:
        folder: folder of the event file; created if it does not exist.

    Raises:
        AdaptAugError: the package tensorboard is not installed.
    """

    def __init__(self, folder: Path | str) -> None:
        with needs("search", "a TensorBoard log"):
            from torch.utils.tensorboard.writer import SummaryWriter
        self._writer: Any = SummaryWriter(str(folder), flush_secs=10)

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Writes named numbers at a step; the part of a name before "/" groups the charts."""
        for name, value in values.items():
            self._writer.add_scalar(name, float(value), step)

    def magnitudes(
        self, names: Sequence[str], values: Sequence[float], step: int, prefix: str = "magnitude"
    ) -> None:
        """Writes the magnitude of every op.

        Args:
            names: (n_ops,) names of the ops.
            values: (n_ops,) magnitudes in [0, 1].
            step: training step of a user's run, or update of a search.
            prefix: group of the charts.
        """
        pairs = zip(names, values, strict=True)
        self.scalars({f"{prefix}/{name}": value for name, value in pairs}, step)

    def reward(self, gain: float, cost: float, step: int) -> None:
        """Writes the reward and its parts.

        Args:
            gain: validation gain, the part before the penalty.
            cost: the compute penalty that is subtracted, lambda times the cost; at least 0.
            step: update of the search.
        """
        parts = {"reward/gain": gain, "reward/cost": cost, "reward/total": gain - cost}
        self.scalars(parts, step)

    def child_curves(
        self, history: Mapping[str, Sequence[float]], step: int, stride: int = 1
    ) -> None:
        """Writes the curves of one child; point i lies at `step + i * stride`.

        Args:
            history: name of each curve, such as "train_loss", and its points in time order.
            step: step of the first point. A search passes the number of steps of all children shown
                before, so that the curves of children follow one another.
            stride: child steps between two points.
        """
        for name, points in history.items():
            for index, value in enumerate(points):
                self.scalars({f"child/{name}": value}, step + index * stride)

    def image_grid(
        self, images_before: Tensor, images_after: Tensor, step: int, count: int = 16
    ) -> None:
        """Writes a grid of images in pairs of rows: originals, and below each its augmentation.

        Args:
            images_before: float (B, C, H, W) in [0, 1], on any device; C is 1 or 3.
            images_after: the same images augmented at the current magnitudes, same shape.
            step: training step of a user's run, or update of a search.
            count: shows the first `count` images of the batch, eight in a row. A last row that is
                not full is left out.

        Raises:
            AdaptAugError: the shapes differ, or torchvision is not installed.
        """
        with needs("search", "the image grid of a TensorBoard log"):
            from torchvision.utils import make_grid

        if images_before.shape != images_after.shape:
            raise AdaptAugError(
                "images before and after augmentation must have one shape, got "
                f"{tuple(images_before.shape)} and {tuple(images_after.shape)}"
            )
        pairs = torch.stack([images_before[:count], images_after[:count]]).detach().cpu().float()
        # Row by row: originals, augmented, originals, ...; each (at most 8, C, H, W).
        rows = [half for columns in pairs.split(8, dim=1) for half in columns]
        if len(rows) > 2 and len(rows[-1]) < 8:  # the rows of a grid have one length
            rows = rows[:-2]
        tiles = torch.cat(rows)
        zoom = math.ceil(_SMALLEST_SIDE / min(tiles.shape[-2:]))
        tiles = interpolate(tiles, scale_factor=float(zoom), mode="nearest")
        grid = make_grid(tiles, nrow=len(rows[0]), padding=4, pad_value=1.0)  # (3, height, width)
        self._writer.add_image("images/original_above_augmented", grid.clamp(0, 1), step)

    def image_samples(self, name: str, grid: Tensor, step: int = 0) -> None:
        """Writes an image, such as the grid of `adaptaug.generative.show.sample_grid`.

        Args:
            name: name of the image; its tag is "images/<name>".
            grid: uint8 (3, height, width).
            step: training step, or 0.
        """
        self._writer.add_image(f"images/{name}", grid, step)

    def text(self, name: str, sentences: Mapping[str, Sequence[str]], step: int = 0) -> None:
        """Writes sentences of each class, such as those of `adaptaug.generative.show.sample_texts`.

        Args:
            name: name of the text; its tag is "text/<name>".
            sentences: sentences by the name of their class.
            step: training step, or 0.
        """
        lines = [
            line
            for label, group in sentences.items()
            # Indented by four spaces, Markdown shows the words as they are.
            for line in (f"**{label}**", "", *(f"    {sentence}" for sentence in group), "")
        ]
        self._writer.add_text(f"text/{name}", "\n".join(lines), step)

    def hyperparameters(
        self, config: Mapping[str, Any], final_metrics: Mapping[str, float]
    ) -> None:
        """Writes configuration and final metrics into this folder, for the HParams tab.

        `SummaryWriter.add_hparams` would write them to a new subfolder named by the time.

        Args:
            config: plain data; nested keys are joined by ".", and values that are not numbers
                become text.
            final_metrics: name and final value of each metric, also written as scalars at step 0.
                Choose names that no curve has, such as "final/accuracy".
        """
        from torch.utils.tensorboard.summary import hparams

        flat = _flat(config)
        for summary in hparams(flat, dict(final_metrics)):
            self._writer.file_writer.add_summary(summary)
        self.scalars(final_metrics, 0)
        self._writer.flush()

    def close(self) -> None:
        """Flushes and closes the event file; a second call does nothing."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, int | float | str]:
    """Flattens a nested configuration: {"ppo": {"epochs": 4}} becomes {"ppo.epochs": 4}."""
    flat: dict[str, int | float | str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            number = isinstance(value, int | float) and not isinstance(value, bool)
            flat[f"{prefix}{key}"] = value if number else str(value)
    return flat
