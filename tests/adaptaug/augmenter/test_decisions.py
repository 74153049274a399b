"""Decisions in a user's loop: where they fall, what they see, and that an episode has the same."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from adaptaug import Augmenter, Policy
from adaptaug.augmenter.decisions import pilot
from adaptaug.controllers import Learned
from adaptaug.data import Examples
from adaptaug.data.examples import Split
from adaptaug.metrics import evaluate
from adaptaug.ops import OpSpace
from adaptaug.policy.cost import CostTable
from adaptaug.policy.observation import (
    FEATURES,
    GLOBAL_FEATURES,
    PROBE_SIZE,
    Observation,
    Observer,
)
from adaptaug.training.episode import Episode
from adaptaug.training.task import Task

Batch = Callable[..., tuple[Tensor, Tensor]]
OPS = ("rotate", "hue", "noise", "mixup")


class Notes:
    """A board that notes the names and steps of what is written to it."""

    def __init__(self) -> None:
        self.written: list[tuple[Any, ...]] = []

    def magnitudes(self, names: Any, values: Any, step: int) -> None:
        assert (list(names), len(values)) == (list(OPS), len(OPS))
        self.written.append(("magnitudes", step))

    def child_curves(self, history: Any, step: int) -> None:
        self.written.append((*history, step))

    def image_grid(self, before: Tensor, after: Tensor, step: int) -> None:
        assert before.shape == after.shape == (16, 1, 8, 8)
        assert not torch.equal(before, after)
        self.written.append(("images", step))


def test_observations_and_magnitudes_equal_an_episodes(watch: Any) -> None:
    """The Augmenter runs beside an episode, on the model that the episode trains."""
    task = Task(steps=12, n_train=40, n_validation=50, batch_size=40, width=2, decisions=3)
    watched = watch()
    episode = Episode(task, 5, OpSpace(OPS), CostTable())
    run, budget = episode.run, {"total_steps": 12, "n_train": 40, "decisions": 3}
    beside = Augmenter(watched, run.model, run.validation, ops=OPS, seed=5, **budget)
    while not episode.finished:
        expected = episode.observe()
        for step in range(4):
            beside(run.train.inputs, run.train.targets)
            if step == 0:
                assert np.array_equal(watched.seen[-1].flat(), expected.flat())
        used = episode.advance(watched.network.magnitudes(expected.flat()))
        assert list(beside.magnitudes.values()) == used
        assert used[1] == 0  # hue, on grayscale
        assert episode.batches is not None
        beside.record(episode.batches.loss, torch.tensor(episode.batches.score))
    assert watched.progress == pytest.approx([0, 1 / 3, 2 / 3])


def test_policy_brings_ops_costs_rhythm_and_min_epochs(policy: Callable[..., Policy]) -> None:
    chosen = pilot(policy(decision_interval=7, min_epochs=3.5), None, None)
    assert isinstance(chosen.controller, Learned)
    assert chosen.controller.min_epochs == 3.5
    assert chosen.op_space.names == OPS
    assert chosen.costs == policy().costs
    assert (chosen.decisions, chosen.decision_interval) == (4, 7)


@pytest.mark.parametrize(
    ("rhythm", "overridden", "expected"),
    [
        ({"decisions": 8}, None, Task(steps=12).boundaries()),
        ({"decisions": 5}, None, Task(steps=12, decisions=5).boundaries()),
        ({"decision_interval": 5}, None, [5, 10, 12]),
        ({"decision_interval": 50}, None, [12]),
        ({"decision_interval": 5}, 2, [6, 12]),
        ({"decisions": 100}, None, list(range(1, 13))),
    ],
)
def test_decision_steps_equal_those_of_a_task(
    augmenter: Callable[..., Augmenter],
    policy: Callable[..., Policy],
    batch: Batch,
    rhythm: dict[str, int],
    overridden: int | None,
    expected: list[int],
) -> None:
    board = Notes()
    using = augmenter(policy(**rhythm), decisions=overridden, board=board)
    for step in range(12):
        using(*batch(step))
    decided = [step for name, *_, step in board.written if name == "magnitudes"]
    assert decided == [0, *expected[:-1]]


def test_run_shorter_than_min_epochs_is_neither_observed_nor_augmented(
    monkeypatch: pytest.MonkeyPatch,
    augmenter: Callable[..., Augmenter],
    policy: Callable[..., Policy],
    batch: Batch,
) -> None:
    """12 batches of 16 of 100 examples are 1.92 epochs; also when resumed from a state."""
    observed: list[float] = []
    observe = Observer.observe

    def watched(self: Observer, model: nn.Module, situation: Any, names: Any) -> Observation:
        observed.append(situation.progress)
        return observe(self, model, situation, names)

    monkeypatch.setattr(Observer, "observe", watched)
    state: dict[str, Any] = {}
    for part in (range(6), range(6, 12)):
        using = augmenter(policy(min_epochs=2.0))
        if state:
            using.load_state_dict(state)
        for index in part:
            assert using(*batch(index))[0].equal(batch(index)[0].float() / 255)
        state = using.state_dict()
    assert observed == []
    using = augmenter(policy(min_epochs=1.92))
    changed = [not using(*batch(i))[0].equal(batch(i)[0].float() / 255) for i in range(12)]
    assert any(changed)
    assert len(observed) == 4


def test_observation_has_the_mean_of_what_was_recorded(
    augmenter: Callable[..., Augmenter], watch: Any, batch: Batch
) -> None:
    watched = watch()
    using = augmenter(watched, decisions=3)
    for step in range(5):
        using(*batch(step))
        using.record(torch.tensor(float(step)), 0.25 * step)
    seen = watched.seen[1]  # after steps 0 to 3
    assert seen.feature("batch_loss") == pytest.approx(1.5 / np.log(10))
    assert seen.feature("batch_accuracy") == pytest.approx((0.375 - 0.1) / 0.9)


@pytest.mark.parametrize("probes", [True, False])
def test_probes_are_made_and_charged_only_where_the_controller_reads_them(
    augmenter: Callable[..., Augmenter], watch: Any, batch: Batch, probes: bool
) -> None:
    watched = watch()
    watched.features = FEATURES if probes else GLOBAL_FEATURES
    using = augmenter(watched, decisions=3)
    for step in range(5):
        using(*batch(step))
    assert np.isfinite(watched.seen[1].ops).all() == probes
    paid = CostTable().observe if probes else CostTable().validate
    assert watched.seen[0].feature("cost") == pytest.approx(paid / 12)


@pytest.mark.parametrize(("n_train", "expected"), [(1000, PROBE_SIZE), (40, 40)])
def test_train_loss_is_that_of_the_first_training_examples_unaugmented(
    augmenter: Callable[..., Augmenter],
    watch: Any,
    batch: Batch,
    digits: Split,
    child: Callable[..., nn.Module],
    n_train: int,
    expected: int,
) -> None:
    watched, model = watch(), child()
    using = augmenter(watched, model, n_train=n_train, decisions=12)
    for step in range(12):
        images, targets = batch(step)
        using(images / 255 if step % 2 else images, targets)
    first = evaluate(model, digits.train[torch.arange(expected)])
    assert watched.seen[-1].feature("train_loss") == pytest.approx(first.loss / np.log(10))
    assert watched.seen[-1].feature("train_score") == pytest.approx((first.score - 0.1) / 0.9)


def test_train_loss_of_label_distributions_is_that_of_the_likeliest_class(
    augmenter: Callable[..., Augmenter],
    watch: Any,
    batch: Batch,
    child: Callable[..., nn.Module],
) -> None:
    watched, model = watch(), child()
    images, targets = batch(0)
    smooth = 0.9 * nn.functional.one_hot(targets, 10) + 0.01
    augmenter(watched, model)(images, smooth)
    hard = evaluate(model, Examples(images, targets))
    assert watched.seen[0].feature("train_loss") == pytest.approx(hard.loss / np.log(10))


def test_batch_size_defaults_to_that_of_the_first_batch(
    augmenter: Callable[..., Augmenter], watch: Any, batch: Batch
) -> None:
    seen = []
    for size in (16, None):
        watched = watch()
        augmenter(watched, batch_size=size)(*batch(0))
        seen.append(watched.seen[0].flat())
    assert np.array_equal(*seen)


def test_board_gets_magnitudes_held_out_scores_and_images_at_each_decision(
    augmenter: Callable[..., Augmenter], policy: Callable[..., Policy], batch: Batch
) -> None:
    board = Notes()
    using = augmenter(policy(decisions=2), board=board)
    for step in range(12):
        using(*batch(step))
    curves = "held_out_loss", "held_out_score"
    assert board.written == [
        entry
        for step in (0, 6)
        for entry in (("magnitudes", step), (*curves, step), ("images", step))
    ]
