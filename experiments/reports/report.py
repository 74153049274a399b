"""The report of a run: `summary.json`, `report.md`, its figures, and the table for a terminal."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adaptaug.evaluation.statistics import verdict
from adaptaug.utils.files import write_bytes, write_json, write_text
from experiments.reports.figures import (
    draw_accuracy,
    draw_budgets,
    draw_cost,
    draw_magnitudes,
    draw_safeguard,
    task_name,
)
from experiments.reports.judged import judged, score_name
from experiments.reports.tables import arms_rows, budget_rows, diverged, fixed_width, markdown

Data = Mapping[str, Any]

FEW_SEEDS = 10
"""Below so many seeds a bootstrap interval is noticeably too narrow, and the report says so."""

CAPTIONS = {
    "accuracy": "Left, the scores, with training without augmentation as the blue line; right, "
    "the comparison that counts: an arm whose bar lies wholly right of the orange line is beaten "
    "by the learned policy on the same seeds, and one whose bar crosses it is a tie.",
    "budgets": "In each panel, an arm left of the blue line does harm at that budget and an arm "
    "left of the orange line does less well than the learned policy; a method that is safe at any "
    "budget is nowhere left of the blue line.",
    "magnitudes": "Read off when in the run each op is used and how strongly, the most used op "
    "first: a line at 0 is an op switched off, and a wide band means that the policy reacts to "
    "what it sees of each child.",
    "safeguard": "Every dot is a pair of children with one seed, none of those that the policy is "
    "judged on: above the blue line the policy helped. Runs in the shaded part are too short for "
    "it to be of use, and left alone.",
    "cost": "Up is more accurate and left is cheaper: an arm is worth its time only if no other "
    "lies both above it and to its left (the intervals are in the first figure).",
}
"""What to read off each figure."""


def arms_table(summary: Data) -> str:
    """The table of arms as fixed-width text, best arm first.

    Args:
        summary: `arms` and `learned_minus`, of `adaptaug.evaluation.statistics.summarise`.
    """
    return "\n".join([fixed_width(arms_rows(summary)), *diverged(summary)])


def write_report(folder: Path, summary: Data, records: Sequence[Data]) -> Path:
    """Writes `summary.json`, `report.md` and a PNG file for each figure, each file atomically.

    Args:
        folder: the run folder; it exists.
        summary: `task`, `arms`, `learned_minus`, and, where there are such, `search`, `command` (a
            string), `safeguard` (as `agents.search` leaves it) and `budgets` (a list of dicts with
            `task`, `arms` and `learned_minus`).
        records: evaluation records of `task`, one for each arm and seed.

    Returns:
        The path of `report.md`.

    Raises:
        AdaptAugError: a file cannot be written.
    """
    write_json(folder / "summary.json", summary)
    figures = _draw(summary, records)
    for name, image in figures.items():
        write_bytes(folder / f"{name}.png", image)
    run = "\n".join(f"- {line}" for line in _what_was_run(summary, records))
    sections = [
        f"# AdaptAug: {task_name(summary['task'])}",
        _headline(summary),
        f"## What was run\n\n{run}",
        f"## Arms\n\n{markdown(arms_rows(summary))}\n\n{_how_to_read(summary)}",
    ]
    if summary.get("budgets"):
        note = (
            f"Test {score_name(summary['task'])} in per cent. ▼: the arm is significantly below "
            "the learned policy at that budget, ▲: above it, =: a tie."
        )
        sections.append(f"## Budgets\n\n{markdown(budget_rows(summary['budgets']))}\n\n{note}")
    sections.append("## Figures")
    sections += [f"![{name}]({name}.png)\n\n{CAPTIONS[name]}" for name in figures]
    write_text(folder / "report.md", "\n\n".join(sections) + "\n")
    return folder / "report.md"


def _draw(summary: Data, records: Sequence[Data]) -> dict[str, bytes]:
    """The figures that there is something to draw for, by name."""
    figures = {"accuracy": draw_accuracy(summary)}
    budgets = summary.get("budgets") or []
    if budgets and all("none" in budget["arms"] for budget in budgets):
        figures["budgets"] = draw_budgets(budgets)
    if any(record["arm"] == "learned" for record in records):
        figures["magnitudes"] = draw_magnitudes(summary["task"], records)
    if summary.get("safeguard"):
        figures["safeguard"] = draw_safeguard(summary["safeguard"])
    if any("relative_cost" in scores for scores in summary["arms"].values()):
        figures["cost"] = draw_cost(summary)
    return figures


def _headline(summary: Data) -> str:
    """The learned policy's accuracy, and which arms it beats, ties with and loses to."""
    summary = judged(summary)
    if not summary["learned_minus"]:
        return f"Arms: {', '.join(summary['arms'])}; the learned policy is not compared with any."
    arms: dict[str, list[str]] = {"better": [], "tie": [], "worse": []}
    for arm, difference in summary["learned_minus"].items():
        arms[verdict(difference)].append(arm)
    better, tie, worse = (", ".join(names) or "no arm" for names in arms.values())
    reached = 100 * summary["arms"]["learned"]["accuracy"]["mean"]
    score = "" if score_name(summary["task"]) == "accuracy" else " F1"
    return (
        f"The learned policy reaches {reached:.1f}%{score} on the final test split. On the same "
        f"seeds it is better than: {better}. Tied with: {tie}. Worse than: {worse}."
    )


def _what_was_run(summary: Data, records: Sequence[Data]) -> list[str]:
    """Command, task, seeds and search, as far as they are known."""
    lines = [f"command: `{summary['command']}`"] if "command" in summary else []
    lines.append("task: " + listed(summary["task"]))
    seeds = sorted({record["seed"] for record in records})
    if seeds:
        unbroken = len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1))
        span = f"{seeds[0]} to {seeds[-1]}" if unbroken else ", ".join(map(str, seeds))
        lines.append(f"seeds ({len(seeds)}): {span}")
    if summary.get("search"):
        lines.append("search: " + listed(summary["search"]))
    return lines


def _how_to_read(summary: Data) -> str:
    """What the columns mean, and a warning where there are few seeds."""
    name = score_name(summary["task"])
    f1 = "of whole entities" if summary["task"].get("modality") == "tagging" else "over classes"
    subject = "Accuracy is" if name == "accuracy" else f"F1, {f1}, is"
    note = (
        f"{subject} on the final test split. The difference, in points, is paired by seed; the "
        "learned policy is better or worse than an arm where the 95% bootstrap interval of the "
        "difference excludes 0, else it is a tie. Cost is training time as a multiple of training "
        "without augmentation."
    )
    notes = [note, *diverged(summary)]
    seeds = min(scores["accuracy"]["n"] for scores in summary["arms"].values())
    if seeds < FEW_SEEDS:
        few = f"With so few seeds ({seeds}) the intervals are narrower than they should be."
        notes.append(f"**{few}**")
    return " ".join(notes)


def listed(values: Data) -> str:
    """Names and values for a reader: "episodes 1,440, seconds 310.2"."""
    known = {key: value for key, value in values.items() if value is not None}
    return ", ".join(f"{key.replace('_', ' ')} {_text(value)}" for key, value in known.items())


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.1f}" if value >= 100 else f"{value:.4g}"
