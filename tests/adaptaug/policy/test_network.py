"""The policy network: shared by all ops, near START_MAGNITUDE before a search, exact maps."""

import numpy as np
import pytest
import torch

from adaptaug.policy.network import (
    CLOSED,
    OFF_BELOW,
    OFF_BIAS,
    START_MAGNITUDE,
    PolicyNetwork,
    Standardise,
    to_actions,
    to_magnitudes,
)
from adaptaug.policy.observation import GLOBAL_FEATURES, OP_FEATURES, observation_size

RUN, OP = len(GLOBAL_FEATURES), len(OP_FEATURES)


def observations(count: int, n_ops: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.uniform(-2, 2, (count, observation_size(n_ops))).astype(np.float32)


def trained(n_ops: int) -> PolicyNetwork:
    """A network with random weights and fitted statistics."""
    network = PolicyNetwork(n_ops)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 4)
        network.op_bias.zero_()
    network.standardise.fit(torch.from_numpy(observations(64, n_ops)))
    return network


def permuted(flat: np.ndarray, order: list[int]) -> np.ndarray:
    """The observation of the same run with the ops in another order."""
    run, ops = flat[:RUN], flat[RUN:].reshape(-1, OP)
    return np.concatenate([run, ops[order].ravel()])


def test_magnitudes_of_actions_match_hand_computation() -> None:
    actions = np.array([-1.0, -0.95, OFF_BELOW, 0.05, 1.0])
    assert to_magnitudes(actions).tolist() == pytest.approx([0, 0, 0, 0.5, 1])
    assert to_magnitudes(np.array([-1.0, -0.9])).tolist() == [0, 0]  # exactly off
    assert to_actions(np.array([0.0, 0.5, 1.0])).tolist() == pytest.approx([-0.9, 0.05, 1])


def test_to_actions_inverts_to_magnitudes_where_an_op_is_on() -> None:
    magnitudes = np.linspace(0, 1, 11)
    assert to_magnitudes(to_actions(magnitudes)) == pytest.approx(magnitudes)


def test_unknown_features_count_as_their_mean() -> None:
    network, flat = trained(3), observations(1, 3)[0]
    mean = np.concatenate(
        [network.standardise.run_mean.numpy(), np.tile(network.standardise.op_mean.numpy(), 3)]
    )
    unknown = np.zeros(len(flat), bool)
    unknown[[GLOBAL_FEATURES.index("loss_gap"), RUN, RUN + 2 * OP + 1]] = True
    chosen = network.magnitudes(np.where(unknown, np.nan, flat).astype(np.float32))
    assert chosen == network.magnitudes(np.where(unknown, mean, flat).astype(np.float32))
    assert chosen != network.magnitudes(flat)


def test_untrained_policy_stays_near_the_start_magnitude() -> None:
    network = PolicyNetwork(5)
    for flat in observations(20, 5):
        assert network.magnitudes(flat) == pytest.approx([START_MAGNITUDE] * 5, abs=0.05)


def test_magnitudes_are_permuted_with_the_ops() -> None:
    network, order = trained(4), [2, 0, 3, 1]
    spreads = []
    for flat in observations(10, 4):
        there = network.magnitudes(flat)
        spreads.append(np.ptp(there))
        here = network.magnitudes(permuted(flat, order))
        assert here == pytest.approx([there[index] for index in order], abs=1e-6)
    assert max(spreads) > 0.1


def test_only_the_number_of_biases_depends_on_the_number_of_ops() -> None:
    few, many = (PolicyNetwork(n_ops) for n_ops in (1, 17))
    counts = [sum(p.numel() for p in network.actor.parameters()) for network in (few, many)]
    inputs = RUN + 2 * OP
    assert counts == [inputs * 32 + 32 + 32 * 32 + 32 + 32 + 1] * 2
    for network, n_ops in ((few, 1), (many, 17)):
        assert sum(p.numel() for p in network.parameters()) == counts[0] + n_ops


def test_actor_transfers_to_another_number_of_ops() -> None:
    """Two ops with equal features get the magnitude that one of them gets alone."""
    one, two = trained(1), PolicyNetwork(2)
    two.actor.load_state_dict(one.actor.state_dict())
    two.standardise.load_state_dict(one.standardise.state_dict())
    flat = observations(1, 1)[0]
    doubled = np.concatenate([flat, flat[RUN:]])
    assert two.magnitudes(doubled) == pytest.approx(one.magnitudes(flat) * 2, abs=1e-6)


def test_op_bias_moves_its_own_op_alone() -> None:
    network, flat = trained(3), observations(1, 3)[0]
    before = network.magnitudes(flat)
    with torch.no_grad():
        network.op_bias.copy_(torch.tensor([0.0, 1.0, -9.0]))
    after = network.magnitudes(flat)
    assert after[0] == before[0]
    assert after[1] > before[1]
    assert after[2] == 0


