"""PPO's actor and critic: log-probabilities, exploration noise, seeds and export."""

import copy
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from gymnasium import spaces

from adaptaug.policy.network import START_MAGNITUDE, to_magnitudes
from adaptaug.policy.observation import LIMIT, observation_size
from adaptaug.policy.policy import Policy, load_policy, save_policy
from adaptaug.utils.seeding import RandomStream
from agents.ppo_policy import HELD_SHARE, OpPolicy

OPS = ("rotate", "noise", "zoom")
SIZE = observation_size(len(OPS))


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """Seeds torch's global generator, from which a policy draws its noise."""
    with RandomStream(0).active():
        yield


def op_policy(seed: int = 0, *, trained: bool = True) -> OpPolicy:
    """A policy; if trained, with statistics and weights that are not the initial ones."""
    policy = OpPolicy(
        spaces.Box(-LIMIT, LIMIT, (SIZE,), np.float32),
        spaces.Box(-1, 1, (len(OPS),), np.float32),
        lambda left: 2e-3,
        seed=seed,
    )
    if trained:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in policy.network.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.3)
        policy.network.standardise.fit(torch.from_numpy(observations()))
    return policy


def observations(count: int = 50) -> np.ndarray:
    return np.random.default_rng(0).normal(0.3, 1, (count, SIZE)).astype(np.float32)


def test_exported_policy_gives_the_magnitudes_of_the_agent(tmp_path: Path) -> None:
    policy = op_policy()
    network = copy.deepcopy(policy.network)
    save_policy(tmp_path / "policy", Policy(network, OPS))
    loaded = load_policy(tmp_path / "policy").network
    actions, _ = policy.predict(observations(), deterministic=True)
    assert len(np.unique(to_magnitudes(actions).round(3))) > 50  # not all equal
    for observation, action in zip(observations(), actions, strict=True):
        assert loaded.magnitudes(observation) == pytest.approx(
            to_magnitudes(action.astype(np.float64)).tolist(), abs=1e-6
        )


def test_initial_policy_keeps_ops_near_the_start_magnitude() -> None:
    actions, _ = op_policy(trained=False).predict(observations(), deterministic=True)
    assert np.abs(to_magnitudes(actions) - START_MAGNITUDE).max() < 0.1


def test_actions_have_the_mean_and_deviation_of_the_distribution() -> None:
    policy = op_policy(trained=False)
    one = observations(1).repeat(4000, 0)
    actions, _ = policy.predict(one)
    assert np.abs(actions).max() <= 1
    latent = np.arctanh(np.clip(actions, -0.999999, 0.999999))
    deterministic, _ = policy.predict(one[:1], deterministic=True)
    assert latent.mean(0) == pytest.approx(np.arctanh(deterministic[0]), abs=0.03)
    assert latent.std(0) == pytest.approx(np.exp(-0.9), rel=0.05)


def test_half_of_the_noise_variance_is_held_over_an_episode_and_negated_in_the_next_child() -> None:
    policy = op_policy(trained=False)
    seen = torch.zeros(4000, SIZE)
    noise = []
    with torch.no_grad():
        for progress in (0.0, 0.5, 0.0):
            seen[:, 0] = progress
            noise.append(torch.atanh(policy(seen)[0]) - policy.network(seen))
        again = torch.atanh(policy(seen, deterministic=True)[0]) - policy.network(seen)
    scaled = torch.stack(noise) / math.exp(-0.9)  # (decisions, children, ops)
    assert scaled.std((1, 2)).tolist() == pytest.approx([1] * 3, rel=0.05)
    first, later, next_episode = scaled
    assert (first * later).mean().item() == pytest.approx(HELD_SHARE, abs=0.05)
    assert (first * next_episode).mean().item() == pytest.approx(0, abs=0.05)
    assert (first[::2] * later[1::2]).mean().item() == pytest.approx(-HELD_SHARE, abs=0.05)
    assert again.abs().max() < 1e-5


def test_log_probabilities_match_hand_computation() -> None:
    """For a Gaussian squashed by tanh: the density of the latent over the slope of tanh."""
    policy = op_policy()
    seen = torch.from_numpy(observations(5))
    actions, values, log_probability = policy(seen)
    means = policy.network(seen)
    latent = torch.atanh(actions)
    normal = torch.distributions.Normal(means, policy.log_std.exp())
    expected = (normal.log_prob(latent) - torch.log(1 - actions**2)).sum(1)
    assert log_probability.tolist() == pytest.approx(expected.tolist(), rel=1e-3)
    again_values, again, entropy = policy.evaluate_actions(seen, actions)
    assert again.tolist() == pytest.approx(log_probability.tolist(), rel=1e-5, abs=1e-5)
    assert again_values.tolist() == values.tolist()
    assert values.shape == (5, 1)
    assert entropy is None


def test_log_probability_ignores_ops_whose_gate_is_closed() -> None:
    policy = op_policy()
    seen = torch.from_numpy(observations(5))
    with torch.no_grad():
        policy.network.gate[0] = torch.tensor([0.4, 0.0])
    actions, _, log_probability = policy(seen)
    assert torch.isfinite(log_probability).all()
    changed = actions.clone()
    changed[:, 0] = 0.3
    assert policy.evaluate_actions(seen, changed)[1].tolist() == pytest.approx(
        log_probability.tolist(), rel=1e-5, abs=1e-5
    )
    changed[:, 1] = 0.3
    assert (policy.evaluate_actions(seen, changed)[1] - log_probability).abs().min() > 1e-3


def test_op_that_the_log_probability_ignores_is_off_whatever_is_drawn() -> None:
    policy = op_policy()
    seen = torch.from_numpy(observations(500))
    with torch.no_grad():
        policy.network.op_bias.fill_(3.0)
        policy.network.gate[0] = torch.tensor([0.49, 0.0])
    actions, _, log_probability = policy(seen)
    assert (actions[:, 0] == -1).all()
    assert (to_magnitudes(actions[:, 1:]) > 0).any()
    again = policy.evaluate_actions(seen, actions)[1]
    assert again.tolist() == pytest.approx(log_probability.tolist(), rel=1e-3, abs=1e-2)
    again.sum().backward()
    assert policy.network.op_bias.grad is not None
    assert policy.network.op_bias.grad[0] == 0


def test_seed_fixes_the_initial_weights_without_the_global_generator() -> None:
    before = torch.get_rng_state()
    first, second, other = op_policy(seed=0), op_policy(seed=0), op_policy(seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])
    assert not torch.equal(first.network(torch.ones(1, SIZE)), other.network(torch.ones(1, SIZE)))


def test_value_does_not_depend_on_the_order_of_the_ops() -> None:
    policy = op_policy()
    seen = observations(1)
    permuted = seen.copy()
    permuted[:, 16:] = seen[:, 16:].reshape(3, 6)[[2, 0, 1]].ravel()
    with torch.no_grad():
        first, second = (policy.predict_values(torch.from_numpy(o)) for o in (seen, permuted))
    assert first.item() == pytest.approx(second.item(), rel=1e-4)
