"""The report of a comparison: every arm against no augmentation, task by task."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adaptaug.evaluation.robustness import EPSILON, MOST_EXAMPLES, STEP, STEPS
from adaptaug.evaluation.statistics import verdict
from adaptaug.training.task import Task
from adaptaug.utils.files import write_bytes, write_json, write_text
from experiments.reports.figures import (
    budget_name,
    by_accuracy,
    draw_accuracy,
    draw_budgets,
    draw_cost,
    draw_magnitudes,
    draw_robustness,
    task_name,
)
from experiments.reports.judged import judged, score_name
from experiments.reports.report import FEW_SEEDS, listed
from experiments.reports.tables import (
    Row,
    difference_text,
    diverged,
    fixed_width,
    markdown,
    percent,
    percent_interval,
)

Data = Mapping[str, Any]

FIXED = ("none", "crop and flip", "EDA", "RandAugment", "TrivialAugment", "ramp", "random")
"""Arms whose magnitudes over the run nobody needs to see; nor those of constants."""

AGAINST_NONE = {"better": " ▲", "tie": " =", "worse": " ▼"}
"""An arm's verdict against training without augmentation, as a mark behind its score."""

SCORES = {
    "token_accuracy": "accuracy %", "f1": "F1 %", "precision": "precision %", "recall": "recall %",
}  # fmt: skip
"""Scores in per cent beside the one that the task is judged by, with their headings."""

LOSSES = {"loss": "test loss", "validation_loss": "validation loss"}
"""Losses in nats, with their headings."""

HOW_TO_READ = (
    "Scores are means over seeds, on the final test split; *minus none* is the difference to "
    "training without augmentation in points, paired by seed, with its 95% bootstrap interval, and "
    "*p* is Wilcoxon's, corrected over the arms after Holm. *Better*, *worse* and the marks go by "
    "the intervals, which are not corrected: of many arms one may stand out by luck, so look at p "
    "too. *Seconds* are of processor time for a training, *cost* is that as a multiple of training "
    "without augmentation, all that the arm does included; *controller* is the share of the "
    "training time that observing and deciding take."
)

ROBUSTNESS = (
    "Test accuracy, in tagging F1, in per cent on clean, attacked and corrupted inputs, of at most "
    f"{MOST_EXAMPLES} test examples; marks against training without augmentation as above, "
    "and a kind of corruption or noise is averaged over its levels."
)
"""What the robustness table shows."""

ATTACKS = (
    f" FGSM and PGD may move every value of an image by {EPSILON * 255:.0f}/255, PGD in {STEPS} "
    f"steps of {STEP * 255:.0f}/255."
)
"""What it shows of images."""

CAPTIONS = {
    "accuracy": "Left, the scores, training without augmentation as the blue line; right, the "
    "paired difference to it: an arm whose bar lies wholly right of the line helps, one whose bar "
    "crosses it is a tie.",
    "cost": "Up is more accurate, left is cheaper; the line joins the arms that no other beats in "
    "both (means: the intervals are in the figure before).",
    "magnitudes": "When in the run {arm} uses each op and how strongly, the most used op first.",
    "robustness": "In each panel, an arm right of the blue line is more robust than training "
    "without augmentation, one whose bar crosses it is a tie.",
    "tasks": "In each panel, an arm left of the blue line does harm on that task.",
}
"""What to read off each figure."""


def slugs(tasks: Sequence[Task]) -> list[str]:
    """Short names of tasks for files and charts: "digits-cnn-100x400", the next one "...-2"."""
    seen: Counter[str] = Counter()
    names = []
    for task in tasks:
        dataset = task.dataset.rstrip("/").rpartition("/")[2]
        name = f"{dataset}-{task.child}-{task.n_train}x{task.steps}"
        name = re.sub(r"[^\w.]+", "-", name)
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return names


def main_table(entry: Data) -> str:
    """The table of a task's arms for a terminal."""
    return "\n".join([fixed_width(score_rows(entry)), *diverged(entry)])


def score_rows(entry: Data) -> list[Row]:
    """Headings, then a row for each arm, best first; a cell is empty where there is no number."""
    name, arms = score_name(entry["task"]), judged(entry)["arms"]
    scores, losses = _columns(entry, SCORES), _columns(entry, LOSSES)
    rows: list[Row] = [
        ("arm", f"{name} %", "95% interval", *scores.values(), *losses.values(),
         "minus none", "p", "seconds", "cost", "controller"),
    ]  # fmt: skip
    for arm in by_accuracy(arms):
        values = arms[arm]
        row = (
            arm,
            percent(values["accuracy"]["mean"]),
            percent_interval(values["accuracy"]),
            *(percent(values[key]["mean"]) if values.get(key) else "" for key in scores),
            *(f"{values[key]['mean']:.3f}" if values.get(key) else "" for key in losses),
            *_against_none(arm, values),
            f"{values['seconds']['mean']:.1f}" if values.get("seconds") else "",
            f"{values['relative_cost']:.2f}" if "relative_cost" in values else "",
            f"{values['controller_share']:.1%}" if "controller_share" in values else "",
        )
        rows.append(row)
    return rows


