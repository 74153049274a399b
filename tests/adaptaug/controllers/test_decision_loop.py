"""The decision loop: when decisions fall, which magnitudes are in force, and costs by hand."""

from collections.abc import Callable, Collection, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from adaptaug.controllers import Constant, Controller
from adaptaug.controllers.decision_loop import DecisionLoop
from adaptaug.data import Examples
from adaptaug.errors import AdaptAugError
from adaptaug.ops import OpSpace
from adaptaug.policy.cost import CostTable
from adaptaug.policy.observation import (
    FEATURES,
    GLOBAL_FEATURES,
    Observation,
    Observer,
    Situation,
)

OPS = ("rotate", "hue", "noise")
COSTS = CostTable({"geometry": 0.5, "noise": 0.25, "colour": 8.0}, observe=3.0, validate=0.75)
MIDDLE = Situation(progress=0.5, epochs=3.0, learning_rate=0.7, batches=None, cost=99.0)


class Brightness(nn.Module):
    """Two logits, by how bright an image is."""

    def forward(self, images: Tensor) -> Tensor:
        brightness = images.mean((1, 2, 3))
        return torch.stack([-brightness, brightness], 1)


class Watched(Controller):
    """Picks the same magnitudes and keeps what it was asked with."""

    features: Collection[str] = FEATURES

    def __init__(self, magnitudes: Sequence[float]) -> None:
        self.magnitudes = magnitudes
        self.asked: list[tuple[float, Observation | None]] = []

    def decide(self, progress: float, observation: Observation | None) -> Sequence[float]:
        self.asked.append((progress, observation))
        return self.magnitudes


def loop(boundaries: Sequence[int] = (4, 8, 12)) -> DecisionLoop:
    """A loop on four grayscale images, for which the op "hue" makes no sense."""
    images = torch.zeros(4, 1, 4, 4, dtype=torch.uint8)
    images[1::2] = 255
    examples = Examples(images, torch.arange(4) % 2)
    return DecisionLoop(Observer(OpSpace(OPS), examples, examples, 2, seed=0), COSTS, boundaries)


def refuse(features: Collection[str]) -> Observation:
    raise AssertionError("observed")


@pytest.mark.parametrize(
    ("boundaries", "due", "lengths"),
    [
        ([4, 8, 12], [0, 4, 8], [4, 4, 4]),
        ([5, 10, 12], [0, 5, 10], [5, 5, 2]),
        ([12], [0], [12]),
        ([1, 2, 3], [0, 1, 2], [1, 1, 1]),
    ],
)
def test_decisions_are_due_at_the_start_and_at_every_boundary_but_the_last(
    boundaries: list[int], due: list[int], lengths: list[int]
) -> None:
    decisions = loop(boundaries)
    assert [step for step in range(15) if decisions.due(step)] == due
    assert [decisions.hold([0, 0, 0], step) for step in due] == lengths


def test_cost_matches_hand_computation() -> None:
    decisions, model = loop([5, 10, 12]), Brightness()
    assert decisions.cost == 0
    decisions.observe(model, MIDDLE)  # 3
    decisions.hold([0.5, 0, 0], 0)  # geometry for 5 steps: 2.5
    assert decisions.cost == pytest.approx(5.5 / 12)
    decisions.observe(model, MIDDLE, GLOBAL_FEATURES)  # 0.75
    decisions.observe(model, MIDDLE, ("progress", "batch_loss", "magnitude"))  # nothing
    decisions.hold([0.1, 0, 1], 5)  # geometry and noise for 5 steps: 3.75
    decisions.hold([0, 0, 0.2], 10)  # noise for 2 steps: 0.5
    assert decisions.cost == pytest.approx(10.5 / 12)


def test_without_validation_examples_an_observation_costs_no_probes() -> None:
    decisions = loop()
    decisions.observer.validation = Examples(torch.zeros(0, 1, 4, 4), torch.zeros(0).long())
    seen = decisions.observe(Brightness(), MIDDLE)
    assert decisions.cost == pytest.approx(0.75 / 12)
    assert seen.feature("cost") == pytest.approx(0.75 / 12)


