"""Controllers that do not look at the run: constant, ramp, random."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from adaptaug.controllers.base import Controller
from adaptaug.policy.observation import Observation


class Constant(Controller):
    """The same magnitudes all the time."""

    def __init__(self, magnitudes: Sequence[float]) -> None:
        """Takes one magnitude in [0, 1] per op."""
        self.magnitudes = list(magnitudes)

    def decide(self, progress: float, observation: Observation | None) -> Sequence[float]:
        """Returns the constant."""
        return self.magnitudes


class Ramp(Controller):
    """From nothing towards twice the given magnitudes, linearly over the run."""

    def __init__(self, magnitudes: Sequence[float]) -> None:
        """Takes the magnitudes in [0, 1], one per op, that half of the run is reached at."""
        self.magnitudes = list(magnitudes)

    def decide(self, progress: float, observation: Observation | None) -> Sequence[float]:
        """Returns the magnitudes scaled by twice the progress, at most 1."""
        return [min(1.0, 2 * progress * magnitude) for magnitude in self.magnitudes]


class Random(Controller):
    """Uniform magnitudes, drawn anew at every decision, up to twice the given ones."""

    def __init__(self, magnitudes: Sequence[float]) -> None:
        """Takes one mean magnitude in [0, 1] per op."""
        self.magnitudes = list(magnitudes)
        self._random = np.random.default_rng(0)

    def start(self, seed: int) -> None:
        """Seeds the draws."""
        self._random = np.random.default_rng(seed)

    def decide(self, progress: float, observation: Observation | None) -> Sequence[float]:
        """Draws the magnitudes."""
        draws = self._random.uniform(size=len(self.magnitudes))
        return [min(1.0, 2 * d * m) for d, m in zip(draws, self.magnitudes, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """The generator's state."""
        return {"random": self._random.bit_generator.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes back to a generator's state."""
        self._random.bit_generator.state = state["random"]
