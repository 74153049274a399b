"""The base class of controllers, which pick the magnitudes."""

from collections.abc import Collection, Sequence
from typing import Any

from adaptaug.errors import AdaptAugError
from adaptaug.policy.observation import Observation


class Controller:
    """Picks the magnitudes of an op space at every decision of one training run.

    Every arm of every comparison is a controller, so that all arms share one training loop.
    """

    features: Collection[str] = ()
    """Names of the features that `decide` reads (see `adaptaug.policy.observation`). Only what they
    need is measured, and its cost counted; all others are NaN."""
    needs_held_out: bool = True
    """Whether `decide` needs those of its features that are NaN without held-out data
    (`HELD_OUT_FEATURES`)."""
    min_epochs: float = 0.0
    """Epochs of the shortest run that is augmented; shorter runs are neither augmented nor
    observed."""

    def reset(self, seed: int) -> None:
        """Prepares for a new training run; `seed` fixes every draw of the controller."""

    def decide(self, progress: float, observation: Observation | None) -> Sequence[float]:
        """Picks the magnitudes until the next decision.

        A controller that learns during the run learns here, since the observation shows the effect
        of the magnitudes that it picked last.

        Args:
            progress: fraction of the run that is done, in [0, 1).
            observation: the observation of the run; None if `features` is empty.

        Returns:
            One magnitude in [0, 1] per op.
        """
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """State for a checkpoint, as tensors and plain data; empty by default."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores a `state_dict`."""


def check_magnitudes(magnitudes: Sequence[float]) -> list[float]:
    """Returns the magnitudes as a list, if all lie in [0, 1].

    Raises:
        AdaptAugError: a magnitude is out of range.
    """
    for index, magnitude in enumerate(magnitudes):
        if not 0 <= magnitude <= 1:
            raise AdaptAugError(f"magnitude must lie in [0, 1], got {magnitude} for op {index}")
    return list(magnitudes)
