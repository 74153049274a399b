"""The report of a comparison: every arm against training without augmentation, task by task."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adaptaug.evaluation.robustness import EPSILON, MOST_EXAMPLES, STEP, STEPS
from adaptaug.evaluation.statistics import MIN_PAIRS, correct, verdict
from adaptaug.utils.files import write_bytes, write_json, write_text
from experiments.reports.figures import (
    draw_budgets,
    draw_cost,
    draw_magnitudes,
    draw_robustness,
    draw_scores,
)
from experiments.reports.report import FEW_SEEDS_WARNING, listed
from experiments.reports.summary import (
    budget_name,
    by_score,
    robust_score_name,
    score_name,
    score_names,
    task_name,
)
from experiments.reports.tables import (
    AGAINST_NONE,
    Row,
    difference_text,
    diverged,
    fixed_width,
    markdown,
    percent,
    percent_interval,
    spent_cells,
    spent_columns,
)

Data = Mapping[str, Any]

FIXED = (
    "none", "crop", "crop and flip", "EDA", "RandAugment", "TrivialAugment", "ramp", "random",
    "best ramp", "replay",
)  # fmt: skip
"""Arms whose magnitudes are fixed in advance and not drawn, as are constant ones."""

SCORES = {
    "accuracy": "accuracy %", "f1": "F1 %", "precision": "precision %", "recall": "recall %",
}  # fmt: skip
"""Scores shown in per cent beside the task's own, with their headings."""

LOSSES = {"loss": "test loss", "validation_loss": "validation loss"}
"""Cross-entropies in nats, with their headings."""

HOW_TO_READ = (
    "Scores are means over seeds, on the final test split. *minus none* is the difference to "
    "training without augmentation in percentage points, paired by seed, with its 95% t interval. "
    "*p* is that of the paired t test, after Holm's correction over all arms and tasks of this "
    "report. *Better*, *worse* and the marks mean p ≤ 0.05; everything else is a tie, and "
    f"everything is one with fewer than {MIN_PAIRS} seeds. The intervals are not corrected, so "
    "some exclude 0 although the arm is tied. *seconds* is the processor time of one training, "
    "everything that the arm does included. *cost* divides it by the time of training without "
    "augmentation. *controller* is the share of it that observing and deciding take."
)

ROBUSTNESS = (
    "Test {score} in per cent on clean, attacked and corrupted inputs, of at most "
    f"{MOST_EXAMPLES} test examples, averaged over the levels of a corruption or noise. The marks "
    "compare with training without augmentation, corrected over all cells of this table."
)
"""Note under the robustness table."""

ATTACKS = (
    f" FGSM and PGD may change every pixel value by up to {EPSILON * 255:.0f}/255; PGD takes "
    f"{STEPS} steps of {STEP * 255:.0f}/255."
)
"""What the note adds for images."""

CAPTIONS = {
    "scores": "Left: the score of every arm; the blue line is training without augmentation. "
    "Right: every arm minus training without augmentation, paired by seed; right of the line the "
    "arm scores higher. A bar that crosses the line is a tie. Other bars may be one as well, "
    "because they are not corrected for the number of arms; p in the table is.",
    "cost": "Up is a higher score, left is less training time. The dashed line joins the arms on "
    "the Pareto front of the means; the figure above has the intervals.",
    "magnitudes": "When in the run the arm *{arm}* uses each op, and how strongly; the most used "
    "op comes first.",
    "robustness": "In each panel, an arm right of the blue line is more robust than training "
    "without augmentation. The marks in the table above say where the difference is significant.",
    "tasks": "In each panel, an arm left of the blue line scores lower than training without "
    "augmentation on that task. The marks in the table above say where the difference is "
    "significant.",
}
"""The text under each figure: how to read it."""


def main_table(entry: Data) -> str:
    """The table of a task's arms as fixed-width text, best arm first."""
    return "\n".join([fixed_width(score_rows(entry)), *diverged(entry)])


def score_rows(entry: Data) -> list[Row]:
    """Headings, then a row for each arm, best first; a cell without a value is empty."""
    name, arms = score_name(entry), entry["arms"]
    scores, losses = _columns(entry, SCORES), _columns(entry, LOSSES)
    spent = spent_columns(arms)
    rows: list[Row] = [
        ("arm", f"{name} %", "95% interval", *scores.values(), *losses.values(),
         "minus none", "p", "seconds", "cost", "controller", *spent),
    ]  # fmt: skip
    for arm in by_score(arms):
        values = arms[arm]
        row = (
            arm,
            percent(values["score"]["mean"]),
            percent_interval(values["score"]),
            *(percent(values[key]["mean"]) if values.get(key) else "" for key in scores),
            *(f"{values[key]['mean']:.3f}" if values.get(key) else "" for key in losses),
            *_against_none(arm, values),
            f"{values['seconds']['mean']:.1f}" if values.get("seconds") else "",
            f"{values['relative_cost']:.2f}" if "relative_cost" in values else "",
            f"{values['controller_share']:.1%}" if "controller_share" in values else "",
            *spent_cells(values, spent),
        )
        rows.append(row)
    return rows


