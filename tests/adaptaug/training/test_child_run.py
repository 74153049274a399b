"""Child training: annealed, shuffled every epoch, fixed by its seed, stopped early."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from adaptaug.data import Examples, load, split
from adaptaug.errors import AdaptAugError
from adaptaug.metrics import Metrics, evaluate, predict
from adaptaug.ops import OpSpace
from adaptaug.policy.schedules import SCHEDULES
from adaptaug.training.child_run import ChildRun
from adaptaug.training.setup import set_up
from adaptaug.training.task import Task

OPS = ("rotate", "brightness", "noise", "mixup")
OFF, ON = [0.0] * 4, [0.3, 0.5, 0.2, 0.4]
TASK = Task(steps=16, n_train=40, n_validation=50, batch_size=8, width=4)


def child_run(task: Task = TASK, seed: int = 0) -> ChildRun:
    parts = split(load(task.dataset), task.n_train, task.n_validation, seed)
    return ChildRun(task, parts.train, parts.validation, 10, OpSpace(OPS), seed)


def weights(run: ChildRun) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in run.model.parameters()])


@pytest.mark.parametrize("name", ["one_cycle", "cosine"])
def test_last_step_is_no_larger_than_its_small_learning_rate(name: str) -> None:
    run = child_run(TASK.but(schedule=name))
    run.train_batches(15, OFF)
    before = weights(run)
    rate = TASK.peak_learning_rate * SCHEDULES[name](15 / 16)
    assert rate < 0.02 * TASK.peak_learning_rate
    run.train_batches(1, OFF)
    # an Adam step is at most about twice its rate after a few steps
    assert 0 < (weights(run) - before).abs().max() < 3 * rate
    assert run.learning_rate == 0
    assert run.progress == 1
    assert run.finished


def words_run(task: Task, seed: int = 0) -> ChildRun:
    return set_up(task, seed, OpSpace(["synonym", "swap", "masking", "mention"]))[0]


RUNS = {"image": child_run, "text": words_run, "tagging": words_run}
TASKS = {
    "image": TASK,
    "text": TASK.but(dataset="opinions", child="bilstm", lexicon="opinions"),
    "tagging": TASK.but(dataset="mentions", child="tagger", lexicon="mentions"),
}


@pytest.mark.parametrize("kind", RUNS)
@pytest.mark.parametrize("magnitudes", [OFF, ON])
def test_one_seed_gives_one_child_bit_for_bit(kind: str, magnitudes: list[float]) -> None:
    first, second, other = (RUNS[kind](TASKS[kind], seed) for seed in (0, 0, 1))
    torch.rand(11)  # the global generator does not matter
    results = [run.train_batches(10, magnitudes) for run in (first, second, other)]
    assert results[0] == results[1]
    assert torch.equal(weights(first), weights(second))
    assert results[0] != results[2]
    assert not torch.equal(weights(first), weights(other))


@pytest.mark.parametrize("kind", RUNS)
def test_child_does_not_depend_on_where_training_pauses(kind: str) -> None:
    at_once, in_parts = (RUNS[kind](TASKS[kind]) for _ in range(2))
    at_once.train_batches(16, OFF)
    for batches in (1, 5, 10):
        in_parts.train_batches(batches, OFF)
        evaluate(in_parts.model, in_parts.validation)
    assert torch.equal(weights(at_once), weights(in_parts))


def test_large_interval_is_augmented_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parts = child_run(), child_run()
    whole.train_batches(16, OFF)
    monkeypatch.setattr("adaptaug.training.child_run.AUGMENT_CHUNK", 3 * 8 * 64)  # three batches
    parts.train_batches(16, OFF)
    assert torch.equal(weights(whole), weights(parts))


def random_states() -> tuple[list[int], list[int]]:
    """The states of torch's and numpy's global generators."""
    keys = np.random.get_state()[1]  # noqa: NPY002
    return torch.get_rng_state().tolist(), keys.tolist()


def test_global_random_states_are_unchanged() -> None:
    before = random_states()
    run = child_run()
    run.train_batches(4, ON)
    evaluate(run.model, run.validation)
    assert random_states() == before


class Spy:
    """Keeps the numbers of the rows that it is given; a row's first pixel is its number."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def apply(self, images: Tensor, targets: Tensor, *arguments: Any) -> tuple[Tensor, Tensor]:
        self.rows += (images[:, 0, 0, 0] * 255).round().int().tolist()
        return images, targets


