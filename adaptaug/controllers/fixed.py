"""Controllers that do not observe the run: constant, ramp, random."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from adaptaug.controllers.base import Controller
from adaptaug.policy.observation import Observation


class Constant(Controller):
    """The same magnitudes at every decision."""

    def __init__(self, magnitudes: Sequence[float]) -> None:
        """Takes one magnitude in [0, 1] per op."""
        self.magnitudes = list(magnitudes)

    def decide(self, progress: float, observation: Observation | None) -> Sequence[float]:
        """Returns the constant magnitudes."""
        return self.magnitudes


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