def interval_rows(entry: Data) -> list[Row]:
    """Headings, then a row for each arm: the 95% intervals of the means in `score_rows`."""
    arms = entry["arms"]
    shown = _columns(entry, SCORES | {"loss": LOSSES["loss"], "seconds": "seconds"})
    rows: list[Row] = [("arm", *shown.values())]
    for arm in by_score(arms):
        cells = (_interval(arms[arm].get(key), key in SCORES) for key in shown)
        rows.append((arm, *cells))
    return rows


def learned_rows(entry: Data) -> list[Row]:
    """Headings, then a row for each arm: the learned policy minus it, and the verdict."""
    rows: list[Row] = [("arm", "learned minus arm", "learned is")]
    for arm in by_score(entry["arms"]):
        difference = entry["learned_minus_score"].get(arm)
        if difference:
            rows.append((arm, difference_text(difference), verdict(difference)))
    return rows


def robustness_rows(entry: Data) -> list[Row]:
    """Headings, then a row for each arm: its score on attacked and corrupted inputs, in per cent.

    The severities of a corruption are averaged: "noise" is the mean of "noise/1" to "noise/5".
    Scores that are no such mean have a mark against none.
    """
    found = {arm: _by_kind(scores["robustness"]) for arm, scores in entry["arms"].items()
             if scores.get("robustness")}  # fmt: skip
    if not found:
        return []
    kinds = list(dict.fromkeys(kind for means in found.values() for kind in means))
    rows: list[Row] = [("arm", *(kind.replace("_", " ") for kind in kinds))]
    for arm in by_score(entry["arms"]):
        if arm in found:
            differences = entry["arms"][arm].get("robustness_minus_none", {})
            cells = (
                percent(found[arm][kind]) + _mark(arm, differences.get(kind))
                if kind in found[arm] else ""
                for kind in kinds
            )  # fmt: skip
            rows.append((arm, *cells))
    return rows


def overview_rows(entries: Sequence[Data]) -> list[Row]:
    """Headings, then a row for each arm: its score on every task, with a mark against none."""
    arms = list(dict.fromkeys(arm for entry in entries for arm in entry["arms"]))
    rows: list[Row] = [("arm", *(budget_name(entry["task"], entries) for entry in entries))]
    return rows + [(arm, *(_overview_cell(entry, arm) for entry in entries)) for arm in arms]


def write_comparison(folder: Path, summary: Data, records: Sequence[Sequence[Data]]) -> Path:
    """Writes `summary.json`, `report.md` and the figures, each file atomically.

    Before that, it corrects `p_holm` in place over all arms and tasks.

    Args:
        folder: the run folder; it exists.
        summary: `title`, `notes`, `command`, and `tasks`: a list of what
            `experiments.common.comparison.evaluate` returns for each task.
        records: the evaluation records of each task.

    Returns:
        The path of `report.md`.

    Raises:
        AdaptAugError: a file cannot be written.
    """
    entries = summary["tasks"]
    correct(entries)
    write_json(folder / "summary.json", summary)
    notes = [f"command: `{summary['command']}`", *summary["notes"]]
    sections = [f"# AdaptAug: {summary['title']}", "\n".join(f"- {note}" for note in notes)]
    if len(entries) > 1:
        sections += [_overview(entries)]
        if all("none" in entry["arms"] for entry in entries):
            write_bytes(folder / "tasks.png", draw_budgets(entries, "task"))
            sections.append(f"![tasks](tasks.png)\n\n{CAPTIONS['tasks']}")
    sections.append(f"**How to read the tables.** {HOW_TO_READ}")
    for entry, found in zip(entries, records, strict=True):
        sections += _task_sections(folder, entry, found)
    write_text(folder / "report.md", "\n\n".join(sections) + "\n")
    return folder / "report.md"


def _overview(entries: Sequence[Data]) -> str:
    names = score_names(entries)
    note = (
        f"Test {names} in per cent. ▲: significantly better than training without augmentation, ▼: "
        "significantly worse, =: a tie. Significant is a p of the paired t test of at most 0.05 "
        "after Holm's correction over all arms and tasks."
    )
    return f"## All tasks\n\n{markdown(overview_rows(entries))}\n\n{note}"


def _task_sections(folder: Path, entry: Data, records: Sequence[Data]) -> list[str]:
    """The sections about one task."""
    sections = [
        f"## {task_name(entry['task'])}",
        _headline(entry),
        "settings: " + listed(entry["settings"]),
    ]
    if entry.get("search"):
        sections.append("search for the best constant: " + listed(_flat(entry["search"])))
    sections.append(markdown(score_rows(entry)))
    sections.append(f"95% intervals of the other scores:\n\n{markdown(interval_rows(entry))}")
    sections += [f"**{note}**" for note in entry.get("notes", [])]
    if entry["learned_minus_score"]:
        table = markdown(learned_rows(entry))
        sections.append(f"### Against the learned policy\n\n{table}")
    robust = robustness_rows(entry)
    if robust:
        note = ROBUSTNESS.format(score=robust_score_name(entry))
        note += ATTACKS if "fgsm" in robust[0] else ""
        sections.append(f"### Robustness\n\n{markdown(robust)}\n\n{note}")
    sections += [_figure(folder, *figure) for figure in _figures(entry, records)]
    for part in [entry["more"]] if "more" in entry else []:
        sections.append(f"### {part['title']}\n\n{part['text']}")
    return sections


