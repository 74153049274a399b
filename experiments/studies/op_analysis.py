"""What each op does to a task's data: a table, a figure and examples for the report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from adaptaug.data import PAD, Vocabulary, load
from adaptaug.data.batches import to_float
from adaptaug.evaluation.op_analysis import analyse
from adaptaug.ops import OpSpace
from adaptaug.tensorboard import Board
from adaptaug.training.setup import set_up
from adaptaug.utils.files import write_bytes
from experiments.common.cli import SWEEP_SEEDS
from experiments.common.setting import Setting
from experiments.reports.drawing import OTHER, label_points, new_figure, png, tidy
from experiments.reports.tables import Row, markdown, percent

EXAMPLES = 8
"""Images per row."""
SENTENCES = 2
"""Sentences per op."""
MOST_WORDS = 25
"""Words shown of each sentence."""

NOTE = (
    "Each op is applied alone to held-out examples, and a child that was trained without "
    "augmentation classifies them. *diversity* is the distance between two augmented views of one "
    "example in that child's features, divided by the distance between two different examples (0: "
    "no change, 1: as far apart as different examples). *label kept* is the child's accuracy on "
    "augmented views; below its accuracy on *clean* examples, the op makes labels harder to "
    "recognise. *cost* is the op's time divided by that of a training step without augmentation; "
    "fused ops share theirs."
)


def analyse_ops(setting: Setting, folder: Path, board: Board) -> Mapping[str, Any]:
    """Diversity, quality and cost of every op, with examples; see `evaluation.op_analysis`.

    Returns:
        `title`, `text` (Markdown) and the `rows` of the analysis.
    """
    rows = analyse(setting.task, setting.ops, seed=SWEEP_SEEDS, device=setting.device)
    name = setting.name
    write_bytes(folder / f"ops-{name}.png", draw_ops(rows))
    parts = [markdown(op_rows(rows)), NOTE, f"![ops](ops-{name}.png)"]
    if setting.modality == "image":
        write_bytes(folder / f"examples-{name}.png", _pictures(setting, board))
        parts.append(
            f"![examples](examples-{name}.png)\n\nThe first row shows the original images, each "
            "other row one op at its hand-set magnitude, or at 0.5 if that is 0."
        )
    else:
        parts.append(_sentences(setting))
    return {"title": "What the ops do to the data", "text": "\n\n".join(parts), "rows": rows}


def op_rows(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Headings, then a row for each op and magnitude."""
    table: list[Row] = [("op", "magnitude", "diversity", "label kept %", "clean %", "cost")]
    return table + [
        (
            row["op"], f"{row['magnitude']:g}", f"{row['diversity']:.2f}",
            percent(row["label_preservation"]), percent(row["accuracy"]), f"{row['cost']:.2f}",
        )
        for row in rows
    ]  # fmt: skip


def draw_ops(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Label preservation against diversity, a line for each op from magnitude 0 to 1."""
    title = "diversity and label preservation of every op"
    figure = new_figure(10, 6, f"{title}\neach line runs from magnitude 0 to 1")
    axes = figure.subplots()
    ends = {}
    for op in dict.fromkeys(row["op"] for row in rows):
        own = [row for row in rows if row["op"] == op]
        x = [0.0, *(row["diversity"] for row in own)]
        y = [100 * own[0]["accuracy"], *(100 * row["label_preservation"] for row in own)]
        axes.plot(x, y, "o-", color=OTHER, markersize=4, linewidth=1)
        ends[op] = (x[-1], y[-1])
    axes.set(
        xlabel="diversity: distance of two views (0: no change, 1: two different examples)",
        ylabel="accuracy on augmented views, %",
    )
    axes.margins(x=0.15, y=0.1)
    tidy(axes, "both")
    label_points(figure, axes, ends)
    return png(figure)


def _views(setting: Setting, count: int) -> tuple[Tensor, dict[str, Tensor]]:
    """The first training examples of a run, and each op's view of them."""
    run, _ = set_up(setting.task, SWEEP_SEEDS, OpSpace(setting.ops))
    inputs, targets = to_float(run.train.inputs[:count]), run.train.targets[:count]
    views = {}
    for name, magnitude in zip(setting.ops, setting.magnitudes, strict=True):
        alone = [(magnitude or 0.5) * (name == other) for other in setting.ops]
        generator = torch.Generator().manual_seed(SWEEP_SEEDS)
        views[name] = run.op_space.apply(inputs, targets, alone, generator, run.num_classes)[0]
    return inputs, views


def _pictures(setting: Setting, board: Board) -> bytes:
    """A row of original images, then a row for each op."""
    images, views = _views(setting, EXAMPLES)
    rows = {"original": images} | views
    figure = new_figure(EXAMPLES, 0.9 * len(rows), "examples")
    panels = figure.subplots(len(rows), EXAMPLES, squeeze=False)
    for line, (name, row) in zip(panels, rows.items(), strict=True):
        for panel, image in zip(line, row, strict=False):
            panel.imshow(image.permute(1, 2, 0).squeeze(-1).numpy(), cmap="gray", vmin=0, vmax=1)
        for panel in line:
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_visible(False)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    for number, view in enumerate(views.values()):
        board.image_grid(images, view, number)
    return png(figure)


def _sentences(setting: Setting) -> str:
    """Sentences as lists: the original first, then one line for each op."""
    vocabulary = load(setting.task.dataset).vocabulary
    assert vocabulary is not None
    ids, views = _views(setting, SENTENCES)
    lines = ["Examples, with each op at its hand-set magnitude, or at 0.5 if that is 0:"]
    for index in range(len(ids)):
        shown = {"original": ids[index]} | {name: view[index] for name, view in views.items()}
        lines.append(
            "\n".join(f"- {name}: {words(row, vocabulary)}" for name, row in shown.items())
        )
    return "\n\n".join(lines)


def words(ids: Tensor, vocabulary: Vocabulary) -> str:
    """A row of ids as words, cut after `MOST_WORDS`."""
    kept = [int(number) for number in ids if number != PAD]
    text = " ".join(vocabulary.words[number] for number in kept[:MOST_WORDS])
    return text + (" …" if len(kept) > MOST_WORDS else "")