def interval_rows(entry: Data) -> list[Row]:
    """Headings, then a row for each arm: 95% intervals of what `score_rows` gives means of."""
    arms = judged(entry)["arms"]
    shown = _columns(entry, SCORES | {"loss": LOSSES["loss"], "seconds": "seconds"})
    rows: list[Row] = [("arm", *shown.values())]
    for arm in by_accuracy(arms):
        cells = (_interval(arms[arm].get(key), key in SCORES) for key in shown)
        rows.append((arm, *cells))
    return rows


def learned_rows(entry: Data) -> list[Row]:
    """Headings, then for each arm the learned policy minus it, with the verdict."""
    shown = judged(entry)
    rows: list[Row] = [("arm", "learned minus arm", "learned is")]
    for arm in by_accuracy(shown["arms"]):
        difference = shown["learned_minus"].get(arm)
        if difference:
            rows.append((arm, difference_text(difference), verdict(difference)))
    return rows


def robustness_rows(entry: Data) -> list[Row]:
    """Headings, then a row for each arm: its score on attacked and corrupted inputs, per cent.

    A corruption's severities are averaged, as in "noise" for "noise/1" to "noise/5"; scores that
    are no part of another one are marked against none.
    """
    entry = judged(entry)
    found = {arm: _by_kind(scores["robustness"]) for arm, scores in entry["arms"].items()
             if scores.get("robustness")}  # fmt: skip
    if not found:
        return []
    kinds = list(dict.fromkeys(kind for means in found.values() for kind in means))
    rows: list[Row] = [("arm", *(kind.replace("_", " ") for kind in kinds))]
    for arm in by_accuracy(entry["arms"]):
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
    """Headings, then a row for each arm: its score on every task, marked against none."""
    entries = [judged(entry) for entry in entries]
    arms = list(dict.fromkeys(arm for entry in entries for arm in entry["arms"]))
    rows: list[Row] = [("arm", *(budget_name(entry["task"], entries) for entry in entries))]
    return rows + [(arm, *(_overview_cell(entry, arm) for entry in entries)) for arm in arms]


def write_comparison(folder: Path, summary: Data, records: Sequence[Sequence[Data]]) -> Path:
    """Writes `summary.json`, `report.md` and the figures, each file atomically.

    Args:
        folder: the run folder; it exists.
        summary: `title`, `notes`, `command`, and `tasks`: for each task what `judge` returns.
        records: for each task its evaluation records.

    Returns:
        The path of `report.md`.

    Raises:
        AdaptAugError: a file cannot be written.
    """
    write_json(folder / "summary.json", summary)
    entries = summary["tasks"]
    notes = [f"command: `{summary['command']}`", *summary["notes"]]
    sections = [f"# AdaptAug: {summary['title']}", "\n".join(f"- {note}" for note in notes)]
    if len(entries) > 1:
        sections += [_overview(entries)]
        if all("none" in entry["arms"] for entry in entries):
            write_bytes(folder / "tasks.png", draw_budgets(entries, "task"))
            sections.append(f"![tasks](tasks.png)\n\n{CAPTIONS['tasks']}")
    sections.append(f"How to read the tables. {HOW_TO_READ}")
    for entry, found in zip(entries, records, strict=True):
        sections += _task_sections(folder, entry, found)
    write_text(folder / "report.md", "\n\n".join(sections) + "\n")
    return folder / "report.md"


def _overview(entries: Sequence[Data]) -> str:
    note = (
        "Test accuracy, in tagging F1, in per cent. ▲: the arm's paired 95% interval lies above "
        "training without augmentation, ▼: below it, =: a tie."
    )
    return f"## All tasks\n\n{markdown(overview_rows(entries))}\n\n{note}"


def _task_sections(folder: Path, entry: Data, records: Sequence[Data]) -> list[str]:
    """Everything about one task."""
    sections = [
        f"## {task_name(entry['task'])}",
        _headline(entry),
        "settings: " + listed(entry["settings"]),
    ]
    if entry.get("search"):
        sections.append("search of the best constant: " + listed(_flat(entry["search"])))
    sections.append(markdown(score_rows(entry)))
    sections.append(f"95% intervals of the rest:\n\n{markdown(interval_rows(entry))}")
    sections += [f"**{note}**" for note in entry.get("notes", [])]
    if entry["learned_minus"]:
        table = markdown(learned_rows(entry))
        sections.append(f"### Against the learned policy\n\n{table}")
    robust = robustness_rows(entry)
    if robust:
        note = ROBUSTNESS + (ATTACKS if "fgsm" in robust[0] else "")
        sections.append(f"### Robustness\n\n{markdown(robust)}\n\n{note}")
    sections += [_figure(folder, *figure) for figure in _figures(entry, records)]
    for part in [entry["more"]] if "more" in entry else []:
        sections.append(f"### {part['title']}\n\n{part['text']}")
    return sections


