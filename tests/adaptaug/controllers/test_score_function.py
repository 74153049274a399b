"""What AugNet and Online share: the estimate by hand, and a toy whose best magnitudes are known."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from adaptaug import AdaptAugError
from adaptaug.controllers import AugNet, Learned, Online
from adaptaug.controllers.score_function import ScoreFunction
from adaptaug.policy.network import PolicyNetwork
from adaptaug.policy.observation import Observation

BEST = np.array([0.6, 0.0])


class Bias(nn.Module):
    """Latents that are the same whatever is seen."""

    def __init__(self) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.zeros(1, 2))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.latents + 0


class Bandit(ScoreFunction):
    """The estimator alone."""

    def _begin(self, generator: torch.Generator) -> nn.Module:
        return Bias()

    def _inputs(self, observation: Observation) -> np.ndarray:
        return observation.run


def test_the_estimate_by_hand(seen: Any) -> None:
    """Losses 1, 1/2, 1/4, 1/16 are rewards of log 2, log 2 and log 4; baselines of log 2."""
    learner = Bandit(learning_rate=0.1, noise=0.5)
    learner.start(3)
    draws = torch.randn(4, 2, generator=torch.Generator().manual_seed(3))
    for loss in (1.0, 0.5, 0.25):
        learner.decide(0.0, seen(validation_loss=loss))
        assert learner._network.latents.tolist() == [[0, 0]]  # rewards that are no surprise
    learner.decide(0.0, seen(validation_loss=1 / 16))
    advantage = math.log(4) - math.log(2)
    gradient = learner._network.latents.grad[0]  # of what is minimised
    assert (-gradient / 0.5**2).tolist() == pytest.approx((advantage * draws[2] / 0.5).tolist())
    moved = learner._network.latents.detach().sign()
    assert moved.tolist() == [draws[2].sign().tolist()]  # towards what did better than expected
    assert learner.state_dict()["baseline"] == pytest.approx(math.log(2) + 0.1 * advantage)


def run(controller: ScoreFunction, seen: Any, seed: int, steps: int = 150) -> np.ndarray:
    """Magnitudes (steps, 2) of a run whose validation loss falls the faster, the nearer to BEST."""
    controller.start(seed)
    noise = np.random.default_rng(seed)
    loss, chosen = 1.0, []
    for step in range(steps):
        observation = seen(validation_loss=loss, batch_loss=loss)
        magnitudes = np.array(controller.decide(step / steps, observation))
        chosen.append(magnitudes)
        nearness = math.exp(-(((magnitudes - BEST) / 0.3) ** 2).sum())
        loss *= math.exp(-0.02 * nearness + 0.001 * noise.normal())
    return np.stack(chosen)


@pytest.mark.parametrize(
    "make",
    [
        lambda: AugNet(2),
        lambda: Online(PolicyNetwork(2), learning_rate=0.05, noise=0.2),
    ],
    ids=["augnet", "online"],
)
def test_magnitudes_go_where_the_validation_loss_falls_faster(
    make: Callable[[], ScoreFunction], seen: Any
) -> None:
    """From a mean distance of 0.3 at the start; magnitudes drawn at random are 0.4 away."""
    runs = [run(make(), seen, seed) for seed in range(3)]
    started = [np.abs(chosen[:10].mean(0) - BEST).mean() for chosen in runs]
    ended = [np.abs(chosen[-30:].mean(0) - BEST).mean() for chosen in runs]
    assert min(started) > 0.2
    assert max(ended) < 0.12


def test_nothing_is_learned_where_nothing_helps(seen: Any) -> None:
    augnet = AugNet(2)
    augnet.start(0)
    before = [parameter.clone() for parameter in augnet.state_dict()["parameters"]]
    for step in range(20):
        augnet.decide(step / 20, seen(validation_loss=0.5))
    after = augnet.state_dict()["parameters"]
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))


def test_it_learns_inside_a_block_without_gradients(seen: Any) -> None:
    runs = []
    for enabled in (True, False):
        with torch.set_grad_enabled(enabled):
            runs.append(run(AugNet(2), seen, 0, steps=20))
    assert np.array_equal(*runs)


# AugNet


def test_augnet_is_study_4s(seen: Any) -> None:
    augnet = AugNet(3)
    augnet.start(0)
    sizes = [tuple(parameter.shape) for parameter in augnet.state_dict()["parameters"]]
    assert sizes == [(64, 4), (64,), (32, 64), (32,), (3, 32), (3,)]
    assert sum(isinstance(layer, nn.ReLU) for layer in augnet._network.modules()) == 2
    (group,) = augnet.state_dict()["optimizer"]["param_groups"]
    assert group["lr"] == 1e-2


def test_augnet_starts_near_the_policys_start(seen: Any) -> None:
    augnet = AugNet(2)
    first = []
    for seed in range(200):
        augnet.start(seed)
        first.append(augnet.decide(0.0, seen(validation_loss=1.0, batch_loss=1.0)))
    assert np.median(first, axis=0) == pytest.approx([0.15, 0.15], abs=0.03)
    assert 0.05 < np.std(first) < 0.2


# Online


def answering() -> PolicyNetwork:
    """A policy that answers to what it sees."""
    network = PolicyNetwork(2)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.actor.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) / 4)
    return network


def test_online_without_noise_and_learning_is_learned(seen: Any) -> None:
    online, learned = Online(answering(), learning_rate=0, noise=0), Learned(answering())
    online.start(5)
    observations = [seen(validation_loss=0.9**i, progress=i / 20) for i in range(20)]
    expected = [learned.decide(i / 20, o) for i, o in enumerate(observations)]
    assert [online.decide(i / 20, o) for i, o in enumerate(observations)] == expected
    assert len({tuple(magnitudes) for magnitudes in expected}) > 10


@pytest.mark.parametrize("op_bias", [True, False])
def test_online_moves_the_biases_alone_and_starts_from_the_policy_again(
    seen: Any, op_bias: bool
) -> None:
    policy = PolicyNetwork(2, op_bias=op_bias)
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    online = Online(policy)
    first = run(online, seen, 0, steps=30)
    after = online._network.state_dict()
    changed = {name for name in before if not torch.equal(after[name], before[name])}
    assert changed == {"op_bias"}
    assert policy.op_bias.requires_grad == op_bias
    assert all(torch.equal(value, before[name]) for name, value in policy.state_dict().items())
    assert np.array_equal(run(online, seen, 0, steps=30), first)


def test_online_stays_close_to_its_policy_in_a_short_run(seen: Any) -> None:
    policy = PolicyNetwork(2)
    online = Online(policy)
    for seed in range(20):
        chosen = run(online, seen, seed, steps=8)
        assert np.abs(online._network.op_bias.detach().numpy()).max() < 8 * 0.02 * 1.1
        assert np.abs(chosen - 0.15).max() < 0.2


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"noise": 0.0}, "noise must be above 0 where learning_rate is, got 0.0 for 0.01"),
        ({"noise": -1.0}, "noise must be a number of at least 0, got -1.0"),
        ({"learning_rate": math.nan}, "learning_rate must be a number of at least 0, got nan"),
    ],
)
def test_a_users_mistakes(settings: dict[str, float], rule: str) -> None:
    with pytest.raises(AdaptAugError, match=rule):
        AugNet(2, **settings)
