"""Fair timing: contestants take turns, round after round, and are compared within each round."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from adaptaug.utils.progress import ProgressBar

SHORTEST = 0.02
"""Seconds that one measurement takes at least; short work is repeated within it."""

Work = Callable[[], object]


@dataclass(frozen=True)
class Ratio:
    """One named ratio, measured once in every round."""

    name: str
    """Its key in the summary."""
    values: Sequence[float]
    """One for each round."""
    at_most: float | None = None
    """The goal, where small is good."""
    at_least: float | None = None
    """The goal, where large is good."""

    @property
    def median(self) -> float:
        """The median of the rounds: what counts."""
        return statistics.median(self.values)

    @property
    def goal(self) -> str:
        """The goal for people, empty if there is none."""
        if self.at_most is not None:
            return f"at most {self.at_most:g}"
        return "" if self.at_least is None else f"at least {self.at_least:g}"

    @property
    def verdict(self) -> str:
        """Whether the goal is met, for people; empty if there is none."""
        if not self.goal:
            return ""
        low = self.at_least is None or self.median >= self.at_least
        high = self.at_most is None or self.median <= self.at_most
        return "met" if low and high else "missed"


@dataclass(frozen=True)
class Race:
    """What every contestant took, round by round."""

    seconds: Mapping[str, Sequence[float]]
    """Processor seconds for one call of each contestant, one number for each round."""
    tokens: int = 0
    """Tokens that each contestant goes through in one call, where that is counted."""

    def ratio(self, name: str, over: str, scale: float = 1.0) -> list[float]:
        """The time of `name` over the time of `over`, times `scale`, in every round."""
        pairs = zip(self.seconds[name], self.seconds[over], strict=True)
        return [scale * taken / reference for taken, reference in pairs]


def race(contestants: Mapping[str, Work], rounds: int, label: str, tokens: int = 0) -> Race:
    """Times contestants in turn: A B C, A B C and so on, after one round of warming up.

    Processor time is what counts, so that other programs' turns do not, and a contestant that
    starts threads of its own gains nothing by it.

    Args:
        contestants: work without arguments, by name.
        rounds: measurements of each, at least 1.
        label: says in the progress bar what is going on.
        tokens: of one call of each; see `Race`.
    """
    repeats = {}
    for name, work in contestants.items():
        _seconds(work, 1)
        repeats[name] = max(1, round(SHORTEST / max(_seconds(work, 1), 1e-6)))
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in ProgressBar(range(rounds), label, unit="round", leave=False):
        for name, work in contestants.items():
            seconds[name].append(_seconds(work, repeats[name]))
    return Race(seconds, tokens)


def _seconds(work: Work, repeats: int) -> float:
    """Processor seconds of one call, as the mean of some."""
    started = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - started) / repeats
