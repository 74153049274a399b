"""Controllers that observe the run, in short trainings on digits."""

from collections.abc import Callable

import pytest

from adaptaug.controllers import ADA, AugNet, Controller, Learned, Online, Reactive
from adaptaug.evaluation.train_child import Arm, Job, Record, train_child
from adaptaug.policy.network import PolicyNetwork
from adaptaug.training.task import Task

OPS = ("rotate", "translate", "noise")
TASK = Task(steps=72, n_train=60, n_validation=100, width=8, decision_interval=6)


def train(controller: Controller, seed: int = 0) -> Record:
    record = train_child(Job(Arm("arm", OPS, controller), TASK, seed))
    return {name: value for name, value in record.items() if "seconds" not in name}


@pytest.mark.parametrize(
    "make",
    [
        lambda: Reactive([[0.0] * 3, [0.3] * 3, [0.6] * 3]),
        lambda: ADA([0.5] * 3, target=0.1),
        lambda: AugNet(3),
        lambda: Online(PolicyNetwork(3)),
    ],
    ids=["reactive", "ada", "augnet", "online"],
)
def test_child_learns_and_the_run_repeats(make: Callable[[], Controller]) -> None:
    controller = make()
    record = train(controller)
    assert not record["diverged"]
    assert record["accuracy"] > 0.5  # chance is 0.1
    assert len(record["magnitudes"]) == 12
    assert all(0 <= m <= 1 for decision in record["magnitudes"] for m in decision)
    assert len({tuple(decision) for decision in record["magnitudes"]}) > 2
    assert train(controller) == record  # `reset` leaves nothing of the run before
    assert train(make()) == record


def test_online_without_noise_and_learning_trains_the_same_child_as_learned() -> None:
    network = PolicyNetwork(3)
    assert train(Online(network, learning_rate=0, noise=0)) == train(Learned(network))
