"""Controllers that do not observe the run: constant, linear, ramp, schedule, random."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from adaptaug.controllers.base import Controller, check_magnitudes
from adaptaug.errors import AdaptAugError
from adaptaug.policy.observation import Observation


class Constant(Controller):
    """The same magnitudes at every decision."""

    def __init__(self, magnitudes: Sequence[float]) -> None:
        """Takes one magnitude in [0, 1] per op."""
        self.magnitudes = list(magnitudes)

    def decide(self, progress: float, observation: Observation | None) -> Sequence[float]:
        """Returns the constant magnitudes."""
        return self.magnitudes


class Linear(Controller):
    """Magnitudes that change linearly over the run."""

    def __init__(self, first: Sequence[float], last: Sequence[float]) -> None:
        """Takes the magnitudes at the start and at the end of the run, one in [0, 1] per op."""
        self.first, self.last = list(first), list(last)

    def decide(self, progress: float, observation: Observation | None) -> Sequence[float]:
        """Returns the magnitudes of this moment of the run."""
        ends = zip(self.first, self.last, strict=True)
        return [first + (last - first) * progress for first, last in ends]


class Schedule(Controller):
    """Magnitudes that depend on the progress of the run alone, such as a policy's mean ones."""

    def __init__(self, starts: Sequence[float], magnitudes: Sequence[Sequence[float]]) -> None:
        """Takes the magnitudes of each part of the run.

        Args:
            starts: progress at which each part begins, in [0, 1), ascending from 0.
            magnitudes: one row per part, with one magnitude in [0, 1] per op.

        Raises:
            AdaptAugError: the starts do not ascend from 0, there are not as many rows as starts, or
                a magnitude is out of range.
        """
        ascending = all(before < after for before, after in pairwise(starts))
        if not starts or starts[0] != 0 or not ascending or len(starts) != len(magnitudes):
            raise AdaptAugError(
                "a schedule needs starts that ascend from 0 and a row of magnitudes for each, "
                f"got starts {list(starts)} and {len(magnitudes)} rows"
            )
        self.starts = list(starts)
        self.magnitudes = [check_magnitudes(row) for row in magnitudes]

    def decide(self, progress: float, observation: Observation | None) -> Sequence[float]:
        """Returns the magnitudes of the part of the run that `progress` lies in."""
        return list(self.magnitudes[bisect_right(self.starts, progress) - 1])


class Ramp(Controller):
    """Magnitudes that grow linearly over the run, from 0 towards twice the given ones."""

    def __init__(self, magnitudes: Sequence[float]) -> None:
        """Takes the magnitudes in the middle of the run, one in [0, 1] per op."""
        self.magnitudes = list(magnitudes)

    def decide(self, progress: float, observation: Observation | None) -> Sequence[float]:
        """Returns the magnitudes times twice the progress, at most 1 each."""
        return [min(1.0, 2 * progress * magnitude) for magnitude in self.magnitudes]


class Random(Controller):
    """Magnitudes drawn uniformly between 0 and twice the given ones at every decision."""

    def __init__(self, magnitudes: Sequence[float]) -> None:
        """Takes one mean magnitude in [0, 1] per op."""
        self.magnitudes = list(magnitudes)
        self._random = np.random.default_rng(0)

    def reset(self, seed: int) -> None:
        """Seeds the draws."""
        self._random = np.random.default_rng(seed)

    def decide(self, progress: float, observation: Observation | None) -> Sequence[float]:
        """Draws the magnitudes, at most 1 each."""
        draws = self._random.uniform(size=len(self.magnitudes))
        return [min(1.0, 2 * d * m) for d, m in zip(draws, self.magnitudes, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """State of the random generator."""
        return {"random": self._random.bit_generator.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores a `state_dict`."""
        self._random.bit_generator.state = state["random"]
