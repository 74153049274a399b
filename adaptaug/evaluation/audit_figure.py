"""The figure of an audit: images under one op at growing strength."""

import io
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from adaptaug.data.batches import to_float
from adaptaug.data.examples import Examples
from adaptaug.errors import AdaptAugError
from adaptaug.ops import OpSpace
from adaptaug.utils.optional import needs

_POOL = 64
"""The examples of the figure are chosen from that many."""
_COLUMNS = 8
_INCHES = 1.1
"""Width and height of an image."""


def audit_figure(
    op_space: OpSpace,
    op: str,
    examples: Examples,
    magnitudes: Sequence[float],
    classes: Sequence[str],
    seed: int = 0,
) -> bytes:
    """Draws up to eight images as they are and, below, under one op at each magnitude.

    Images that the op changes come first, of as many classes as possible.

    Args:
        op_space: ops, among them `op`.
        op: name of the op to show, alone.
        examples: labelled images.
        magnitudes: one row each, in [0, 1].
        classes: class names.
        seed: seeds the draws, which are the same in each row.

    Returns:
        The content of a PNG file.

    Raises:
        AdaptAugError: the examples are not images, or matplotlib is not installed.
    """
    if examples.modality != "image":
        raise AdaptAugError(f"a figure needs images, got {examples.modality} data")
    with needs("search", "the figure of an audit"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    order = torch.randperm(len(examples), generator=Generator().manual_seed(seed))
    pool = examples[order[:_POOL]].to("cpu")
    images = to_float(pool.inputs)
    rows = {"as it is": images}
    for magnitude in magnitudes:
        alone = [magnitude * (name == op) for name in op_space.names]
        draws = Generator().manual_seed(seed)
        outputs, _ = op_space.apply(images, pool.targets, alone, draws, len(classes))
        rows[f"{op} {magnitude:g}"] = outputs
    shown = _chosen((outputs != images).flatten(1).any(1), pool.targets)
    size = (_INCHES * (len(shown) + 0.5), _INCHES * (len(rows) + 0.5))
    figure = Figure(figsize=size, dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(rows), len(shown), squeeze=False)
    for (name, row), line in zip(rows.items(), grid, strict=True):
        for index, axes in zip(shown, line, strict=True):
            axes.imshow(row[index].permute(1, 2, 0).numpy(), cmap="gray", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
        line[0].set_ylabel(name)
    for index, axes in zip(shown, grid[0], strict=True):
        axes.set_title(classes[int(pool.targets[index])], fontsize="small")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _chosen(changed: Tensor, targets: Tensor) -> list[int]:
    """Rows to show: changed ones first, and among these one of each class first."""
    repeats = (targets[:, None] == targets).logical_and(changed).tril(-1).sum(1)
    order = (repeats + len(targets) * ~changed).argsort(stable=True)
    return sorted(order[:_COLUMNS].tolist(), key=lambda row: int(targets[row]))