def _figures(entry: Data, records: Sequence[Data]) -> list[tuple[str, bytes, str]]:
    """Name, content and caption of each of a task's figures."""
    name = entry["name"]
    against = "none" if "none" in entry["arms"] else "learned"
    figures = [(f"accuracy-{name}", draw_accuracy(entry, against), CAPTIONS["accuracy"])]
    if any("relative_cost" in scores for scores in entry["arms"].values()):
        figures.append((f"cost-{name}", draw_cost(entry, front=True), CAPTIONS["cost"]))
    if "robustness_minus_none" in entry["arms"].get("none", {}):
        figures.append((f"robustness-{name}", draw_robustness(entry), CAPTIONS["robustness"]))
    for arm in entry["arms"]:
        if adapts(arm, records):
            image = draw_magnitudes(entry["task"], records, arm)
            label = re.sub(r"\W+", "-", arm)
            figures.append((f"magnitudes-{name}-{label}", image, _caption(arm)))
    return figures


def adapts(arm: str, records: Sequence[Data]) -> bool:
    """Whether the arm's magnitudes differ between decisions, beyond a fixed rule's."""
    if arm in FIXED:
        return False
    rows = [row for r in records if r["arm"] == arm for row in r["magnitudes"]]
    return any(row != rows[0] for row in rows)


def _caption(arm: str) -> str:
    return CAPTIONS["magnitudes"].format(arm=f"the arm *{arm}*")


def _figure(folder: Path, name: str, image: bytes, caption: str) -> str:
    write_bytes(folder / f"{name}.png", image)
    return f"![{name}]({name}.png)\n\n{caption}"


def _headline(entry: Data) -> str:
    """Which arms beat, tie with and fall below none, the chance level, and how many seeds."""
    shown = judged(entry)
    arms: dict[str, list[str]] = {"better": [], "tie": [], "worse": []}
    for arm, scores in shown["arms"].items():
        if arm != "none" and scores.get("minus_none"):
            arms[verdict(scores["minus_none"])].append(arm)
    better, tie, worse = (", ".join(names) or "no arm" for names in arms.values())
    seeds = len(entry["seeds"])
    lines = [f"Better than none: {better}. Tied: {tie}. Worse: {worse}."]
    if score_name(entry["task"]) == "accuracy":
        lines.append(_against_chance(entry))
    lines += diverged(entry)
    if seeds < FEW_SEEDS:
        lines.append(f"**With so few seeds ({seeds}) the intervals are narrower than they should "
                     "be.**")  # fmt: skip
    return " ".join(lines)


def _against_chance(entry: Data) -> str:
    """Guessing among the classes, and who does no better."""
    chance = entry["chance"]
    lost = [arm for arm, s in entry["arms"].items() if s["accuracy"]["ci95"][0] <= chance]
    said = f"Chance is {percent(chance)}%"
    return f"{said}; **no better than that: {', '.join(lost)}.**" if lost else f"{said}."


def _against_none(arm: str, values: Data) -> tuple[str, str]:
    """Paired difference to none, and its corrected p-value."""
    difference = values.get("minus_none")
    if arm == "none" or not difference:
        return "", ""
    return difference_text(difference), f"{difference.get('p_holm', difference['p']):.3f}"


def _columns(entry: Data, headings: Mapping[str, str]) -> dict[str, str]:
    """What of these an arm has, without the score that the task is judged by."""
    arms, main = judged(entry)["arms"], f"{score_name(entry['task'])} %"
    return {
        key: heading
        for key, heading in headings.items()
        if heading != main and any(scores.get(key) for scores in arms.values())
    }


def _interval(score: Data | None, is_share: bool) -> str:
    if not score:
        return ""
    if is_share:
        return percent_interval(score)
    low, high = score["ci95"]
    return f"{low:.3g} to {high:.3g}"


def _overview_cell(entry: Data, arm: str) -> str:
    if arm not in entry["arms"]:
        return ""
    scores = entry["arms"][arm]
    return percent(scores["accuracy"]["mean"]) + _mark(arm, scores.get("minus_none"))


def _mark(arm: str, difference: Data | None) -> str:
    return AGAINST_NONE[verdict(difference)] if difference and arm != "none" else ""


def _by_kind(robustness: Data) -> dict[str, float]:
    """Mean over the severities of each kind."""
    groups: dict[str, list[float]] = {}
    for name, score in robustness.items():
        groups.setdefault(name.partition("/")[0], []).append(score["mean"])
    return {kind: sum(values) / len(values) for kind, values in groups.items()}


def _flat(search: Data) -> dict[str, Any]:
    shown = {"trainings": search["constant_trainings"], "cost_weight": search["cost_weight"]}
    return {**shown, **search["constant"]}
