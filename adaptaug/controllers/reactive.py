"""The feedback rule of study 1: as complex as the validation loss allows."""

from collections.abc import Sequence
from typing import Any

from adaptaug.controllers.base import Controller, check_magnitudes
from adaptaug.errors import AdaptAugError
from adaptaug.policy.observation import Observation


class Reactive(Controller):
    """Steps through levels of augmentation, up while the validation loss falls, else down.

    Each decision compares the validation loss with the last decision's. Lower by more than the
    share `tolerance` of it speaks for the next level, anything else (stagnant, higher, not
    finite) for the level before; `patience` decisions in a row that agree make the move. The
    study decides once an epoch, or every 500 batches.
    """

    observes = True
    probes = False

    def __init__(
        self,
        levels: Sequence[Sequence[float]],
        start: int = 0,
        patience: int = 1,
        tolerance: float = 0.0,
    ) -> None:
        """Describes the rule.

        Args:
            levels: from least to most complex, each with one magnitude in [0, 1] per op.
            start: index of the level that a run starts at.
            patience: decisions that must agree before a move, 1 or more.
            tolerance: relative fall in validation loss that still counts as stagnant, in [0, 1).

        Raises:
            AdaptAugError: one of them is out of its range.
        """
        self.levels = [check_magnitudes(level) for level in levels]
        counts = [len(level) for level in self.levels]
        last = len(counts) - 1
        for fits, rule, value in (
            (len(set(counts)) == 1, "levels must be one or more, all of the same ops", counts),
            (0 <= start <= last, f"start must be one of the levels 0 to {last}", start),
            (patience >= 1, "patience must be at least 1", patience),
            (0 <= tolerance < 1, "tolerance must lie in [0, 1)", tolerance),
        ):
            if not fits:
                raise AdaptAugError(f"{rule}, got {value!r}")
        self.first, self.patience, self.tolerance = start, patience, tolerance
        self.start(0)

    def start(self, seed: int) -> None:
        """Goes to the first level; nothing is drawn."""
        self._level = self.first
        self._loss: float | None = None
        self._agreed = 0  # decisions in a row, above 0 for up and below for down

    def decide(self, progress: float, observation: Observation | None) -> Sequence[float]:
        """Moves if it is time to, and returns the level's magnitudes."""
        if observation is None:
            raise ValueError("the reactive rule must observe the run, got no observation")
        loss = observation.feature("validation_loss")
        if self._loss is not None:
            self._vote(1 if loss < self._loss * (1 - self.tolerance) else -1)
        self._loss = loss
        return self.levels[self._level]

    def state_dict(self) -> dict[str, Any]:
        """The level, and what the next vote depends on."""
        return {"level": self._level, "loss": self._loss, "agreed": self._agreed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes back to a `state_dict`."""
        self._level, self._loss, self._agreed = state["level"], state["loss"], state["agreed"]

    def _vote(self, direction: int) -> None:
        """Counts a vote up (1) or down (-1), and moves where enough agree."""
        self._agreed = self._agreed + direction if self._agreed * direction > 0 else direction
        if abs(self._agreed) >= self.patience:
            self._level = min(max(self._level + direction, 0), len(self.levels) - 1)
            self._agreed = 0
