"""What a controller is: whoever picks the magnitudes."""

from collections.abc import Sequence
from typing import Any

from adaptaug.observation import Observation


class Controller:
    """Picks the magnitudes of an op space at every decision of one training run.

    Every arm of every comparison is one, so that all run through one training loop.
    """

    observes: bool = False
    """Whether `decide` reads validation and probes, which then are paid for at every decision."""

    def start(self, seed: int) -> None:
        """Prepares for a new training run."""

    def decide(self, progress: float, observation: Observation | None) -> Sequence[float]:
        """Picks the magnitudes until the next decision.

        Args:
            progress: fraction of the run done, in [0, 1).
            observation: what is known of the run; None unless `observes`.

        Returns:
            One magnitude in [0, 1] per op.
        """
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must know, as plain data; empty if nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes back to a `state_dict`."""
