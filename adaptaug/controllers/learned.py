"""The learned policy as a controller."""

from collections.abc import Sequence

from adaptaug.controllers.base import Controller
from adaptaug.observation import Observation
from adaptaug.policy import PolicyNetwork


class Learned(Controller):
    """A frozen policy network; untrained, it is the arm that a search must beat."""

    observes = True

    def __init__(self, network: PolicyNetwork) -> None:
        """Takes the network of a policy artefact."""
        self.network = network.eval()

    def decide(self, progress: float, observation: Observation | None) -> Sequence[float]:
        """Returns the network's deterministic magnitudes."""
        if observation is None:
            raise ValueError("a learned policy must observe the run, got no observation")
        return self.network.magnitudes(observation.flat())
