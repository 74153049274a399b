"""The score-function estimate by hand, and on a toy run whose best magnitudes are known."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from adaptaug import AdaptAugError
from adaptaug.controllers import AugNet, Online
from adaptaug.controllers.score_function import ScoreFunction
from adaptaug.policy.network import PolicyNetwork
from adaptaug.policy.observation import Observation


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


def test_gradient_and_baseline_match_hand_computation(seen: Any) -> None:
    """Losses 1, 1/2, 1/4, 1/16 are rewards of log 2, log 2 and log 4; baselines of log 2."""
    learner = Bandit(learning_rate=0.1, noise=0.5)
    learner.reset(3)
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


@pytest.mark.parametrize(
    "make",
    [
        lambda: AugNet(2),
        lambda: Online(PolicyNetwork(2), learning_rate=0.05, noise=0.2),
    ],
    ids=["augnet", "online"],
)
def test_magnitudes_move_to_where_the_validation_loss_falls_fastest(
    make: Callable[[], ScoreFunction], toy_run: Any, best: np.ndarray
) -> None:
    """The mean distance is 0.3 at the start; that of random magnitudes is 0.4."""
    runs = [toy_run(make(), seed) for seed in range(3)]
    first = [np.abs(chosen[:10].mean(0) - best).mean() for chosen in runs]
    last = [np.abs(chosen[-30:].mean(0) - best).mean() for chosen in runs]
    assert min(first) > 0.2
    assert max(last) < 0.12


def test_nothing_is_learned_from_a_constant_loss(seen: Any) -> None:
    augnet = AugNet(2)
    augnet.reset(0)
    before = [parameter.clone() for parameter in augnet.state_dict()["parameters"]]
    for step in range(20):
        augnet.decide(step / 20, seen(validation_loss=0.5))
    after = augnet.state_dict()["parameters"]
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))


def test_learning_works_under_no_grad(toy_run: Any) -> None:
    runs = []
    for enabled in (True, False):
        with torch.set_grad_enabled(enabled):
            runs.append(toy_run(AugNet(2), 0, steps=20))
    assert np.array_equal(*runs)


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"noise": 0.0}, "noise must be above 0 where learning_rate is, got 0.0 for 0.01"),
        ({"noise": -1.0}, "noise must be a number of at least 0, got -1.0"),
        ({"learning_rate": math.nan}, "learning_rate must be a number of at least 0, got nan"),
    ],
)
def test_setting_out_of_range_is_refused(settings: dict[str, float], rule: str) -> None:
    with pytest.raises(AdaptAugError, match=rule):
        AugNet(2, **settings)
