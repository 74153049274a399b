"""Figures of a report: each function turns a summary or records into the bytes of a PNG file.

Scores (see `experiments.reports.summary`) are drawn in per cent, their differences in percentage
points.
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
from experiments.reports.summary import (
    budget_name,
    by_score,
    robust_score_name,
    score_name,
    score_names,
    task_name,
)

Data = Mapping[str, Any]


AGAINST = {
    "learned": ("Learned minus this arm (right of 0: learned is better)", LEARNED),
    "none": ("This arm minus none (right of 0: augmentation helps)", PLAIN),
}
"""The right panel of `draw_scores`, by what it compares with: its title and the colour of 0."""


def draw_scores(summary: Data, against: str = "learned") -> bytes:
    """Score of every arm on the left and paired differences on the right, with intervals.

    Args:
        summary: as `task_summary` returns it.
        against: "learned" shows the learned arm minus every other arm, "none" every arm minus
            none.
    """
    score, arms, names = score_name(summary), summary["arms"], by_score(summary["arms"])
    differences = summary["learned_minus_score"] if against == "learned" else _minus_none(arms)
    seeds = max(arms[arm]["score"]["n"] for arm in names)
    legend = f"mean of {seeds} seeds, bar: 95% interval" if seeds > 1 else "one seed"
    title = f"{task_name(summary['task'])}\ndot: {legend}"
    figure = new_figure(11, 1.9 + 0.32 * len(names), title)
    panels = figure.subplots(1, 1 + bool(differences), sharey=True, squeeze=False)[0]
    for row, arm in enumerate(names):
        draw_interval(panels[0], row, arms[arm]["score"], colour(arm), ".1f")
        if arm in differences:
            draw_interval(panels[1], row, differences[arm], colour(arm), "+.1f")
    if "none" in arms:
        panels[0].axvline(100 * arms["none"]["score"]["mean"], color=PLAIN, linewidth=1, zorder=1)
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
    """Score minus that of none: one panel for each budget or task, one row for each arm."""
    score = score_names(budgets)
    panels = [
        (budget_name(b["task"], budgets, "\n"), {arm: _gain(b["arms"], arm) for arm in b["arms"]})
        for b in budgets
    ]
    title = f"{_capital(score)} minus that of training without augmentation, by {by}"
    return _draw_gains(panels, title)


def draw_robustness(entry: Data) -> bytes:
    """Scores on attacked and corrupted inputs minus those of none: one panel for each kind."""
    title = (
        f"{task_name(entry['task'])}\ntest {robust_score_name(entry)} on clean, attacked or noisy "
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
    """Differences to none with intervals: one panel for each heading, one row for each arm."""
    means = {
        arm: float(np.mean([gain[arm]["mean"] for _, gain in gains if arm in gain]))
        for arm in dict.fromkeys(arm for _, gain in gains for arm in gain)
    }
    names = sorted(means, key=lambda arm: -means[arm])
    lines = math.ceil(len(gains) / 4)
    columns = math.ceil(len(gains) / lines)
    title += (
        "\ndot: mean, bar: 95% interval, each panel on its own scale\nblue line: no augmentation"
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
    """Magnitude of every op over the run: mean over seeds, and the range of the middle 80%."""
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


def draw_min_epochs(found: Data) -> bytes:
    """The policy's gain over none in single pairs of runs, and the runs that it leaves alone."""
    title = "gain of the policy over training without augmentation, by the length of the run"
    figure = new_figure(8, 4.5, title)
    axes, epochs = figure.subplots(), found["epochs"]
    axes.plot(epochs, found["gains"], "o", color=LEARNED, markersize=5, zorder=3)
    axes.axhline(0, color=PLAIN, linewidth=1, zorder=1)
    axes.set_xscale("log", base=2)
    left, right = min(epochs) / 2**0.25, max(epochs) * 2**0.25
    axes.axvspan(left, max(left, min(found["min_epochs"], right)), color=GRID, zorder=0)
    axes.set_xlim(left, right)
    axes.xaxis.set_major_formatter("{x:,g}")
    tidy(axes, "both")
    axes.set(
        xlabel="epochs in the whole run (shaded: too short, the policy does not augment)",
        ylabel="gain in the search's objective\n(0.1: one point of the score)",
    )
    return png(figure)


def draw_cost(summary: Data, *, front: bool = False) -> bytes:
    """Score against relative cost, one labelled point for each arm.

    Args:
        summary: as `task_summary` returns it.
        front: whether a dashed line joins the arms on the Pareto front.
    """
    score = score_name(summary)
    arms = {arm: scores for arm, scores in summary["arms"].items() if "relative_cost" in scores}
    title = f"{task_name(summary['task'])}\nwhat {score} costs: the mean over seeds of every arm"
    figure = new_figure(10, 6, title)
    axes = figure.subplots()
    points = {}
    for arm, scores in arms.items():
        points[arm] = x, y = scores["relative_cost"], 100 * scores["score"]["mean"]
        axes.plot([x], [y], "o", color=colour(arm), markersize=7, zorder=3)
    if front:
        line = zip(*pareto_front(points.values()), strict=True)
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


def pareto_front(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points (cost, score) to which no other is preferable in both, cheapest first."""
    kept: list[tuple[float, float]] = []
    for point in sorted(points, key=lambda point: (point[0], -point[1])):
        if not kept or point[1] > kept[-1][1]:
            kept.append(point)
    return kept


def _minus_none(arms: Data) -> dict[str, Any]:
    """Paired difference to none of every other arm that has one."""
    rows = {arm: scores.get("score_minus_none") for arm, scores in arms.items() if arm != "none"}
    return {arm: difference for arm, difference in rows.items() if difference}


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _gain(arms: Data, arm: str) -> dict[str, Any]:
    """Score of an arm minus that of none; without an interval if they share no seed."""
    if arms[arm].get("score_minus_none"):
        return dict(arms[arm]["score_minus_none"])
    mean = arms[arm]["score"]["mean"] - arms["none"]["score"]["mean"]
    return {"mean": mean, "ci95": None}