@pytest.mark.parametrize("n_train", [40, 13, 5])  # in batches of 8: even, odd, below one batch
def test_every_epoch_holds_every_row_once(n_train: int) -> None:
    images = torch.zeros(n_train, 1, 8, 8, dtype=torch.uint8)
    images[:, 0, 0, 0] = torch.arange(n_train)
    train = Examples(images, torch.zeros(n_train, dtype=torch.int64))
    spy: Any = Spy()
    run = ChildRun(TASK, train, train, 10, spy, seed=0)
    for batches in (3, 1, 12):
        run.train_batches(batches, OFF)
    assert len(spy.rows) == 16 * 8
    epochs = [spy.rows[start : start + n_train] for start in range(0, 16 * 8, n_train)]
    for rows in epochs[:-1]:
        assert sorted(rows) == list(range(n_train))
    assert len(set(epochs[-1])) == len(epochs[-1])
    assert epochs[0] != epochs[1]


def test_early_stopping_restores_the_best_weights() -> None:
    run = child_run(TASK.but(patience=2))
    losses = iter([1.0, 0.5, 0.7, 0.6])
    best = weights(run)
    for count in range(1, 5):
        assert not run.finished
        run.train_batches(1, OFF)
        if count == 2:
            best = weights(run)
        run.check_early_stopping(Metrics(next(losses), 0.1))
    assert run.stopped
    assert run.finished
    assert run.step == 4
    assert torch.equal(weights(run), best)


def test_end_of_a_run_with_patience_restores_the_best_weights() -> None:
    run = child_run(TASK.but(patience=5))
    run.train_batches(8, OFF)
    best = weights(run)
    run.check_early_stopping(Metrics(0.5, 0.9))
    run.train_batches(8, OFF)
    run.check_early_stopping(Metrics(0.6, 0.9))
    assert torch.equal(weights(run), best)


@pytest.mark.parametrize(
    ("losses", "best"), [((1.0, math.nan, 5.0), 0), ((math.nan, 5.0, math.nan), 1)]
)
def test_loss_that_is_nan_is_never_the_best(losses: tuple[float, ...], best: int) -> None:
    run = child_run(TASK.but(patience=2))
    seen = []
    for loss in losses:
        run.train_batches(1, OFF)
        seen.append(weights(run))
        run.check_early_stopping(Metrics(loss, 0.1))
    run.check_early_stopping(Metrics(math.nan, 0.1))
    assert run.stopped
    assert torch.equal(weights(run), seen[best])


def test_run_without_patience_does_not_stop_early() -> None:
    run = child_run()
    for loss in (1.0, 2.0, 3.0):
        run.train_batches(1, OFF)
        before = weights(run)
        run.check_early_stopping(Metrics(loss, 0.1))
        assert torch.equal(weights(run), before)
    assert not run.finished


@pytest.mark.parametrize("kind", ["text", "tagging"])
def test_training_the_used_embedding_rows_equals_training_all(kind: str) -> None:
    fast, slow = (RUNS[kind](TASKS[kind]) for _ in range(2))
    slow._rows = None
    for run in (fast, slow):
        for magnitudes in (OFF, ON):
            run.train_batches(4, magnitudes)
    assert torch.equal(weights(fast), weights(slow))


@pytest.mark.parametrize("kind", ["text", "tagging"])
def test_weight_decay_reaches_unused_embedding_rows(kind: str) -> None:
    run = RUNS[kind](TASKS[kind].but(weight_decay=0.1, optimizer="adamw"))
    assert run._rows is None
    words = run.model.encoder.words.weight
    before = words.detach().clone()
    run.train_batches(1, OFF)
    shrunk = before * (1 - 0.1 * TASK.peak_learning_rate * SCHEDULES["one_cycle"](0))
    unused = words.isclose(shrunk, rtol=1e-6, atol=0).all(1)
    assert 0 < unused.sum() < len(words)
    assert not torch.equal(words[unused], before[unused])


