"""Schedules over a run: learning rates, and the steps at which decisions fall."""

import math
from collections.abc import Callable

DECISIONS = 8
"""Decisions in a run, where nothing else is said."""


def decision_boundaries(steps: int, decisions: int, interval: int | None = None) -> list[int]:
    """Steps at which the decision intervals of a run end, ascending; the last one is `steps`.

    Args:
        steps: batches in the whole run.
        decisions: intervals of about equal length, at most one per step; read without `interval`.
        interval: batches in each interval but the last, which may be shorter.
    """
    if interval is None:
        count = min(decisions, steps)
        return [round(steps * (i + 1) / count) for i in range(count)]
    return [*range(interval, steps, interval), steps]


def _one_cycle(progress: float, warm_up: float = 0.3, start: float = 0.04) -> float:
    """Cosine up from `start` over `warm_up`, cosine down to 0 (Smith and Topin 2018)."""
    if progress < warm_up:
        return 1 - (1 - start) * 0.5 * (1 + math.cos(math.pi * progress / warm_up))
    return 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))


def _linear(progress: float, warm_up: float = 0.1) -> float:
    """Up from 0 over `warm_up`, then down to 0, both in a line (Devlin et al. 2019)."""
    return min(progress / warm_up, (1 - progress) / (1 - warm_up))


SCHEDULES: dict[str, Callable[[float], float]] = {
    "one_cycle": _one_cycle,
    "cosine": lambda progress: 0.5 * (1 + math.cos(math.pi * progress)),
    "linear": _linear,
    "constant": lambda progress: 1.0,
}
"""Progress through the run in [0, 1) to a fraction of the peak learning rate in [0, 1]."""
