"""Fair timing: contestants take turns in every round, and ratios are computed within a round."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from adaptaug.utils.progress import ProgressBar

SHORTEST = 0.02
"""Shortest duration of one measurement, in seconds; shorter work is repeated."""

Work = Callable[[], object]


@dataclass(frozen=True)
class Ratio:
    """A named ratio, measured once per round."""

    name: str
    """Its key in the summary."""
    values: Sequence[float]
    """One value per round."""
    at_most: float | None = None
    """The goal if smaller is better."""
    at_least: float | None = None
    """The goal if larger is better."""

    @property
    def median(self) -> float:
        """The median over the rounds, which is the result."""
        return statistics.median(self.values)

    @property
    def goal(self) -> str:
        """The goal in words; empty without one."""
        if self.at_most is not None:
            return f"at most {self.at_most:g}"
        return "" if self.at_least is None else f"at least {self.at_least:g}"

    @property
    def verdict(self) -> str:
        """Whether the goal is met: "met" or "missed"; empty without a goal."""
        if not self.goal:
            return ""
        low = self.at_least is None or self.median >= self.at_least
        high = self.at_most is None or self.median <= self.at_most
        return "met" if low and high else "missed"


@dataclass(frozen=True)
class Race:
    """The times of all contestants."""

    seconds: Mapping[str, Sequence[float]]
    """Seconds per call of each contestant by the clock of `race`, one value per round."""
    tokens: int = 0
    """Tokens that each contestant processes in one call; 0 if they are not counted."""

    def ratio(self, name: str, over: str, scale: float = 1.0) -> list[float]:
        """In every round the time of `name` divided by that of `over`, times `scale`."""
        pairs = zip(self.seconds[name], self.seconds[over], strict=True)
        return [scale * taken / reference for taken, reference in pairs]


def race(
    contestants: Mapping[str, Work],
    rounds: int,
    label: str,
    tokens: int = 0,
    clock: Callable[[], float] = time.process_time,
) -> Race:
    """Times contestants in turn: A B C, A B C and so on, after a warm-up.

    By default it measures processor time of all threads: the load of other programs does not count,
    and a contestant gains nothing by starting threads.

    Args:
        contestants: functions without arguments, by name.
        rounds: number of measurements of each, at least 1.
        label: text of the progress bar.
        tokens: see `Race`.
        clock: returns seconds; `time.perf_counter` for contestants that start processes.
    """
    repeats = {}
    for name, work in contestants.items():
        _seconds(work, 1, clock)
        repeats[name] = max(1, round(SHORTEST / max(_seconds(work, 1, clock), 1e-6)))
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in ProgressBar(range(rounds), label, unit="round", leave=False):
        for name, work in contestants.items():
            seconds[name].append(_seconds(work, repeats[name], clock))
    return Race(seconds, tokens)


def _seconds(work: Work, repeats: int, clock: Callable[[], float]) -> float:
    """Seconds per call, mean over `repeats` calls."""
    started = clock()
    for _ in range(repeats):
        work()
    return (clock() - started) / repeats
