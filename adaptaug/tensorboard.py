"""What TensorBoard shows of a run, in one vocabulary of tags for the search and a user's training.

`magnitude/<op>`, `reward/gain|cost|total`, `child/<curve>`, `images/original_above_augmented`,
`images/<name>` and `text/<name>` for generated samples, and the hyperparameters with the final
metrics. Open with `tensorboard --logdir runs`.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.utils import make_grid

from adaptaug.errors import AdaptAugError

_SMALLEST_SIDE = 64  # pixels; the digits' 8 x 8 would be a speck on the screen


class Board:
    """Writer of one run's TensorBoard events, all in one event file.

    Use it as a context manager, or call `close`. One folder takes one writer: TensorBoard may
    follow only the newest event file of a folder, so other loggers should go through `scalars`.

    Args:
        folder: folder of the event file, made if missing.

    Raises:
        AdaptAugError: the package tensorboard is not installed.
    """

    def __init__(self, folder: Path | str) -> None:
        try:
            from torch.utils.tensorboard.writer import SummaryWriter
        except ImportError as error:
            raise AdaptAugError(
                "a TensorBoard log needs the package tensorboard: pip install tensorboard"
            ) from error
        self._writer: Any = SummaryWriter(str(folder), flush_secs=10)

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Writes named numbers at a step; a "/" in a name groups charts."""
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
            cost: the compute penalty, as it is subtracted: lambda times the cost, >= 0.
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
            step: child steps done in the run before this child: 0 in a user's run; in a search the
                steps of the children shown before, so that children follow one another end to end.
            stride: child steps between two points.
        """
        for name, points in history.items():
            for index, value in enumerate(points):
                self.scalars({f"child/{name}": value}, step + index * stride)

    def image_grid(
        self, images_before: Tensor, images_after: Tensor, step: int, count: int = 16
    ) -> None:
        """Shows images in pairs of rows: originals, and under each what augmentation made of it.

        Args:
            images_before: float (B, C, H, W) in [0, 1], on any device; C is 1 or 3.
            images_after: the same images augmented at the current magnitudes, same shape.
            step: training step of a user's run, or update of a search.
            count: number of images shown, the first of the batch; eight a row.
        """
        if images_before.shape != images_after.shape:
            raise AdaptAugError(
                "images before and after augmentation must have one shape, got "
                f"{tuple(images_before.shape)} and {tuple(images_after.shape)}"
            )
        pairs = torch.stack([images_before[:count], images_after[:count]]).detach().cpu().float()
        # Row by row: originals, augmented, originals, ...; each (at most 8, C, H, W).
        rows = [half for columns in pairs.split(8, dim=1) for half in columns]
        if len(rows) > 2 and len(rows[-1]) < 8:  # a grid has full rows
            rows = rows[:-2]
        tiles = torch.cat(rows)
        zoom = math.ceil(_SMALLEST_SIDE / min(tiles.shape[-2:]))
        tiles = interpolate(tiles, scale_factor=float(zoom), mode="nearest")
        grid = make_grid(tiles, nrow=len(rows[0]), padding=4, pad_value=1.0)  # (3, height, width)
        self._writer.add_image("images/original_above_augmented", grid.clamp(0, 1), step)

    def image_samples(self, name: str, grid: Tensor, step: int = 0) -> None:
        """Shows a picture, such as `adaptaug.generative.show.sample_grid` makes.

        Args:
            name: what it is called, below "images/".
            grid: uint8 (3, height, width).
            step: training step, or 0.
        """
        self._writer.add_image(f"images/{name}", grid, step)

    def text(self, name: str, sentences: Mapping[str, Sequence[str]], step: int = 0) -> None:
        """Shows sentences of each class, as `adaptaug.generative.show.sample_texts` gives them.

        Args:
            name: what they are called, below "text/".
            sentences: sentences by the name of their class.
            step: training step, or 0.
        """
        lines = [
            line
            for label, group in sentences.items()
            # Four spaces in front: words as they are, whatever they mean in Markdown.
            for line in (f"**{label}**", "", *(f"    {sentence}" for sentence in group), "")
        ]
        self._writer.add_text(f"text/{name}", "\n".join(lines), step)

    def hyperparameters(
        self, config: Mapping[str, Any], final_metrics: Mapping[str, float]
    ) -> None:
        """Writes configuration and final metrics into this folder, for the HParams tab.

        `SummaryWriter.add_hparams` would open a sub-run beside this one, named by the time.

        Args:
            config: plain data; nested keys are joined by "."; what is no number becomes text.
            final_metrics: name and final value of each metric, also written as scalars at step 0;
                names of their own, such as "final/accuracy", keep them out of other curves.
        """
        from torch.utils.tensorboard.summary import hparams

        flat = _flat(config)
        for summary in hparams(flat, dict(final_metrics)):
            self._writer.file_writer.add_summary(summary)
        self.scalars(final_metrics, 0)
        self._writer.flush()

    def close(self) -> None:
        """Writes what is waiting and closes the event file; a second call does nothing."""
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
    """Nested configuration to one level: {"ppo": {"epochs": 4}} to {"ppo.epochs": 4}."""
    flat: dict[str, int | float | str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            number = isinstance(value, int | float) and not isinstance(value, bool)
            flat[f"{prefix}{key}"] = value if number else str(value)
    return flat
