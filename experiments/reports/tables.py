"""Tables of a report: rows of text from a summary, laid out for a terminal or for Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from adaptaug.evaluation.statistics import verdict
from experiments.reports.figures import budget_name, by_accuracy
from experiments.reports.judged import judged, score_name

Data = Mapping[str, Any]
Row = tuple[str, ...]

_AGAINST_LEARNED = {"better": " ▼", "tie": " =", "worse": " ▲"}
"""The learned policy's verdict on an arm, as a mark behind that arm's accuracy."""


def arms_rows(summary: Data) -> list[Row]:
    """Headings, then a row for each arm, best first; a cell is empty where the summary has nothing.

    Scores are in per cent, differences in points, cost as a multiple of plain training. Tagging is
    judged by F1, with the accuracy beside it.
    """
    name, summary = score_name(summary.get("task", {})), judged(summary)
    more = ("accuracy %",) if name != "accuracy" else ()
    rows: list[Row] = [
        ("arm", f"{name} %", "95% interval", "learned minus arm", "learned is", *more, "cost")
    ]
    for arm in by_accuracy(summary["arms"]):
        scores, difference = summary["arms"][arm], summary["learned_minus"].get(arm)
        row = (
            arm,
            percent(scores["accuracy"]["mean"]),
            percent_interval(scores["accuracy"]),
            difference_text(difference) if difference else "",
            verdict(difference) if difference else "",
            *(percent(scores["token_accuracy"]["mean"]) for _ in more),
            f"{scores['relative_cost']:.2f}" if "relative_cost" in scores else "",
        )
        rows.append(row)
    return rows


def diverged(summary: Data) -> list[str]:
    """Which arms had runs that diverged, as a sentence; no sentence where none did."""
    arms = summary["arms"].items()
    counts = [f"{a} {s['diverged']} of {s['accuracy']['n']}" for a, s in arms if s.get("diverged")]
    return [f"Diverged, and so scored as chance: {', '.join(counts)}."] if counts else []


def budget_rows(budgets: Sequence[Data]) -> list[Row]:
    """Headings, then a row for each arm: its score in per cent at every budget, and their mean.

    ▼ marks an arm significantly below the learned policy at that budget, ▲ one above it, = a tie.
    An arm that is missing at a budget has no mean and comes last.
    """
    budgets = [judged(budget) for budget in budgets]
    means = {}
    for arm in dict.fromkeys(arm for budget in budgets for arm in budget["arms"]):
        values = [b["arms"][arm]["accuracy"]["mean"] for b in budgets if arm in b["arms"]]
        means[arm] = sum(values) / len(values) if len(values) == len(budgets) else None
    rows: list[Row] = [("arm", *(budget_name(b["task"], budgets) for b in budgets), "mean")]
    for arm in sorted(means, key=lambda arm: -(means[arm] or 0)):
        mean = means[arm]
        cells = (_budget_cell(budget, arm) for budget in budgets)
        rows.append((arm, *cells, "" if mean is None else percent(mean)))
    return rows


def fixed_width(rows: Sequence[Row]) -> str:
    """Columns for a terminal: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells[1:]]).rstrip())
    return "\n".join(lines)


def markdown(rows: Sequence[Row]) -> str:
    """A Markdown table; the names of learned arms in bold."""
    lines = [rows[0], ("---", *("---:" for _ in rows[0][1:]))]
    lines += [(f"**{r[0]}**" if r[0].startswith("learned") else r[0], *r[1:]) for r in rows[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _budget_cell(budget: Data, arm: str) -> str:
    if arm not in budget["arms"]:
        return ""
    difference = budget["learned_minus"].get(arm)
    mark = _AGAINST_LEARNED[verdict(difference)] if difference else ""
    return percent(budget["arms"][arm]["accuracy"]["mean"]) + mark


def difference_text(difference: Data) -> str:
    """A difference in points with its interval: "+1.2 [+0.3, +2.0]"."""
    low, high = difference["ci95"]
    return f"{100 * difference['mean']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def percent_interval(score: Data) -> str:
    """A score's 95% interval in per cent: "93.2 to 95.1"."""
    return " to ".join(percent(end) for end in score["ci95"])


def percent(fraction: float) -> str:
    """A fraction in per cent, with one decimal."""
    return f"{100 * fraction:.1f}"
