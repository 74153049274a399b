"""What holds for every controller: magnitudes in range, one run from one seed, exact resuming."""

import io
import pickle
from typing import Any

import numpy as np
import pytest
import torch

from adaptaug.controllers import (
    ADA,
    AugNet,
    Constant,
    Controller,
    Learned,
    Online,
    Ramp,
    Random,
    Reactive,
)
from adaptaug.controllers.fixed import Linear, Schedule
from adaptaug.metrics import Metrics
from adaptaug.policy.network import PolicyNetwork
from adaptaug.policy.observation import (
    GLOBAL_FEATURES,
    OP_FEATURES,
    PROBE_FEATURES,
    Observation,
)

N_OPS = 3
GIVEN = [0.0, 0.3, 0.8]
EVERY = {
    "constant": lambda: Constant(GIVEN),
    "ramp": lambda: Ramp(GIVEN),
    "linear": lambda: Linear(GIVEN, [0.0] * N_OPS),
    "schedule": lambda: Schedule([0.0, 0.5], [GIVEN, [0.0] * N_OPS]),
    "random": lambda: Random(GIVEN),
    "learned": lambda: Learned(PolicyNetwork(N_OPS)),
    "reactive": lambda: Reactive([[0.0] * N_OPS, GIVEN, [1.0] * N_OPS], start=1, patience=2),
    "ada": lambda: ADA(GIVEN),
    "augnet": lambda: AugNet(N_OPS),
    "online": lambda: Online(PolicyNetwork(N_OPS)),
}
each = pytest.mark.parametrize("make", EVERY.values(), ids=EVERY)


def seen(seed: int = 0) -> Observation:
    random = np.random.default_rng(seed)
    return Observation(
        random.uniform(-4, 4, len(GLOBAL_FEATURES)).astype(np.float32),
        random.uniform(-4, 4, (N_OPS, len(OP_FEATURES))).astype(np.float32),
        Metrics(0.0, 0.0),
    )


def decisions(controller: Controller, count: int = 6, start: int = 0) -> list[list[float]]:
    """What a controller picks over a run of six decisions."""
    observed = [seen(i) if controller.features else None for i in range(start, start + count)]
    return [list(controller.decide((start + i) / 6, o)) for i, o in enumerate(observed)]


def saved(state: dict[str, Any]) -> dict[str, Any]:
    """What a checkpoint brings back: tensors and plain data only."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    loaded: dict[str, Any] = torch.load(file, weights_only=True)
    return loaded


@each
def test_magnitudes_are_one_per_op_in_0_to_1(make) -> None:
    controller = make()
    controller.reset(0)
    for magnitudes in decisions(controller):
        assert len(magnitudes) == N_OPS
        assert all(0 <= magnitude <= 1 for magnitude in magnitudes)


@each
def test_one_seed_gives_one_run_after_any_other(make) -> None:
    runs = []
    controller = make()
    for _ in range(2):  # `reset` leaves nothing of the run before
        controller.reset(7)
        runs.append(decisions(controller))
    assert runs[0] == runs[1]


@each
@pytest.mark.parametrize("stop", [0, 1, 3])
def test_resumed_run_equals_the_uninterrupted_one(make, stop: int) -> None:
    controller, resumed = make(), make()
    controller.reset(1)
    resumed.reset(2)
    decisions(controller, stop)
    decisions(resumed, 2)  # what came before does not matter
    state = saved(controller.state_dict())
    for _ in range(2):  # a state can be gone back to more than once
        resumed.load_state_dict(state)
        expected = decisions(controller, 3, start=3)
        assert decisions(resumed, 3, start=3) == expected
        controller.load_state_dict(state)


@each
def test_state_is_not_changed_by_later_decisions(make) -> None:
    controller = make()
    controller.reset(1)
    decisions(controller, 3)
    state = controller.state_dict()
    before = str(state)
    decisions(controller, 3, start=3)
    assert str(state) == before


@each
def test_pickled_controller_decides_alike(make) -> None:
    controller = make()
    controller.reset(1)
    decisions(controller, 2)
    sent = pickle.loads(pickle.dumps(controller))  # as to a worker
    assert decisions(sent, 3, start=2) == decisions(controller, 3, start=2)


@pytest.mark.parametrize("name", sorted(EVERY.keys() - {"learned"}))
def test_features_that_are_not_finite_leave_magnitudes_in_range(name: str) -> None:
    """Not that an observer would ever show it."""
    controller = EVERY[name]()
    controller.reset(0)
    for value in (np.nan, np.inf, -np.inf, 0.0, 4.0):
        broken = Observation(
            np.full(len(GLOBAL_FEATURES), value, np.float32),
            np.full((N_OPS, len(OP_FEATURES)), value, np.float32),
            Metrics(value, value),
        )
        magnitudes = controller.decide(0.5, broken if controller.features else None)
        assert all(0 <= magnitude <= 1 for magnitude in magnitudes)
    later = decisions(controller)
    assert all(0 <= magnitude <= 1 for magnitudes in later for magnitude in magnitudes)


@each
def test_global_random_state_is_unchanged(make) -> None:
    before = torch.get_rng_state()
    controller = make()
    controller.reset(0)
    decisions(controller)
    assert torch.equal(torch.get_rng_state(), before)


@each
def test_observing_controller_refuses_to_decide_unobserved(make) -> None:
    controller = make()
    if controller.features:
        with pytest.raises(ValueError, match="must observe the run"):
            controller.decide(0.5, None)
    else:
        assert controller.decide(0.5, None) is not None


@each
def test_magnitudes_are_not_changed_by_the_next_decision(make) -> None:
    controller = make()
    controller.reset(0)
    first = controller.decide(0.0, seen() if controller.features else None)
    copy = list(first)
    decisions(controller)
    assert list(first) == copy


def test_only_policies_read_probes() -> None:
    probing = {name for name, make in EVERY.items() if {*make().features} & {*PROBE_FEATURES}}
    assert probing == {"learned", "online"}
