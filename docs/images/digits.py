"""Draws docs/images/digits.png, the picture of the README; README.md beside it has the commands."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from experiments.reports.drawing import LEARNED, PLAIN, new_figure, png, tidy

SHOWN = ((100, 100), (100, 400), (100, 1600))
"""Budgets (images, steps) whose magnitudes are shown."""
OPS = {
    "noise": "#0072b2", "shear": "#d55e00", "rotate": "#009e73", "mixup": "#cc79a7",
    "translate": "#e69f00", "contrast": "#56b4e9",
}  # fmt: skip
"""Ops that are drawn, with colours of Okabe and Ito; the others stay lower or off."""
ARMS = {"learned": LEARNED, "crop": "#4d5a66", "constant": "#a5adb5"}
"""Arms that are compared with none, with their colours."""

Data = Mapping[str, Any]


def draw(entries: Sequence[Data], records: Sequence[Data]) -> bytes:
    """Magnitudes over a run at three budgets, and accuracy less that of none at all budgets.

    Args:
        entries: of a comparison's summary, one a task: `task` and `arms`.
        records: of the same comparison, one a training.

    Returns:
        The content of a PNG file.
    """
    figure = new_figure(12, 4.3, "")
    left, right = figure.subfigures(1, 2, width_ratios=(1.15, 1))
    left.suptitle("How strongly the policy augments", fontsize=11)
    panels = left.subplots(1, len(SHOWN), sharey=True)
    for panel, budget in zip(panels, SHOWN, strict=True):
        _magnitudes(panel, [r for r in records if (r["n_train"], r["steps"]) == budget])
        panel.set_title(f"{budget[0]} images, {budget[1]:,} steps", fontsize=9)
    panels[0].set_ylabel("magnitude (0: off, 1: full range)")
    panels[1].set_xlabel("training step")
    left.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=6,
                frameon=False, fontsize=8.5)  # fmt: skip
    seeds = max(entry["arms"]["learned"]["accuracy"]["n"] for entry in entries)
    right.suptitle("Test accuracy less that without augmentation", fontsize=11)
    axes = right.subplots()
    _gains(axes, entries)
    axes.set_xlabel(f"points: mean and 95% interval, {seeds} seeds")
    right.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3,
                 frameon=False, fontsize=8.5)  # fmt: skip
    return png(figure)


def _magnitudes(axes: Axes, records: Sequence[Data]) -> None:
    """The mean over seeds of every op's magnitude."""
    runs = [record for record in records if record["arm"] == "learned"]
    mean = np.mean([run["magnitudes"] for run in runs], axis=0)  # (decisions, ops)
    edges = np.linspace(0, runs[0]["steps"], len(mean) + 1)
    for op, shade in OPS.items():
        values = mean[:, runs[0]["ops"].index(op)]
        axes.stairs(values, edges, baseline=None, color=shade, linewidth=2, label=op)
    axes.set(xticks=edges[[0, -1]], ylim=(0, 0.85))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    tidy(axes, "y")


def _gains(axes: Axes, entries: Sequence[Data]) -> None:
    """One row a budget: every arm's paired difference to none."""
    axes.axvline(0, color=PLAIN, linewidth=1.5, zorder=1)
    for number, (arm, shade) in enumerate(ARMS.items()):
        rows = np.arange(len(entries)) + 0.22 * (number - 1)
        gains = [entry["arms"][arm]["minus_none"] for entry in entries]
        if all(gain["ci95"] for gain in gains):  # one seed has no interval
            low, high = 100 * np.transpose([gain["ci95"] for gain in gains])
            axes.hlines(rows, low, high, color=shade, linewidth=2, zorder=2)
        means = [100 * gain["mean"] for gain in gains]
        label = {"constant": "hand-set constant"}.get(arm, arm)
        axes.plot(means, rows, "o", color=shade, markersize=5, zorder=3, label=label)
    names = [f"{e['task']['n_train']} images, {e['task']['steps']:,} steps" for e in entries]
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    tidy(axes, "x")


if __name__ == "__main__":
    run, target = (Path(argument) for argument in sys.argv[1:])
    summary, records = (
        json.loads((run / name).read_text("utf-8")) for name in ("summary.json", "records.json")
    )
    target.write_bytes(draw(summary["tasks"], records))