def _figures(entry: Data, records: Sequence[Data]) -> list[tuple[str, bytes, str]]:
    """Name, content and caption of each of a task's figures."""
    name = entry["name"]
    against = "none" if "none" in entry["arms"] else "learned"
    figures = [(f"scores-{name}", draw_scores(entry, against), CAPTIONS["scores"])]
    if any("relative_cost" in scores for scores in entry["arms"].values()):
        figures.append((f"cost-{name}", draw_cost(entry, front=True), CAPTIONS["cost"]))
    if "robustness_minus_none" in entry["arms"].get("none", {}):
        figures.append((f"robustness-{name}", draw_robustness(entry), CAPTIONS["robustness"]))
    for arm in entry["arms"]:
        if varies(arm, records):
            image = draw_magnitudes(entry["task"], records, arm)
            label = re.sub(r"\W+", "-", arm)
            caption = CAPTIONS["magnitudes"].format(arm=arm)
            figures.append((f"magnitudes-{name}-{label}", image, caption))
    return figures


def varies(arm: str, records: Sequence[Data]) -> bool:
    """Whether the arm's magnitudes change during a run, other than by a fixed rule."""
    if arm in FIXED:
        return False
    rows = [row for r in records if r["arm"] == arm for row in r["magnitudes"]]
    return any(row != rows[0] for row in rows)


def _figure(folder: Path, name: str, image: bytes, caption: str) -> str:
    write_bytes(folder / f"{name}.png", image)
    return f"![{name}]({name}.png)\n\n{caption}"


def _headline(entry: Data) -> str:
    """Which arms are better than none, tied and worse; the chance level; a warning of few seeds."""
    arms: dict[str, list[str]] = {"better": [], "tie": [], "worse": []}
    for arm, scores in entry["arms"].items():
        if arm != "none" and scores.get("score_minus_none"):
            arms[verdict(scores["score_minus_none"])].append(arm)
    better, tie, worse = (", ".join(names) or "no arm" for names in arms.values())
    seeds = len(entry["seeds"])
    lines = [f"Better than none: {better}. Tied: {tie}. Worse: {worse}."]
    if score_name(entry) == "accuracy":
        lines.append(_against_chance(entry))
    lines += diverged(entry)
    if seeds < MIN_PAIRS:
        lines.append(FEW_SEEDS_WARNING.format(seeds=seeds))
    return " ".join(lines)


def _against_chance(entry: Data) -> str:
    """The accuracy of guessing, and the arms whose interval is not above it."""
    chance, lost = entry["chance"], []
    for arm, scores in entry["arms"].items():
        low, *_ = scores["accuracy"]["ci95"] or [scores["accuracy"]["mean"]]
        if low <= chance:
            lost.append(arm)
    said = f"Chance level: {percent(chance)}%"
    return f"{said}; **not above it: {', '.join(lost)}.**" if lost else f"{said}."


def _against_none(arm: str, values: Data) -> tuple[str, str]:
    """Paired difference to none, and its corrected p value; empty without a test."""
    difference = values.get("score_minus_none")
    if arm == "none" or not difference:
        return "", ""
    if difference["n"] == 1:
        return difference_text(difference), ""
    p = difference["p_holm"]
    return difference_text(difference), f"{p:.3f}" if p >= 0.001 else "<0.001"


def _columns(entry: Data, headings: Mapping[str, str]) -> dict[str, str]:
    """Those of the headings for which some arm has values, without the task's own score."""
    return {
        key: heading
        for key, heading in headings.items()
        if key != entry["metric"] and any(scores.get(key) for scores in entry["arms"].values())
    }


def _interval(score: Data | None, is_share: bool) -> str:
    if not score:
        return ""
    if is_share:
        return percent_interval(score)
    return " to ".join(f"{end:.3g}" for end in score["ci95"] or ())


def _overview_cell(entry: Data, arm: str) -> str:
    if arm not in entry["arms"]:
        return ""
    scores = entry["arms"][arm]
    return percent(scores["score"]["mean"]) + _mark(arm, scores.get("score_minus_none"))


def _mark(arm: str, difference: Data | None) -> str:
    return AGAINST_NONE[verdict(difference)] if difference and arm != "none" else ""


def _by_kind(robustness: Data) -> dict[str, float]:
    """Mean over the severities of each kind of disturbance."""
    groups: dict[str, list[float]] = {}
    for name, score in robustness.items():
        groups.setdefault(name.partition("/")[0], []).append(score["mean"])
    return {kind: sum(values) / len(values) for kind, values in groups.items()}


def _flat(search: Data) -> dict[str, Any]:
    shown = {"trainings": search["constant_trainings"], "cost_weight": search["cost_weight"]}
    return {**shown, **search["constant"]}
