"""What a task's generator makes, for a report: quality, diversity, copying, and samples to see."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from adaptaug.data import Examples, load
from adaptaug.evaluation.sample_quality import quality, train_judge
from adaptaug.generative.show import sample_grid, sample_texts
from adaptaug.ops import OpSpace
from adaptaug.tensorboard import Board
from adaptaug.training.setup import start
from adaptaug.training.task import Task
from adaptaug.utils.files import write_bytes
from experiments.common.arms import GENERATED, Setting
from experiments.common.cli import EVALUATION_SEEDS, SWEEP_SEEDS
from experiments.reports.tables import Row, markdown

MOST_WORDS = 30
"""Words shown of a sentence."""

MEANINGS = {
    "recognised": "share in which a classifier trained on real data sees the class of the label",
    "confidence": "that classifier's mean highest probability",
    "nearest_ratio": "distance to the nearest training example, over that of held-out examples; "
    "0 is copies, 1 as new as real ones",
    "copied": "share nearer to a training example than all but 1% of held-out examples",
    "diversity": "distance of two samples of a class, over that of two training examples",
    "distinct_1": "different words over all words",
    "distinct_2": "different pairs of neighbouring words over all pairs",
}
"""What each figure of quality is; `_real` is the same of real examples."""


def judge_samples(setting: Setting, folder: Path, board: Board) -> Mapping[str, Any]:
    """Trains one generator as the first seed's child would, and looks at its samples.

    Generator and judge are trained on different halves of the rows.

    Returns:
        `title`, `text` (Markdown), `quality` and `seconds`; of a generator that collapsed or
        diverged also `problem`.
    """
    title = "What the generator makes"
    name = GENERATED[setting.modality]
    ours, theirs = halves(setting.task)
    run, _ = start(ours, EVALUATION_SEEDS, OpSpace(setting.acting((name,))), setting.device)
    bank = run.op_space.banks[name]
    found: dict[str, Any] = {"title": title, "seconds": bank.seconds, "problem": bank.problem}
    made = (
        f"{len(bank.samples):,} samples in {bank.seconds:,.0f} s of training and sampling; the "
        f"generator was shown {len(run.train):,} examples"
    )
    parts = [made + (f"; **not used, since {bank.problem}**." if bank.problem else ".")]
    if len(bank.samples):
        judge = train_judge(theirs, SWEEP_SEEDS, setting.device)
        found["quality"] = quality(bank.samples, run.train, run.validation, judge, run.num_classes)
        parts.append(markdown(quality_rows(found["quality"])))
        parts.append(_shown(setting, bank.samples, run.train, folder, board))
    return found | {"text": "\n\n".join(parts)}


def halves(task: Task) -> tuple[Task, Task]:
    """The task on either half of its training rows, with fewer of them where a half is small.

    Validation examples give way only as far as both kinds then have half of the rows.
    """
    start, stop = task.rows or (0, len(load(task.dataset).train))
    middle = (start + stop) // 2
    rows = middle - start
    held_out = min(task.n_validation, max(rows // 2, rows - task.n_train))
    task = task.but(n_train=min(task.n_train, rows - held_out), n_validation=held_out)
    return task.but(rows=(start, middle)), task.but(rows=(middle, stop))


def quality_rows(values: Mapping[str, float]) -> list[Row]:
    """Headings, then a row for each figure of quality, beside that of real examples."""
    rows: list[Row] = [("figure", "samples", "real", "what it is")]
    for name, meaning in MEANINGS.items():
        if name in values:
            real = values.get(f"{name}_real")
            shown = "" if real is None else f"{real:.3f}"
            rows.append((name.replace("_", " "), f"{values[name]:.3f}", shown, meaning))
    return rows


def _shown(setting: Setting, samples: Examples, train: Examples, folder: Path, board: Board) -> str:
    """Pictures, or sentences, for the report; they go on the board too."""
    name, source = setting.name, load(setting.task.dataset)
    if setting.modality == "image":
        for kind, examples in (("samples", samples), ("real", train)):
            grid = sample_grid(examples, source.num_classes)
            board.image_samples(f"generated/{name}/{kind}", grid)
            write_bytes(folder / f"{kind}-{name}.png", _png(grid))
        return (
            f"![samples](samples-{name}.png)\n\nGenerated images, a row for each class; below, "
            f"training images.\n\n![real](real-{name}.png)"
        )
    assert source.vocabulary is not None
    texts = sample_texts(samples, source.vocabulary, source.classes)
    lines = [f"- {label}: {_cut(text)}" for label, rows in texts.items() for text in rows]
    board.text(f"generated/{name}", texts)
    return "Generated sentences by label:\n\n" + "\n".join(lines)


def _png(picture: Tensor) -> bytes:
    """A picture, uint8 (3, height, width), as the content of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(picture.permute(1, 2, 0).numpy()).save(buffer, format="png")
    return buffer.getvalue()


def _cut(text: str) -> str:
    """The first words of a sentence."""
    found = text.split()
    return " ".join(found[:MOST_WORDS]) + (" …" if len(found) > MOST_WORDS else "")
