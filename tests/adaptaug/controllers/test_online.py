"""Online adaptation: only the biases of the policy move, and every run starts from the policy."""

from typing import Any

import numpy as np
import pytest
import torch

from adaptaug.controllers import Learned, Online
from adaptaug.policy.network import PolicyNetwork


@pytest.fixture
def network() -> PolicyNetwork:
    """A policy network whose magnitudes depend on the observation."""
    network = PolicyNetwork(2)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.actor.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) / 4)
    return network


def test_online_without_noise_and_learning_decides_as_learned(
    seen: Any, network: PolicyNetwork
) -> None:
    online, learned = Online(network, learning_rate=0, noise=0), Learned(network)
    online.reset(5)
    observations = [seen(validation_loss=0.9**i, progress=i / 20) for i in range(20)]
    expected = [learned.decide(i / 20, o) for i, o in enumerate(observations)]
    assert [online.decide(i / 20, o) for i, o in enumerate(observations)] == expected
    assert len({tuple(magnitudes) for magnitudes in expected}) > 10


@pytest.mark.parametrize("op_bias", [True, False])
def test_only_biases_are_learned_and_a_new_run_starts_from_the_policy(
    toy_run: Any, op_bias: bool
) -> None:
    policy = PolicyNetwork(2, op_bias=op_bias)
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    online = Online(policy)
    first = toy_run(online, 0, steps=30)
    after = online._network.state_dict()
    changed = {name for name in before if not torch.equal(after[name], before[name])}
    assert changed == {"op_bias"}
    assert policy.op_bias.requires_grad == op_bias
    assert all(torch.equal(value, before[name]) for name, value in policy.state_dict().items())
    assert np.array_equal(toy_run(online, 0, steps=30), first)


def test_biases_and_magnitudes_stay_near_the_policys_in_a_short_run(toy_run: Any) -> None:
    online = Online(PolicyNetwork(2))
    for seed in range(20):
        chosen = toy_run(online, seed, steps=8)
        (bias,) = online.state_dict()["parameters"]
        assert bias.abs().max() < 8 * 0.02 * 1.1
        assert np.abs(chosen - 0.15).max() < 0.2


def test_min_epochs_is_that_of_the_policy() -> None:
    assert Online(PolicyNetwork(1), min_epochs=12.5).min_epochs == 12.5
