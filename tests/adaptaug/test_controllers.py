"""Controllers: one contract for all of them, and the values of each by hand."""

import io
import pickle
from typing import Any

import numpy as np
import pytest
import torch

from adaptaug import AdaptAugError
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
from adaptaug.controllers.base import check_magnitudes
from adaptaug.policy.network import PolicyNetwork
from adaptaug.policy.observation import GLOBAL_FEATURES, OP_FEATURES, Observation

N_OPS = 3
GIVEN = [0.0, 0.3, 0.8]
EVERY = {
    "constant": lambda: Constant(GIVEN),
    "ramp": lambda: Ramp(GIVEN),
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
    )


def decisions(controller: Controller, count: int = 6, start: int = 0) -> list[list[float]]:
    """What a controller picks over a run of six decisions."""
    observed = [seen(i) if controller.observes else None for i in range(start, start + count)]
    return [list(controller.decide((start + i) / 6, o)) for i, o in enumerate(observed)]


def saved(state: dict[str, Any]) -> dict[str, Any]:
    """What a checkpoint brings back: tensors and plain data only."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    loaded: dict[str, Any] = torch.load(file, weights_only=True)
    return loaded


@each
def test_one_magnitude_in_range_per_op(make) -> None:
    controller = make()
    controller.start(0)
    for magnitudes in decisions(controller):
        assert len(magnitudes) == N_OPS
        assert all(0 <= magnitude <= 1 for magnitude in magnitudes)


@each
def test_one_seed_one_run(make) -> None:
    runs = []
    controller = make()
    for _ in range(2):  # `start` leaves nothing of the run before
        controller.start(7)
        runs.append(decisions(controller))
    assert runs[0] == runs[1]


@each
@pytest.mark.parametrize("stop", [0, 1, 3])
def test_a_resumed_run_goes_on_as_it_would_have(make, stop: int) -> None:
    controller, resumed = make(), make()
    controller.start(1)
    resumed.start(2)
    decisions(controller, stop)
    decisions(resumed, 2)  # what came before does not matter
    state = saved(controller.state_dict())
    for _ in range(2):  # a state can be gone back to more than once
        resumed.load_state_dict(state)
        expected = decisions(controller, 3, start=3)
        assert decisions(resumed, 3, start=3) == expected
        controller.load_state_dict(state)


@each
def test_a_state_is_not_changed_by_the_run_that_goes_on(make) -> None:
    controller = make()
    controller.start(1)
    decisions(controller, 3)
    state = controller.state_dict()
    before = str(state)
    decisions(controller, 3, start=3)
    assert str(state) == before


@each
def test_a_copy_in_another_process_is_the_same(make) -> None:
    controller = make()
    controller.start(1)
    decisions(controller, 2)
    sent = pickle.loads(pickle.dumps(controller))  # as to a worker
    assert decisions(sent, 3, start=2) == decisions(controller, 3, start=2)


@pytest.mark.parametrize("name", sorted(EVERY.keys() - {"learned"}))
def test_what_is_not_finite_breaks_nothing(name: str) -> None:
    """Not that an observer would ever show it."""
    controller = EVERY[name]()
    controller.start(0)
    for value in (np.nan, np.inf, -np.inf, 0.0, 4.0):
        broken = Observation(
            np.full(len(GLOBAL_FEATURES), value, np.float32),
            np.full((N_OPS, len(OP_FEATURES)), value, np.float32),
        )
        magnitudes = controller.decide(0.5, broken if controller.observes else None)
        assert all(0 <= magnitude <= 1 for magnitude in magnitudes)
    later = decisions(controller)
    assert all(0 <= magnitude <= 1 for magnitudes in later for magnitude in magnitudes)


@each
def test_random_state_is_left_as_it_was(make) -> None:
    before = torch.get_rng_state()
    controller = make()
    controller.start(0)
    decisions(controller)
    assert torch.equal(torch.get_rng_state(), before)


@each
def test_who_observes_must_be_shown_something(make) -> None:
    controller = make()
    if controller.observes:
        with pytest.raises(ValueError, match="must observe the run"):
            controller.decide(0.5, None)
    else:
        assert controller.decide(0.5, None) is not None


@each
def test_magnitudes_of_a_decision_are_not_changed_by_the_next(make) -> None:
    controller = make()
    controller.start(0)
    first = controller.decide(0.0, seen() if controller.observes else None)
    copy = list(first)
    decisions(controller)
    assert list(first) == copy


def test_constant() -> None:
    assert decisions(Constant(GIVEN), 2) == [GIVEN, GIVEN]


def test_ramp_by_hand() -> None:
    ramp = Ramp([0.0, 0.3, 0.8])
    assert ramp.decide(0.0, None) == [0, 0, 0]
    assert ramp.decide(0.25, None) == pytest.approx([0, 0.15, 0.4])
    assert ramp.decide(0.75, None) == pytest.approx([0, 0.45, 1])  # 1.2 is cut


def test_random_is_uniform_up_to_twice_the_given() -> None:
    random = Random([0.0, 0.3])
    random.start(0)
    drawn = np.array([random.decide(0.5, None) for _ in range(4000)])
    assert drawn[:, 0].max() == 0
    assert drawn[:, 1].mean() == pytest.approx(0.3, abs=0.01)
    assert 0.59 < drawn[:, 1].max() <= 0.6


def test_random_differs_between_seeds() -> None:
    runs = []
    for seed in (0, 1):
        random = Random(GIVEN)
        random.start(seed)
        runs.append(decisions(random))
    assert runs[0] != runs[1]


def test_learned_says_what_its_network_says() -> None:
    network = PolicyNetwork(N_OPS)
    assert Learned(network).decide(0.5, seen()) == network.magnitudes(seen().flat())


def test_only_policies_need_probes() -> None:
    probing = {name for name, make in EVERY.items() if make().observes and make().probes}
    assert probing == {"learned", "online"}


@pytest.mark.parametrize("magnitude", [-0.1, 1.1, float("nan")])
def test_a_magnitude_out_of_range_is_refused(magnitude: float) -> None:
    rule = rf"magnitude must lie in \[0, 1\], got {magnitude} for op 1"
    with pytest.raises(AdaptAugError, match=rule):
        check_magnitudes([0.5, magnitude])
    for make in (ADA, lambda bad: Reactive([[0.0, 0.0], bad])):
        with pytest.raises(AdaptAugError, match=rule):
            make([0.5, magnitude])
