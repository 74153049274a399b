"""AugNet's network is that of study 4, and starts at the policy's starting magnitudes."""

from typing import Any

import numpy as np
import pytest
from torch import nn

from adaptaug.controllers import AugNet


def test_network_and_learning_rate_are_those_of_study_4() -> None:
    augnet = AugNet(3)
    augnet.reset(0)
    sizes = [tuple(parameter.shape) for parameter in augnet.state_dict()["parameters"]]
    assert sizes == [(64, 4), (64,), (32, 64), (32,), (3, 32), (3,)]
    assert sum(isinstance(layer, nn.ReLU) for layer in augnet._network.modules()) == 2
    (group,) = augnet.state_dict()["optimizer"]["param_groups"]
    assert group["lr"] == 1e-2


def test_first_magnitudes_are_near_the_policys_start(seen: Any) -> None:
    augnet = AugNet(2)
    first = []
    for seed in range(200):
        augnet.reset(seed)
        first.append(augnet.decide(0.0, seen(validation_loss=1.0, batch_loss=1.0)))
    assert np.median(first, axis=0) == pytest.approx([0.15, 0.15], abs=0.03)
    assert 0.05 < np.std(first) < 0.2
