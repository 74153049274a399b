"""Trains the first batches of every child of a comparison and checks that the loss falls."""

import time
from collections.abc import Mapping
from typing import Any

from adaptaug.ops import OpSpace
from adaptaug.training.episode import Episode
from adaptaug.utils.files import new_run_folder, write_json, write_text
from adaptaug.utils.seeding import one_thread
from experiments.common.arms import entrants
from experiments.common.cli import EVALUATION_SEEDS, check_counts, command, run_path
from experiments.common.comparison import Comparison
from experiments.common.setting import Entrant
from experiments.reports.summary import described
from experiments.reports.tables import Row, fixed_width, markdown

PARTS = 5
"""Number of parts that the batches are divided into; mean losses of parts are compared."""


def run_first_batches(comparison: Comparison, name: str, options: object, batches: int) -> int:
    """Trains the first batches of one child for each task and arm; writes runs/NAME.

    Returns:
        The exit code: 1 if a loss does not fall.

    Raises:
        AdaptAugError: a user's mistake, found before anything is written.
    """
    check_counts(2, first_batches=batches)  # two losses are needed to compare
    settings = comparison.settings()
    folder = new_run_folder(run_path(name))
    write_json(folder / "config.json", options)
    rows = []
    for setting in settings:
        for entrant in entrants(comparison.arms, setting):
            rows.append(start_of(entrant, batches, comparison.device))
            write_json(folder / "summary.json", {"command": command(), "first_batches": rows})
            print(fixed_width(table(rows[-1:])[1:]), flush=True)
    note = (
        f"Mean training loss, in nats, over the first and the last {1 / PARTS:.0%} of the first "
        f"{batches} batches. Learning-rate schedule and data are those of the whole run."
    )
    text = f"# AdaptAug: {comparison.title}, first batches\n\n{note}\n\n{markdown(table(rows))}\n"
    write_text(folder / "report.md", text)
    print(f"\nreport: {folder / 'report.md'}")
    return 0 if all(row["falls"] for row in rows) else 1


@one_thread()
def start_of(entrant: Entrant, batches: int, device: str) -> dict[str, Any]:
    """Trains the first batches of one child, with the learning-rate schedule of the whole run."""
    task, controller = entrant.task, entrant.arm.controller
    batches = min(batches, task.steps)
    interval = max(1, batches // PARTS)
    episode = Episode(
        task.but(decision_interval=interval), EVALUATION_SEEDS, OpSpace(entrant.arm.ops),
        entrant.costs, device,
    )  # fmt: skip
    controller.reset(EVALUATION_SEEDS)
    losses: list[float] = []
    started = time.perf_counter()
    for _ in episode.play(controller):
        assert episode.batches is not None
        losses.append(episode.batches.loss)
        if episode.run.step >= batches:
            break
    seconds = time.perf_counter() - started
    return {
        "task": described(task), "arm": entrant.arm.name, "batches": episode.run.step,
        "losses": losses, "falls": losses[-1] < losses[0],
        "seconds_per_batch": seconds / episode.run.step,
    }  # fmt: skip


def table(rows: list[dict[str, Any]]) -> list[Row]:
    """Headings, then a row for each child and arm."""
    headings = (
        "data set, child, arm",
        "batches",
        "first loss",
        "last loss",
        "falls",
        "s per batch",
    )
    return [headings, *(_row(row) for row in rows)]


def _row(row: Mapping[str, Any]) -> Row:
    task = row["task"]
    name = f"{task['dataset'].rstrip('/').rpartition('/')[2]}, {task['child']}, {row['arm']}"
    first, last = row["losses"][0], row["losses"][-1]
    falls = "yes" if row["falls"] else "no"
    return name, str(row["batches"]), f"{first:.3f}", f"{last:.3f}", falls, (
        f"{row['seconds_per_batch']:.3f}"
    )  # fmt: skip