def test_adamw_decays_weights_and_adam_adds_decay_to_the_gradient() -> None:
    task, decay = TASK.but(schedule="constant", peak_learning_rate=1e-3), 0.5
    plain, beside, within = (
        child_run(task.but(optimizer=name, weight_decay=amount))
        for name, amount in (("adam", 0.0), ("adamw", decay), ("adam", decay))
    )
    first = weights(plain)
    for run in (plain, beside, within):
        run.train_batches(1, OFF)
    expected = weights(plain) - 1e-3 * decay * first
    assert torch.allclose(weights(beside), expected, rtol=0, atol=1e-7)
    assert not torch.allclose(weights(within), expected, rtol=0, atol=1e-4)
    assert not torch.equal(weights(within), weights(plain))
    idle = child_run(task.but(optimizer="adamw"))
    idle.train_batches(1, OFF)
    assert torch.equal(weights(idle), weights(plain))


@pytest.mark.parametrize("kind", ["text", "tagging"])
def test_children_for_sentences_learn(kind: str) -> None:
    task = TASKS[kind].but(steps=100, n_train=200, batch_size=32, width=32, n_validation=200)
    run = RUNS[kind](task.but(peak_learning_rate=3e-3))
    before = evaluate(run.model, run.validation)
    run.train_batches(100, OFF)
    after = evaluate(run.model, run.validation)
    assert after.score > before.score + 0.1


def test_divergence_is_flagged() -> None:
    run = child_run(TASK.but(peak_learning_rate=1e30))
    metrics = run.train_batches(3, OFF)
    assert run.diverged
    assert run.finished
    assert not math.isfinite(metrics.loss)
    healthy = child_run()
    healthy.train_batches(3, OFF)
    assert not healthy.diverged


def test_weights_that_are_nan_are_flagged_as_divergence() -> None:
    run = child_run()
    with torch.no_grad():
        next(run.model.parameters()).fill_(math.nan)
    run.train_batches(1, ON)
    assert run.diverged


def test_digits_are_learned() -> None:
    task = TASK.but(steps=150, n_train=100, batch_size=32, width=8, n_validation=200)
    run = child_run(task)
    before = evaluate(run.model, run.validation)
    run.train_batches(150, OFF)
    after = evaluate(run.model, run.validation)
    assert after.loss < before.loss
    assert after.score > 0.7


def test_unknown_schedule_optimizer_precision_or_child_is_refused() -> None:
    with pytest.raises(AdaptAugError, match=r"schedule must be one of .*, got 'step'"):
        child_run(TASK.but(schedule="step"))
    with pytest.raises(AdaptAugError, match=r"optimizer must be one of .*, got 'sgd'"):
        child_run(TASK.but(optimizer="sgd"))
    with pytest.raises(AdaptAugError, match=r"child must be one of .*, got 'tree'"):
        child_run(TASK.but(child="tree"))
    with pytest.raises(AdaptAugError, match=r"precision must be one of .*, got 'half'"):
        child_run(TASK.but(precision="half"))


def test_bfloat16_trains_nearly_alike_and_repeats() -> None:
    task = TASK.but(steps=60, n_train=100, batch_size=32, width=8, n_validation=200)
    exact, first, second = map(child_run, (task, *[task.but(precision="bfloat16")] * 2))
    for run in (exact, first, second):
        run.train_batches(60, ON)
    assert torch.equal(weights(first), weights(second))
    assert weights(first).dtype == torch.float32
    logits = predict(first.model, first.validation.inputs)
    assert logits.dtype == torch.float32
    own = torch.get_autocast_dtype("cpu"), torch.is_autocast_enabled("cpu")
    assert own == (torch.bfloat16, False)  # autocast is off again
    assert not torch.equal(weights(first), weights(exact))
    close = [evaluate(run.model, run.validation).loss for run in (exact, first)]
    assert close[0] == pytest.approx(close[1], abs=0.1)