def test_gate_opens_and_closes_its_op_by_log_epochs() -> None:
    network = PolicyNetwork(3)
    epochs = GLOBAL_FEATURES.index("log_epochs")
    observations = torch.zeros(3, observation_size(3))
    observations[:, epochs] = torch.tensor([0.5, 1.0, 2.0])
    with torch.no_grad():
        network.op_bias[1] = 1.0
        free = network(observations)
        network.gate[1] = torch.tensor([-1.0, 1.0])  # closed up to 1, open from 2
        gated = network(observations)
    assert gated[:, [0, 2]].equal(free[:, [0, 2]])
    assert gated[2].equal(free[2])
    assert gated[:2, 1].tolist() == [CLOSED] * 2


def test_bias_follows_a_gate_that_is_more_than_half_open_and_the_op_is_off_below() -> None:
    network, seen = PolicyNetwork(2), torch.zeros(1, observation_size(2))
    with torch.no_grad():
        network.op_bias[0] = 1.0
        free = network(seen)
        network.gate[0] = torch.tensor([0.6, 0.0])
        assert (network(seen) - free)[0, 0].item() == pytest.approx(0.4 * (OFF_BIAS - 1))
        network.op_bias[0] = 30.0  # as if PPO had pushed against the gate
        network.gate[0] = torch.tensor([0.49, 0.0])
        latents = network(seen)
    assert torch.tanh(latents)[0, 0] == -1
    assert latents[0, 1] == free[0, 1]
    assert network.magnitudes(seen[0].numpy())[0] == 0


def test_bias_gets_no_gradient_without_op_bias() -> None:
    network = PolicyNetwork(3, op_bias=False)
    network(torch.from_numpy(observations(2, 3))).sum().backward()
    assert network.op_bias.grad is None
    assert not network.op_bias.requires_grad


def test_statistics_are_shared_by_the_ops_and_match_hand_computation() -> None:
    flat = np.zeros((2, observation_size(2)), np.float32)
    flat[:, 0] = [1, 3]  # mean 2, standard deviation sqrt(2)
    flat[0, RUN], flat[1, RUN + OP] = 4, 8  # rows 4, 0, 0, 8: mean 3, variance 44/3
    standardise = Standardise(2)
    standardise.fit(torch.from_numpy(flat))
    run, ops = standardise(torch.from_numpy(flat))
    assert run[:, 0].tolist() == pytest.approx([-(0.5**0.5), 0.5**0.5])
    assert ops[:, :, 0].flatten().tolist() == pytest.approx(
        [(value - 3) / (44 / 3) ** 0.5 for value in (4, 0, 0, 8)]
    )


def test_feature_that_hardly_varies_gets_the_smallest_scale() -> None:
    flat = np.zeros((2, observation_size(1)), np.float32)
    flat[:, 0] = [0.3, 0.31]
    standardise = Standardise(1)
    standardise.fit(torch.from_numpy(flat))
    assert standardise.run_scale[0] == pytest.approx(0.05)


def test_feature_that_was_constant_moves_no_op() -> None:
    """A flag that all observations share has weights that no search has trained."""
    network, applies = PolicyNetwork(3), RUN + OP_FEATURES.index("applies")
    seen = observations(64, 3)
    seen[:, [applies, applies + OP, applies + 2 * OP]] = 1
    seen[:, GLOBAL_FEATURES.index("log_epochs")] = 0.7
    network.standardise.fit(torch.from_numpy(seen))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.actor.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 4)
    before = network.magnitudes(seen[0])
    changed = seen[0].copy()
    changed[applies] = 0
    changed[GLOBAL_FEATURES.index("log_epochs")] = 2.0
    assert network.magnitudes(changed) == before
    changed[0] += 0.5
    assert network.magnitudes(changed) != before


def test_statistics_of_some_run_features_come_from_other_values() -> None:
    standardise = Standardise(1)
    standardise.fit(torch.from_numpy(observations(64, 1)))
    before = standardise.run_mean.clone()
    values = torch.tensor([[1.0, 5.0], [3.0, 5.0]])  # mean 2, standard deviation sqrt(2); constant
    standardise.fit_run(["learning_rate", "log_epochs"], values)
    indices = [GLOBAL_FEATURES.index(name) for name in ("learning_rate", "log_epochs")]
    assert standardise.run_mean[indices].tolist() == [2, 5]
    assert standardise.run_scale[indices].tolist() == pytest.approx([2**0.5, np.inf])
    rest = [index for index in range(RUN) if index not in indices]
    assert standardise.run_mean[rest].equal(before[rest])


def test_initial_weights_come_from_the_generator_alone() -> None:
    before = torch.get_rng_state()
    same = [PolicyNetwork(2, generator=torch.Generator().manual_seed(3)) for _ in range(2)]
    other = PolicyNetwork(2, generator=torch.Generator().manual_seed(4))
    weights = [network.actor.layers[0].weight for network in (*same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(torch.get_rng_state(), before)
