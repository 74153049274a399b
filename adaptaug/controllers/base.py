"""What a controller is: whoever picks the magnitudes."""

from collections.abc import Sequence
from typing import Any

from adaptaug.errors import AdaptAugError
from adaptaug.policy.observation import Observation


class Controller:
    """Picks the magnitudes of an op space at every decision of one training run.

    Every arm of every comparison is one, so that all run through one training loop.
    """

    observes: bool = False
    """Whether the next `decide` reads an observation, which then is paid for."""
    probes: bool = True
    """Whether `decide` reads what each op alone would do; looked at only where `observes`."""

    def start(self, seed: int) -> None:
        """Prepares for a new training run."""

    def decide(self, progress: float, observation: Observation | None) -> Sequence[float]:
        """Picks the magnitudes until the next decision.

        A controller that learns online does so here: an observation shows what the magnitudes
        picked last have led to.

        Args:
            progress: fraction of the run done, in [0, 1).
            observation: what is known of the run; None unless `observes`.

        Returns:
            One magnitude in [0, 1] per op.
        """
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must know, as tensors and plain data; empty if nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes back to a `state_dict`."""


def check_magnitudes(magnitudes: Sequence[float]) -> list[float]:
    """The magnitudes as a list, one in [0, 1] per op.

    Raises:
        AdaptAugError: one is out of range.
    """
    for index, magnitude in enumerate(magnitudes):
        if not 0 <= magnitude <= 1:
            raise AdaptAugError(f"magnitude must lie in [0, 1], got {magnitude} for op {index}")
    return list(magnitudes)
