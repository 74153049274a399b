"""What controllers observe in these tests: made-up features, and a toy run."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from adaptaug.controllers.score_function import ScoreFunction
from adaptaug.metrics import Metrics
from adaptaug.policy.observation import GLOBAL_FEATURES, OP_FEATURES, Observation


@pytest.fixture
def seen() -> Callable[..., Observation]:
    """Makes an observation from some of its features by name; the others are 0."""

    def make(n_ops: int = 2, **features: float) -> Observation:
        assert set(features) <= set(GLOBAL_FEATURES)
        run = [features.get(name, 0.0) for name in GLOBAL_FEATURES]
        ops = np.zeros((n_ops, len(OP_FEATURES)), np.float32)
        return Observation(np.array(run, np.float32), ops, Metrics(0.0, 0.0))

    return make


@pytest.fixture
def best() -> np.ndarray:
    """The magnitudes (2,) at which the validation loss of `toy_run` falls fastest."""
    return np.array([0.6, 0.0])


@pytest.fixture
def toy_run(seen: Any, best: np.ndarray) -> Callable[..., np.ndarray]:
    """Runs a controller that learns; the magnitudes (steps, 2) that it picked."""

    def run(controller: ScoreFunction, seed: int, steps: int = 150) -> np.ndarray:
        controller.reset(seed)
        noise = np.random.default_rng(seed)
        loss, chosen = 1.0, []
        for step in range(steps):
            observation = seen(validation_loss=loss, batch_loss=loss)
            magnitudes = np.array(controller.decide(step / steps, observation))
            chosen.append(magnitudes)
            nearness = math.exp(-(((magnitudes - best) / 0.3) ** 2).sum())
            loss *= math.exp(-0.02 * nearness + 0.001 * noise.normal())
        return np.stack(chosen)

    return run
