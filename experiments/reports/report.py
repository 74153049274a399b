"""The report of a run: `summary.json`, `report.md`, its figures, and the table for a terminal."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adaptaug.evaluation.statistics import MIN_PAIRS, correct, verdict
from adaptaug.utils.files import write_bytes, write_json, write_text
from experiments.reports.figures import (
    draw_budgets,
    draw_cost,
    draw_magnitudes,
    draw_min_epochs,
    draw_scores,
)
from experiments.reports.summary import score_name, task_name
from experiments.reports.tables import arms_rows, budget_rows, diverged, fixed_width, markdown

Data = Mapping[str, Any]

FEW_SEEDS_WARNING = (
    "**With so few seeds ({seeds}) every difference counts as a tie: "
    f"a better or worse arm needs {MIN_PAIRS}.**"
)
"""Said of an evaluation with fewer than `MIN_PAIRS` seeds."""

CAPTIONS = {
    "scores": "Left: the score of every arm; the blue line is training without augmentation. "
    "Right: the learned policy minus each arm, paired by seed; right of the orange line the "
    "learned policy scores higher. A bar that crosses the line is a tie. Other bars may be one as "
    "well, because they are not corrected for the number of arms; the table is.",
    "budgets": "In each panel, an arm left of the blue line scores lower than training without "
    "augmentation at that budget, and an arm left of the orange line lower than the learned "
    "policy. The table above says which differences are significant.",
    "magnitudes": "When in the run the policy uses each op, and how strongly; the most used op "
    "comes first. A line at 0 is an op that is switched off. A wide band means that the policy "
    "reacts to what it observes of each child.",
    "min_epochs": "Each dot is a pair of children that share a seed, one trained with the policy "
    "and one without; none of these seeds is used in the evaluation. Above the blue line the "
    "policy helped. In runs as short as the shaded ones it does not augment.",
    "cost": "Up is a higher score, left is less training time. An arm is worth its time only if no "
    "other arm lies both above it and to its left. The first figure has the intervals.",
}
"""The text under each figure: how to read it."""


def arms_table(summary: Data) -> str:
    """The table of arms as fixed-width text, best arm first.

    Args:
        summary: as `experiments.reports.summary.task_summary` returns it.
    """
    return "\n".join([fixed_width(arms_rows(summary)), *diverged(summary)])


def write_report(folder: Path, summary: Data, records: Sequence[Data]) -> Path:
    """Writes `summary.json`, `report.md` and a PNG file for each figure, each file atomically.

    Before that, it corrects `p_holm` in place over all arms and budgets of the report.

    Args:
        folder: the run folder; it exists.
        summary: what `experiments.reports.summary.task_summary` returns, and optionally `search`,
            `command` (a string), `min_epochs` (as `agents.search` leaves it) and `budgets` (a list
            of what `task_summary` returns for each budget).
        records: evaluation records of `task`, one for each arm and seed.

    Returns:
        The path of `report.md`.

    Raises:
        AdaptAugError: a file cannot be written.
    """
    correct(summary.get("budgets") or [])
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
            f"Test {score_name(summary)} in per cent. ▼: the arm is significantly worse than the "
            "learned policy at that budget, ▲: significantly better, =: a tie. Significant is a p "
            "of at most 0.05 after Holm's correction over all arms and budgets."
        )
        sections.append(f"## Budgets\n\n{markdown(budget_rows(summary['budgets']))}\n\n{note}")
    sections.append("## Figures")
    sections += [f"![{name}]({name}.png)\n\n{CAPTIONS[name]}" for name in figures]
    write_text(folder / "report.md", "\n\n".join(sections) + "\n")
    return folder / "report.md"


def _draw(summary: Data, records: Sequence[Data]) -> dict[str, bytes]:
    """The figures for which there are data, by name."""
    figures = {"scores": draw_scores(summary)}
    budgets = summary.get("budgets") or []
    if budgets and all("none" in budget["arms"] for budget in budgets):
        figures["budgets"] = draw_budgets(budgets)
    if any(record["arm"] == "learned" for record in records):
        figures["magnitudes"] = draw_magnitudes(summary["task"], records)
    if summary.get("min_epochs"):
        figures["min_epochs"] = draw_min_epochs(summary["min_epochs"])
    if any("relative_cost" in scores for scores in summary["arms"].values()):
        figures["cost"] = draw_cost(summary)
    return figures


def _headline(summary: Data) -> str:
    """The learned policy's score, and which arms it is better than, ties with and is worse than."""
    if not summary["learned_minus_score"]:
        return f"Arms: {', '.join(summary['arms'])}. There is no learned policy among them."
    arms: dict[str, list[str]] = {"better": [], "tie": [], "worse": []}
    for arm, difference in summary["learned_minus_score"].items():
        arms[verdict(difference)].append(arm)
    better, tie, worse = (", ".join(names) or "no arm" for names in arms.values())
    reached = 100 * summary["arms"]["learned"]["score"]["mean"]
    return (
        f"The learned policy reaches {reached:.1f}% {score_name(summary)} on the final test split. "
        f"On the same seeds it is better than: {better}. Tied with: {tie}. Worse than: {worse}."
    )


def _what_was_run(summary: Data, records: Sequence[Data]) -> list[str]:
    """Command, task, seeds and search, as far as the summary has them."""
    lines = [f"command: `{summary['command']}`"] if "command" in summary else []
    lines.append("task: " + listed(summary["task"]))
    seeds = sorted({record["seed"] for record in records})
    if seeds:
        unbroken = len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1))
        span = f"{seeds[0]} to {seeds[-1]}" if unbroken else ", ".join(map(str, seeds))
        lines.append(f"seeds ({len(seeds)}): {span}")
    if summary.get("search"):
        found = summary["search"].items()
        lines.append("search: " + listed({k: v for k, v in found if not isinstance(v, Mapping)}))
    return lines


def _how_to_read(summary: Data) -> str:
    """What the columns mean, and a warning if there are few seeds."""
    name = score_name(summary)
    f1 = "of entities" if summary["task"].get("modality") == "tagging" else "mean over classes"
    subject = "Accuracy is" if name == "accuracy" else f"F1 ({f1}) is"
    note = (
        f"{subject} measured on the final test split. Differences are in percentage points, paired "
        "by seed, with their 95% t interval. The learned policy is better or worse than an arm if "
        "the p of the paired t test is at most 0.05 after Holm's correction over all arms"
        f"{' and budgets' if summary.get('budgets') else ''}; otherwise it is a tie. The intervals "
        "are not corrected. Cost is training time as a multiple of training without augmentation."
    )
    notes = [note, *diverged(summary)]
    seeds = min(scores["score"]["n"] for scores in summary["arms"].values())
    if seeds < MIN_PAIRS:
        notes.append(FEW_SEEDS_WARNING.format(seeds=seeds))
    return " ".join(notes)


def listed(values: Data) -> str:
    """Names and values as text: "episodes 1,440, seconds 310.2"."""
    known = {key: value for key, value in values.items() if value is not None}
    return ", ".join(f"{key.replace('_', ' ')} {_text(value)}" for key, value in known.items())


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.1f}" if value >= 100 else f"{value:.4g}"
