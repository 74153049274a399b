"""Tables of a report: rows of text, laid out for a terminal or as Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from adaptaug.evaluation.statistics import verdict
from experiments.reports.summary import budget_name, by_score, score_name

Data = Mapping[str, Any]
Row = tuple[str, ...]

AGAINST_NONE = {"better": " ▲", "tie": " =", "worse": " ▼"}
"""The mark behind an arm's score: better than training without augmentation, tied or worse."""

_AGAINST_LEARNED = {"better": " ▼", "tie": " =", "worse": " ▲"}
"""The mark behind an arm's score: whether the learned policy is better, ties or is worse."""


def arms_rows(summary: Data) -> list[Row]:
    """Headings, then a row for each arm, best first; a cell without a value is empty.

    Scores are in per cent, differences in percentage points, and cost is a multiple of the time of
    training without augmentation. If the score is F1, a column shows the accuracy too. The last
    columns are what it took to find the arm, as far as the summary says so.
    """
    name, spent = score_name(summary), spent_columns(summary["arms"])
    more = () if name == "accuracy" else ("accuracy %",)
    rows: list[Row] = [
        ("arm", f"{name} %", "95% interval", "learned minus arm", "learned is", *more, "cost",
         *spent)
    ]  # fmt: skip
    for arm in by_score(summary["arms"]):
        scores, difference = summary["arms"][arm], summary["learned_minus_score"].get(arm)
        row = (
            arm,
            percent(scores["score"]["mean"]),
            percent_interval(scores["score"]),
            difference_text(difference) if difference else "",
            verdict(difference) if difference else "",
            *(percent(scores["accuracy"]["mean"]) for _ in more),
            f"{scores['relative_cost']:.2f}" if "relative_cost" in scores else "",
            *spent_cells(scores, spent),
        )
        rows.append(row)
    return rows


def spent_columns(arms: Data) -> tuple[str, ...]:
    """Headings of what it took to find the arms: "trainings" and "labels", if any arm has them."""
    return tuple(k for k in ("trainings", "labels") if any(k in scores for scores in arms.values()))


def spent_cells(scores: Data, columns: Sequence[str]) -> tuple[str, ...]:
    """An arm's cells in the columns of `spent_columns`."""
    return tuple(f"{scores[key]:,}" if key in scores else "" for key in columns)


def diverged(summary: Data) -> list[str]:
    """A sentence that names the arms with diverged runs; empty if there are none."""
    arms = summary["arms"].items()
    counts = [f"{a} {s['diverged']} of {s['score']['n']}" for a, s in arms if s.get("diverged")]
    return [f"Diverged runs, scored as chance: {', '.join(counts)}."] if counts else []


def budget_rows(budgets: Sequence[Data]) -> list[Row]:
    """Headings, then a row for each arm: its score in per cent at every budget, and their mean.

    ▼ marks an arm whose score is significantly below the learned policy's at that budget, ▲ one
    above it, = a tie. An arm that is missing at a budget has no mean and comes last.
    """
    means = {}
    for arm in dict.fromkeys(arm for budget in budgets for arm in budget["arms"]):
        values = [b["arms"][arm]["score"]["mean"] for b in budgets if arm in b["arms"]]
        means[arm] = sum(values) / len(values) if len(values) == len(budgets) else None
    rows: list[Row] = [("arm", *(budget_name(b["task"], budgets) for b in budgets), "mean")]
    for arm in sorted(means, key=lambda arm: -(means[arm] or 0)):
        mean = means[arm]
        cells = (_budget_cell(budget, arm) for budget in budgets)
        rows.append((arm, *cells, "" if mean is None else percent(mean)))
    return rows


def fixed_width(rows: Sequence[Row]) -> str:
    """A table for a terminal: the first column aligned left, the others right."""
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
    difference = budget["learned_minus_score"].get(arm)
    mark = _AGAINST_LEARNED[verdict(difference)] if difference else ""
    return percent(budget["arms"][arm]["score"]["mean"]) + mark


def difference_text(difference: Data) -> str:
    """A difference in percentage points, with its interval if it has one: "+1.2 [+0.3, +2.0]"."""
    ends = ", ".join(f"{100 * end:+.1f}" for end in difference["ci95"] or ())
    return f"{100 * difference['mean']:+.1f}" + (f" [{ends}]" if ends else "")


def percent_interval(score: Data) -> str:
    """A score's 95% interval in per cent: "93.2 to 95.1"; empty with one value."""
    return " to ".join(percent(end) for end in score["ci95"] or ())


def percent(fraction: float) -> str:
    """A fraction in per cent with one decimal: "93.2"."""
    return f"{100 * fraction:.1f}"
