"""The learned policy as a controller."""

from typing import Any

from adaptaug.controllers import Learned
from adaptaug.policy.network import PolicyNetwork


def test_magnitudes_are_those_of_the_network(seen: Any) -> None:
    network = PolicyNetwork(3)
    observation = seen(n_ops=3, train_loss=0.5, validation_loss=0.8)
    assert Learned(network).decide(0.5, observation) == network.magnitudes(observation.flat())


def test_min_epochs_is_that_of_the_policy() -> None:
    assert Learned(PolicyNetwork(1)).min_epochs == 0
    assert Learned(PolicyNetwork(1), min_epochs=12.5).min_epochs == 12.5
