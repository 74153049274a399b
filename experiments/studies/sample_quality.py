"""Samples of a task's generator for the report: quality, diversity, copies, and examples."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from adaptaug.data import Examples, load
from adaptaug.evaluation.sample_quality import quality, train_classifier
from adaptaug.generative.show import sample_grid, sample_texts
from adaptaug.ops import OpSpace
from adaptaug.tensorboard import Board
from adaptaug.training.setup import set_up
from adaptaug.training.task import Task
from adaptaug.utils.files import write_bytes
from experiments.common.arms import GENERATED
from experiments.common.cli import EVALUATION_SEEDS, SWEEP_SEEDS
from experiments.common.setting import Setting
from experiments.reports.tables import Row, markdown

MOST_WORDS = 30
"""Words shown of each sentence."""

MEANINGS = {
    "recognised": "fraction whose label a classifier trained on real data predicts",
    "confidence": "mean of that classifier's highest probability",
    "nearest_ratio": "distance to the nearest training example, divided by that of held-out "
    "examples (0: copies, 1: as far as real ones)",
    "copied": "fraction nearer to a training example than all but 1% of held-out examples",
    "diversity": "distance of two samples of a class, divided by that of two training examples",
    "distinct_1": "number of different words, divided by that of all words",
    "distinct_2": "number of different pairs of neighbouring words, divided by that of all pairs",
}
"""Explanation of each quality metric; `_real` is the same of real examples."""


def evaluate_samples(setting: Setting, folder: Path, board: Board) -> Mapping[str, Any]:
    """Trains one generator and evaluates its samples.

    The generator and the classifier that recognises its samples are trained on different halves of
    the training rows.

    Returns:
        `title`, `text` (Markdown), `quality`, `seconds`, and `problem`: why the samples are not
        used, if the generator collapsed or diverged, else empty.
    """
    title = "What the generator makes"
    name = GENERATED[setting.modality]
    ours, theirs = halves(setting.task)
    run, _ = set_up(ours, EVALUATION_SEEDS, OpSpace(setting.acting((name,))), setting.device)
    bank = run.op_space.banks[name]
    found: dict[str, Any] = {"title": title, "seconds": bank.seconds, "problem": bank.problem}
    made = (
        f"{len(bank.samples):,} samples after {bank.seconds:,.0f} s of training and sampling; the "
        f"generator was trained on {len(run.train):,} examples"
    )
    parts = [made + (f"; **they are not used, since {bank.problem}**." if bank.problem else ".")]
    if len(bank.samples):
        classifier = train_classifier(theirs, SWEEP_SEEDS, setting.device)
        found["quality"] = quality(
            bank.samples, run.train, run.validation, classifier, run.num_classes
        )
        parts.append(markdown(quality_rows(found["quality"])))
        parts.append(_shown(setting, bank.samples, run.train, folder, board))
    return found | {"text": "\n\n".join(parts)}


def halves(task: Task) -> tuple[Task, Task]:
    """The task on each half of its training rows.

    If a half is too small for the task, it first has fewer validation examples, down to half of its
    rows, and then fewer training examples.
    """
    start, stop = task.rows or (0, len(load(task.dataset).train))
    middle = (start + stop) // 2
    rows = middle - start
    held_out = min(task.n_validation, max(rows // 2, rows - task.n_train))
    task = task.but(n_train=min(task.n_train, rows - held_out), n_validation=held_out)
    return task.but(rows=(start, middle)), task.but(rows=(middle, stop))


def quality_rows(values: Mapping[str, float]) -> list[Row]:
    """Headings, then a row for each quality metric, of samples and of real examples."""
    rows: list[Row] = [("metric", "samples", "real", "meaning")]
    for name, meaning in MEANINGS.items():
        if name in values:
            real = values.get(f"{name}_real")
            shown = "" if real is None else f"{real:.3f}"
            rows.append((name.replace("_", " "), f"{values[name]:.3f}", shown, meaning))
    return rows


def _shown(setting: Setting, samples: Examples, train: Examples, folder: Path, board: Board) -> str:
    """Images or sentences as Markdown for the report; also written to TensorBoard."""
    name, source = setting.name, load(setting.task.dataset)
    if setting.modality == "image":
        for kind, examples in (("samples", samples), ("real", train)):
            grid = sample_grid(examples, source.num_classes)
            board.image_samples(f"generated/{name}/{kind}", grid)
            write_bytes(folder / f"{kind}-{name}.png", _png(grid))
        return (
            f"![samples](samples-{name}.png)\n\nGenerated images, one row per class. "
            f"Training images:\n\n![real](real-{name}.png)"
        )
    assert source.vocabulary is not None
    texts = sample_texts(samples, source.vocabulary, source.classes)
    lines = [f"- {label}: {_cut(text)}" for label, rows in texts.items() for text in rows]
    board.text(f"generated/{name}", texts)
    return "Generated sentences by label:\n\n" + "\n".join(lines)


def _png(picture: Tensor) -> bytes:
    """An image, uint8 (3, height, width), as the content of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(picture.permute(1, 2, 0).numpy()).save(buffer, format="png")
    return buffer.getvalue()


def _cut(text: str) -> str:
    """The first `MOST_WORDS` words of a sentence."""
    found = text.split()
    return " ".join(found[:MOST_WORDS]) + (" …" if len(found) > MOST_WORDS else "")
