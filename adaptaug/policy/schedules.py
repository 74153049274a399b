"""Schedules over a run: of the learning rate, and of the decisions."""

import math
from collections.abc import Callable

DECISIONS = 8
"""Default number of decisions in a run."""


def decision_boundaries(steps: int, decisions: int, interval: int | None = None) -> list[int]:
    """Steps at which the decision intervals of a run end, ascending; the last one is `steps`.

    Args:
        steps: batches in the whole run.
        decisions: number of intervals, of about equal length and at most one per step; not read if
            `interval` is given.
        interval: batches in each interval; the last may be shorter.
    """
    if interval is None:
        count = min(decisions, steps)
        return [round(steps * (i + 1) / count) for i in range(count)]
    return [*range(interval, steps, interval), steps]


def _one_cycle(progress: float, warm_up: float = 0.3, start: float = 0.04) -> float:
    """Cosine from `start` to 1 over `warm_up`, then cosine to 0 (Smith and Topin 2018)."""
    if progress < warm_up:
        return 1 - (1 - start) * 0.5 * (1 + math.cos(math.pi * progress / warm_up))
    return 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))


def _linear(progress: float, warm_up: float = 0.1) -> float:
    """Linear from 0 to 1 over `warm_up`, then linear to 0 (Devlin et al. 2019)."""
    return min(progress / warm_up, (1 - progress) / (1 - warm_up))


SCHEDULES: dict[str, Callable[[float], float]] = {
    "one_cycle": _one_cycle,
    "cosine": lambda progress: 0.5 * (1 + math.cos(math.pi * progress)),
    "linear": _linear,
    "constant": lambda progress: 1.0,
}
"""Each maps the progress of the run in [0, 1) to a fraction of the peak learning rate in [0, 1]."""
