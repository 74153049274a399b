"""Controllers: one contract for all of them, and the values of each by hand."""

import json

import numpy as np
import pytest

from adaptaug.controllers import Constant, Controller, Learned, Ramp, Random
from adaptaug.observation import GLOBAL_FEATURES, OP_FEATURES, Observation
from adaptaug.policy import PolicyNetwork

N_OPS = 3
GIVEN = [0.0, 0.3, 0.8]
EVERY = {
    "constant": lambda: Constant(GIVEN),
    "ramp": lambda: Ramp(GIVEN),
    "random": lambda: Random(GIVEN),
    "learned": lambda: Learned(PolicyNetwork(N_OPS)),
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
def test_a_resumed_run_goes_on_as_it_would_have(make) -> None:
    controller, resumed = make(), make()
    controller.start(1)
    resumed.start(2)
    decisions(controller, 3)
    resumed.load_state_dict(json.loads(json.dumps(controller.state_dict())))
    assert decisions(resumed, 3, start=3) == decisions(controller, 3, start=3)


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


def test_learned_must_observe() -> None:
    with pytest.raises(ValueError, match="must observe"):
        Learned(PolicyNetwork(N_OPS)).decide(0.5, None)
