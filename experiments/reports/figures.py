"""Figures of a report: one function a figure, summary or records in, the bytes of a PNG file out.

Accuracies, in tagging F1 (see `experiments.reports.judged`), are drawn in per cent, their
differences in points (hundredths).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from experiments.reports.drawing import (
    GRID,
    LEARNED,
    PLAIN,
    colour,
    draw_interval,
    label_points,
    name_rows,
    new_figure,
    png,
    tidy,
)
from experiments.reports.judged import judged, score_name

Data = Mapping[str, Any]


def task_name(task: Data) -> str:
    """A task in words: "digits, cnn, 100 training examples, 400 steps"."""
    counts = f"{task['n_train']:,} training examples, {task['steps']:,} steps"
    return f"{_short(task['dataset'])}, {task['child']}, {counts}"


def budget_name(task: Data, budgets: Sequence[Data], separator: str = ", ") -> str:
    """The parts of a task in which the budgets differ: "100 examples, 1,600 steps"."""
    parts = {
        "dataset": _short(task["dataset"]),
        "child": task["child"],
        "n_train": f"{task['n_train']:,} examples",
        "steps": f"{task['steps']:,} steps",
    }
    varied = [key for key in parts if any(b["task"][key] != task[key] for b in budgets)]
    return separator.join(parts[key] for key in varied or parts)


def _short(dataset: str) -> str:
    """The last part of a hub id or a folder."""
    return dataset.rstrip("/").rpartition("/")[2]


def by_accuracy(arms: Data) -> list[str]:
    """Names of the arms, best mean accuracy first."""
    return sorted(arms, key=lambda arm: -arms[arm]["accuracy"]["mean"])


AGAINST = {
    "learned": ("Learned minus this arm (right of 0: learned is better)", LEARNED),
    "none": ("This arm minus none (right of 0: augmentation helps)", PLAIN),
}
"""What the right panel of accuracies can compare with: its title, and the colour of 0."""


def draw_accuracy(summary: Data, against: str = "learned") -> bytes:
    """Accuracy of every arm, and a paired difference, with intervals.

    Args:
        summary: `task`, `arms` and `learned_minus`.
        against: "learned", for the learned arm's difference to every arm, or "none", for every
            arm's difference to none.
    """
    score, summary = score_name(summary["task"]), judged(summary)
    arms, names = summary["arms"], by_accuracy(summary["arms"])
    differences = summary["learned_minus"] if against == "learned" else _minus_none(arms)
    seeds = max(arms[arm]["accuracy"]["n"] for arm in names)
    title = f"{task_name(summary['task'])}\ndot: mean of {seeds} seeds, bar: 95% bootstrap interval"
    figure = new_figure(11, 1.9 + 0.32 * len(names), title)
    panels = figure.subplots(1, 1 + bool(differences), sharey=True, squeeze=False)[0]
    for row, arm in enumerate(names):
        draw_interval(panels[0], row, arms[arm]["accuracy"], colour(arm), ".1f")
        if arm in differences:
            draw_interval(panels[1], row, differences[arm], colour(arm), "+.1f")
    if "none" in arms:
        panels[0].axvline(
            100 * arms["none"]["accuracy"]["mean"], color=PLAIN, linewidth=1, zorder=1
        )
    panels[0].set(title=f"{_capital(score)} of every arm", xlabel=f"test {score}, %")
    for panel in panels[1:]:
        title, shade = AGAINST[against]
        panel.axvline(0, color=shade, linewidth=1, zorder=1)
        panel.set(title=title)
        panel.set_xlabel(f"difference in test {score}, points, paired by seed")
    for panel in panels:
        panel.margins(x=0.18)
        name_rows(panel, names, ticks=7)
    return png(figure)


def draw_budgets(budgets: Sequence[Data], by: str = "budget") -> bytes:
    """Accuracy minus that of no augmentation, one panel a budget or task, one row an arm."""
    score = " or ".join(sorted({score_name(budget["task"]) for budget in budgets}, reverse=True))
    budgets = [judged(budget) for budget in budgets]
    panels = [
        (budget_name(b["task"], budgets, "\n"), {arm: _gain(b["arms"], arm) for arm in b["arms"]})
        for b in budgets
    ]
    title = f"{_capital(score)} minus that of training without augmentation, by {by}"
    return _draw_gains(panels, title)


def draw_robustness(entry: Data) -> bytes:
    """Scores on attacked and corrupted inputs minus those of no augmentation, a panel a kind."""
    title = (
        f"{task_name(entry['task'])}\ntest {score_name(entry['task'])} on clean, attacked or noisy "
        "inputs, minus that of training without augmentation"
    )
    gains = {arm: scores.get("robustness_minus_none", {}) for arm, scores in entry["arms"].items()}
    kinds = dict.fromkeys(kind for found in gains.values() for kind in found)
    panels = [
        (
            kind.replace("_", " "),
            {arm: found[kind] for arm, found in gains.items() if kind in found},
        )
        for kind in kinds
    ]
    return _draw_gains(panels, title)


def _draw_gains(gains: Sequence[tuple[str, Mapping[str, Data]]], title: str) -> bytes:
    """Differences to none, each with its interval: one panel a heading, one row an arm."""
    means = {
        arm: float(np.mean([gain[arm]["mean"] for _, gain in gains if arm in gain]))
        for arm in dict.fromkeys(arm for _, gain in gains for arm in gain)
    }
    names = sorted(means, key=lambda arm: -means[arm])
    lines = math.ceil(len(gains) / 4)
    columns = math.ceil(len(gains) / lines)
    title += (
        "\ndot: mean, bar: 95% bootstrap interval, each panel on its own scale\n"
        "blue line: no augmentation"
    )
    if "learned" in means:
        title += ", orange line: the learned policy"
    figure = new_figure(max(8, 2.2 + 2.4 * columns), 1.3 + lines * (0.9 + 0.24 * len(names)), title)
    panels = figure.subplots(lines, columns, sharey=True, squeeze=False).flat
    for panel, (heading, gain) in zip(panels, gains, strict=False):
        panel.axvline(0, color=PLAIN, linewidth=1, zorder=1)
        if "learned" in gain:
            panel.axvline(100 * gain["learned"]["mean"], color=LEARNED, linewidth=1, zorder=1)
        for row, arm in enumerate(names):
            if arm in gain:
                draw_interval(panel, row, gain[arm], colour(arm))
        panel.margins(x=0.1)
        name_rows(panel, names, ticks=6)
        panel.set(title=heading, xlabel="points over none")
    for panel in figure.axes[len(gains) :]:
        panel.set_visible(False)
    return png(figure)


def draw_magnitudes(task: Data, records: Sequence[Data], arm: str = "learned") -> bytes:
    """Magnitude of every op over the run: mean over seeds, and where four seeds in five lie."""
    runs = [record for record in records if record["arm"] == arm]
    ops = runs[0]["ops"]
    longest = max(len(run["magnitudes"]) for run in runs)
    values = np.full((len(runs), longest, len(ops)), np.nan)  # NaN after an early stop
    for index, run in enumerate(runs):
        values[index, : len(run["magnitudes"])] = run["magnitudes"]
    mean = np.nanmean(values, axis=0)  # (decisions, ops)
    low, high = np.nanpercentile(values, [10, 90], axis=0)
    edges = np.linspace(0, task["steps"], longest + 1)
    lines = math.ceil(len(ops) / 5)
    columns = math.ceil(len(ops) / lines)
    who = f"the {arm} policy" if arm == "learned" else f"the arm '{arm}'"
    title = (
        f"{task_name(task)}\nhow strongly {who} augments\n"
        f"line: mean of {len(runs)} seeds, band: the middle 80% of seeds"
    )
    figure = new_figure(max(8, 1 + 2.1 * columns), 1.5 + 1.7 * lines, title)
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for panel, op in zip(panels.flat, np.argsort(-mean.mean(axis=0)), strict=False):
        panel.stairs(high[:, op], edges, baseline=low[:, op], fill=True, color=LEARNED, alpha=0.25)
        panel.stairs(mean[:, op], edges, baseline=None, color=LEARNED, linewidth=2)
        panel.set_title(ops[op])
        tidy(panel, "y")
    for spare in range(len(ops), lines * columns):
        panels.flat[spare].set_visible(False)
        panels.flat[spare - columns].tick_params(labelbottom=True)
    top = 0.25 * math.ceil(4 * float(np.nanmax(high)) + 0.01)
    half = task["steps"] / 2
    panels[0, 0].set(ylim=(0, min(1, top)), xlim=(0, 2 * half), xticks=(0, half, 2 * half))
    panels[0, 0].xaxis.set_major_formatter("{x:,.0f}")
    figure.supxlabel("training step of the child")
    figure.supylabel("magnitude (0: off, 1: full range)")
    return png(figure)


def draw_safeguard(safeguard: Data) -> bytes:
    """What the policy gained over none in runs of so many passes, and from where on it acts."""
    figure = new_figure(8, 4.5, "what the policy gains over none, by the length of a run")
    axes, passes = figure.subplots(), safeguard["passes"]
    axes.plot(passes, safeguard["gains"], "o", color=LEARNED, markersize=5, zorder=3)
    axes.axhline(0, color=PLAIN, linewidth=1, zorder=1)
    axes.set_xscale("log", base=2)
    left, right = min(passes) / 2**0.25, max(passes) * 2**0.25
    axes.axvspan(left, max(left, min(safeguard["fewest_passes"], right)), color=GRID, zorder=0)
    axes.set_xlim(left, right)
    axes.xaxis.set_major_formatter("{x:,g}")
    tidy(axes, "both")
    axes.set(
        xlabel="passes over the training data in the whole run (shaded: left alone)",
        ylabel="gain in the search's score (0.1: a point)",
    )
    return png(figure)


def draw_cost(summary: Data, *, front: bool = False) -> bytes:
    """Accuracy against relative cost, one labelled point an arm; `front` joins the unbeaten."""
    score, summary = score_name(summary["task"]), judged(summary)
    arms = {arm: scores for arm, scores in summary["arms"].items() if "relative_cost" in scores}
    title = f"{task_name(summary['task'])}\nwhat {score} costs: the mean over seeds of every arm"
    figure = new_figure(10, 6, title)
    axes = figure.subplots()
    points = {}
    for arm, scores in arms.items():
        points[arm] = x, y = scores["relative_cost"], 100 * scores["accuracy"]["mean"]
        axes.plot([x], [y], "o", color=colour(arm), markersize=7, zorder=3)
    if front:
        line = zip(*unbeaten(points.values()), strict=True)
        axes.plot(*line, color=PLAIN, linewidth=1, linestyle="--", zorder=1)
    costs = [x for x, _ in points.values()]
    if max(costs) > 4 * min(costs):
        axes.set_xscale("log")
    axes.margins(x=0.15, y=0.1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}×")
    axes.xaxis.set_minor_formatter(
        lambda value, _: f"{value:g}×" if f"{value:.0e}"[0] in "235" else ""
    )
    tidy(axes, "both")
    axes.set(
        xlabel="training time, as a multiple of training without augmentation (left is cheaper)",
        ylabel=f"test {score}, % (up is better)",
    )
    label_points(figure, axes, points)
    return png(figure)


def unbeaten(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points (cost, score) that no other beats in both, cheapest first."""
    kept: list[tuple[float, float]] = []
    for point in sorted(points, key=lambda point: (point[0], -point[1])):
        if not kept or point[1] > kept[-1][1]:
            kept.append(point)
    return kept


def _minus_none(arms: Data) -> dict[str, Any]:
    """Every other arm's paired difference to none, where it has one."""
    rows = {arm: scores.get("minus_none") for arm, scores in arms.items() if arm != "none"}
    return {arm: difference for arm, difference in rows.items() if difference}


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _gain(arms: Data, arm: str) -> dict[str, Any]:
    """Accuracy of an arm minus that of none; without width where the summary has no interval."""
    if arms[arm].get("minus_none"):
        return dict(arms[arm]["minus_none"])
    mean = arms[arm]["accuracy"]["mean"] - arms["none"]["accuracy"]["mean"]
    return {"mean": mean, "ci95": [mean, mean]}