def test_observation_has_the_cost_so_far_with_its_own() -> None:
    decisions = loop()
    seen = decisions.observe(Brightness(), MIDDLE)
    assert seen.feature("cost") == pytest.approx(3 / 12)
    assert seen.feature("learning_rate") == pytest.approx(0.7)


def test_op_that_makes_no_sense_for_the_data_is_neither_in_force_nor_charged() -> None:
    decisions = loop()
    assert decisions.magnitudes == [0, 0, 0]
    decisions.hold([0.5, 1.0, 0.25], 0)
    assert decisions.magnitudes == [0.5, 0, 0.25]
    assert decisions.cost == pytest.approx(4 * 0.75 / 12)
    seen = decisions.observe(Brightness(), MIDDLE)
    assert seen.ops[:, 3].tolist() == [0.5, 0, 0.25]


def test_controller_gets_progress_and_the_observation_that_it_reads() -> None:
    decisions, controller = loop(), Watched([0.1, 0.2, 0.3])
    controller.features = ("learning_rate", "train_loss")

    def observe(features: Collection[str]) -> Observation:
        assert features == ("learning_rate", "train_loss")
        return decisions.observe(Brightness(), MIDDLE, features)

    assert decisions.decide(controller, 3, 5.0, observe) == [0.1, 0.2, 0.3]
    ((progress, observation),) = controller.asked
    assert progress == 0.25
    assert observation is not None
    assert decisions.magnitudes == [0, 0, 0]  # until `hold`


def test_controller_that_does_not_observe_costs_nothing() -> None:
    decisions = loop()
    assert decisions.decide(Constant([0.1, 0.2, 0.3]), 0, 5.0, refuse) == [0.1, 0.2, 0.3]
    assert decisions.cost == 0


@pytest.mark.parametrize(("epochs", "asked"), [(1.99, 0), (2.0, 1), (3.0, 1)])
def test_run_shorter_than_min_epochs_is_left_alone_unobserved(epochs: float, asked: int) -> None:
    decisions, controller = loop(), Watched([0.1, 0.2, 0.3])
    controller.min_epochs = 2.0

    def observe(features: Collection[str]) -> Observation:
        return decisions.observe(Brightness(), MIDDLE, features)

    chosen = decisions.decide(controller, 0, epochs, observe if asked else refuse)
    assert list(chosen) == ([0.1, 0.2, 0.3] if asked else [0, 0, 0])
    assert len(controller.asked) == asked
    assert decisions.cost == (pytest.approx(3 / 12) if asked else 0)


@pytest.mark.parametrize("count", [2, 4])
def test_wrong_number_of_magnitudes_is_refused(count: int) -> None:
    with pytest.raises(AdaptAugError, match=f"a magnitude for each of 3 ops, got {count}"):
        loop().decide(Constant([0.5] * count), 0, 5.0, refuse)


def test_state_is_where_another_loop_continues() -> None:
    first, second, model = loop(), loop(), Brightness()
    first.observe(model, MIDDLE)
    first.hold([0.5, 0, 0.25], 0)
    second.hold([1, 1, 1], 0)  # what came before does not matter
    state = first.state_dict()
    second.load_state_dict(state)
    assert second.magnitudes == first.magnitudes
    assert second.cost == first.cost
    steps: list[Callable[[DecisionLoop], object]] = [
        lambda decisions: decisions.observe(model, MIDDLE).flat(),
        lambda decisions: decisions.hold([0, 0, 1], 4),
        lambda decisions: decisions.observe(model, MIDDLE).flat(),
    ]
    assert all(np.array_equal(step(first), step(second)) for step in steps)
    assert state["magnitudes"] == [0.5, 0, 0.25]
    assert second.cost == first.cost
