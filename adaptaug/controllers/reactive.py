"""The feedback rule of study 1: raises or lowers the augmentation by the validation loss."""

from collections.abc import Sequence
from typing import Any

from adaptaug.controllers.base import Controller, check_magnitudes
from adaptaug.errors import AdaptAugError
from adaptaug.policy.observation import Observation


class Reactive(Controller):
    """Moves through levels of augmentation: up while the validation loss falls, otherwise down.

    Each decision compares the validation loss with that at the last decision. If it fell by more
    than the fraction `tolerance`, the decision votes for the next level. Otherwise (the loss is
    stagnant, higher or not finite) it votes for the level before. The level changes after
    `patience` equal votes in a row. The study decides once per epoch, or every 500 batches.
    """

    features = ("validation_loss",)

    def __init__(
        self,
        levels: Sequence[Sequence[float]],
        start: int = 0,
        patience: int = 1,
        tolerance: float = 0.0,
    ) -> None:
        """Sets the parameters of the rule.

        Args:
            levels: the levels from weakest to strongest, each with one magnitude in [0, 1] per op.
            start: index of the level at which a run starts.
            patience: number of equal votes in a row that change the level, at least 1.
            tolerance: largest relative fall in validation loss that counts as stagnant, in [0, 1).

        Raises:
            AdaptAugError: an argument is out of its range.
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
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Returns to the start level; the rule draws nothing at random."""
        self._level = self.first
        self._loss: float | None = None
        self._agreed = 0  # equal votes in a row: positive for up, negative for down

    def decide(self, progress: float, observation: Observation | None) -> Sequence[float]:
        """Votes, changes the level after enough votes, and returns the level's magnitudes."""
        if observation is None:
            raise ValueError("the reactive rule must observe the run, got no observation")
        loss = observation.feature("validation_loss")
        if self._loss is not None:
            self._vote(1 if loss < self._loss * (1 - self.tolerance) else -1)
        self._loss = loss
        return self.levels[self._level]

    def state_dict(self) -> dict[str, Any]:
        """The level, the last validation loss and the votes in a row."""
        return {"level": self._level, "loss": self._loss, "agreed": self._agreed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores a `state_dict`."""
        self._level, self._loss, self._agreed = state["level"], state["loss"], state["agreed"]

    def _vote(self, direction: int) -> None:
        """Counts a vote up (1) or down (-1), and changes the level after `patience` equal ones."""
        self._agreed = self._agreed + direction if self._agreed * direction > 0 else direction
        if abs(self._agreed) >= self.patience:
            self._level = min(max(self._level + direction, 0), len(self.levels) - 1)
            self._agreed = 0
