"""The learned policy as a controller."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from adaptaug.controllers.base import Controller
from adaptaug.policy.network import PolicyNetwork
from adaptaug.policy.observation import Observation


class Learned(Controller):
    """A frozen policy network; untrained, it is the arm that a search must beat.

    A run that the policy leaves alone is observed once, for its length, and never again.
    """

    observes = True

    def __init__(self, network: PolicyNetwork) -> None:
        """Takes the network of a policy artefact."""
        self.network = network.eval()

    def start(self, seed: int) -> None:
        """Prepares for a new run, whose length is not known yet."""
        self.observes = True

    def decide(self, progress: float, observation: Observation | None) -> Sequence[float]:
        """Returns the network's deterministic magnitudes."""
        if not self.observes:
            return [0.0] * len(self.network.op_bias)
        if observation is None:
            raise ValueError("a learned policy must observe the run, got no observation")
        passes = np.array(observation.feature("log_passes"), np.float32)
        self.observes = bool(self.network.augments(passes))
        return self.network.magnitudes(observation.flat())

    def state_dict(self) -> dict[str, Any]:
        """Whether the run is observed."""
        return {"observes": self.observes}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes back to a `state_dict`."""
        self.observes = state.get("observes", True)
