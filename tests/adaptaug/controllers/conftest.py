"""What controllers are shown in these tests."""

from collections.abc import Callable

import numpy as np
import pytest

from adaptaug.policy.observation import GLOBAL_FEATURES, OP_FEATURES, Observation


@pytest.fixture
def seen() -> Callable[..., Observation]:
    """Makes an observation from some of its features by name; the others are 0."""

    def make(n_ops: int = 2, **features: float) -> Observation:
        assert set(features) <= set(GLOBAL_FEATURES)
        run = [features.get(name, 0.0) for name in GLOBAL_FEATURES]
        ops = np.zeros((n_ops, len(OP_FEATURES)), np.float32)
        return Observation(np.array(run, np.float32), ops)

    return make
