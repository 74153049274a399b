"""The learned policy as a controller."""

from collections.abc import Collection, Sequence

from adaptaug.controllers.base import Controller
from adaptaug.policy.network import PolicyNetwork
from adaptaug.policy.observation import Observation


class Learned(Controller):
    """A frozen policy network. With an untrained network it is a baseline of a search."""

    needs_held_out = False  # the network takes the mean of its search for what is unknown

    def __init__(self, network: PolicyNetwork, min_epochs: float = 0.0) -> None:
        """Takes the network of a policy and the epochs of the shortest run that it augments."""
        self.network, self.min_epochs = network.eval(), min_epochs
        self.features: Collection[str] = network.standardise.features()

    def decide(self, progress: float, observation: Observation | None) -> Sequence[float]:
        """Returns the network's deterministic magnitudes."""
        if observation is None:
            raise ValueError("a learned policy must observe the run, got no observation")
        return self.network.magnitudes(observation.flat())
