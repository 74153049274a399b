"""Child training: annealed, shuffled pass by pass, deterministic in its seed, stopped in time."""

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from adaptaug.data import Examples, load, split
from adaptaug.data.batches import to_float
from adaptaug.errors import AdaptAugError
from adaptaug.metrics import Metrics, evaluate, predict
from adaptaug.ops import OpSpace
from adaptaug.policy.schedules import SCHEDULES
from adaptaug.training.child_run import ChildRun
from adaptaug.training.setup import start
from adaptaug.training.task import Task

OPS = ("rotate", "brightness", "noise", "mixup")
OFF, ON = [0.0] * 4, [0.3, 0.5, 0.2, 0.4]
TASK = Task(steps=16, n_train=40, n_validation=50, batch_size=8, width=4)


def child_run(task: Task = TASK, seed: int = 0) -> ChildRun:
    parts = split(load(task.dataset), task.n_train, task.n_validation, seed)
    return ChildRun(task, parts.train, parts.validation, 10, OpSpace(OPS), seed)


def weights(run: ChildRun) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in run.model.parameters()])


@pytest.mark.parametrize("name", ["one_cycle", "cosine", "linear"])
def test_schedules_anneal_to_zero(name: str) -> None:
    rates = [SCHEDULES[name](progress) for progress in np.linspace(0, 1, 101)]
    assert max(rates) == pytest.approx(1)
    assert rates[-1] == pytest.approx(0, abs=1e-12)
    peak = int(np.argmax(rates))
    assert np.all(np.diff(rates[: peak + 1]) >= 0)
    assert np.all(np.diff(rates[peak:]) <= 0)


def test_schedules_by_hand() -> None:
    one_cycle = SCHEDULES["one_cycle"]
    assert one_cycle(0) == pytest.approx(0.04)
    assert one_cycle(0.15) == pytest.approx(0.52)  # half-way from 0.04 to 1
    assert one_cycle(0.3) == pytest.approx(1)
    assert one_cycle(0.65) == pytest.approx(0.5)
    assert SCHEDULES["cosine"](0.5) == pytest.approx(0.5)
    assert SCHEDULES["constant"](0.99) == 1
    linear = [SCHEDULES["linear"](progress) for progress in (0, 0.05, 0.1, 0.55, 1)]
    assert linear == pytest.approx([0, 0.5, 1, 0.5, 0])


@pytest.mark.parametrize("name", ["one_cycle", "cosine"])
def test_the_last_batch_moves_weights_by_no_more_than_its_small_rate(name: str) -> None:
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
    return start(task, seed, OpSpace(["synonym", "swap", "masking", "mention"]))[0]


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
    torch.rand(11)  # what happens outside does not matter
    results = [run.train_batches(10, magnitudes) for run in (first, second, other)]
    assert results[0] == results[1]
    assert torch.equal(weights(first), weights(second))
    assert results[0] != results[2]
    assert not torch.equal(weights(first), weights(other))


@pytest.mark.parametrize("kind", RUNS)
def test_pauses_change_nothing(kind: str) -> None:
    at_once, in_parts = (RUNS[kind](TASKS[kind]) for _ in range(2))
    at_once.train_batches(16, OFF)
    for batches in (1, 5, 10):
        in_parts.train_batches(batches, OFF)
        evaluate(in_parts.model, in_parts.validation)
    assert torch.equal(weights(at_once), weights(in_parts))


def test_a_large_interval_goes_through_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parts = child_run(), child_run()
    whole.train_batches(16, OFF)
    monkeypatch.setattr("adaptaug.training.child_run.AUGMENT_CHUNK", 3 * 8 * 64)  # three batches
    parts.train_batches(16, OFF)
    assert torch.equal(weights(whole), weights(parts))


def random_states() -> tuple[list[int], list[int]]:
    """Of torch and of numpy."""
    keys = np.random.get_state()[1]  # noqa: NPY002
    return torch.get_rng_state().tolist(), keys.tolist()


def test_the_random_states_of_others_are_untouched() -> None:
    before = random_states()
    run = child_run()
    run.train_batches(4, ON)
    evaluate(run.model, run.validation)
    assert random_states() == before


class Spy:
    """Notes which rows pass by; each row's first pixel is its number."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def apply(self, images: Tensor, targets: Tensor, *arguments: Any) -> tuple[Tensor, Tensor]:
        self.rows += (images[:, 0, 0, 0] * 255).round().int().tolist()
        return images, targets


@pytest.mark.parametrize("n_train", [40, 13, 5])  # in batches of 8: even, odd, below one batch
def test_every_pass_holds_every_row_once(n_train: int) -> None:
    images = torch.zeros(n_train, 1, 8, 8, dtype=torch.uint8)
    images[:, 0, 0, 0] = torch.arange(n_train)
    train = Examples(images, torch.zeros(n_train, dtype=torch.int64))
    spy: Any = Spy()
    run = ChildRun(TASK, train, train, 10, spy, seed=0)
    for batches in (3, 1, 12):
        run.train_batches(batches, OFF)
    assert len(spy.rows) == 16 * 8
    passes = [spy.rows[start : start + n_train] for start in range(0, 16 * 8, n_train)]
    for rows in passes[:-1]:
        assert sorted(rows) == list(range(n_train))
    assert len(set(passes[-1])) == len(passes[-1])
    assert passes[0] != passes[1]


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


def test_the_end_of_the_run_restores_the_best_weights_too() -> None:
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
def test_a_loss_that_is_no_number_is_never_the_best(losses: tuple[float, ...], best: int) -> None:
    run = child_run(TASK.but(patience=2))
    seen = []
    for loss in losses:
        run.train_batches(1, OFF)
        seen.append(weights(run))
        run.check_early_stopping(Metrics(loss, 0.1))
    run.check_early_stopping(Metrics(math.nan, 0.1))
    assert run.stopped
    assert torch.equal(weights(run), seen[best])


def test_without_patience_nothing_stops() -> None:
    run = child_run()
    for loss in (1.0, 2.0, 3.0):
        run.train_batches(1, OFF)
        before = weights(run)
        run.check_early_stopping(Metrics(loss, 0.1))
        assert torch.equal(weights(run), before)
    assert not run.finished


@pytest.mark.parametrize("kind", ["text", "tagging"])
def test_training_only_the_words_in_use_is_training_them_all(kind: str) -> None:
    fast, slow = (RUNS[kind](TASKS[kind]) for _ in range(2))
    slow._rows = None
    for run in (fast, slow):
        for magnitudes in (OFF, ON):
            run.train_batches(4, magnitudes)
    assert torch.equal(weights(fast), weights(slow))


@pytest.mark.parametrize("kind", ["text", "tagging"])
def test_weight_decay_reaches_words_that_are_not_in_use(kind: str) -> None:
    run = RUNS[kind](TASKS[kind].but(weight_decay=0.1, optimizer="adamw"))
    assert run._rows is None
    words = run.model.encoder.words.weight
    before = words.detach().clone()
    run.train_batches(1, OFF)
    shrunk = before * (1 - 0.1 * TASK.peak_learning_rate * SCHEDULES["one_cycle"](0))
    unused = words.isclose(shrunk, rtol=1e-6, atol=0).all(1)
    assert 0 < unused.sum() < len(words)
    assert not torch.equal(words[unused], before[unused])


def test_adamw_decays_beside_adam_and_adam_within() -> None:
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
    assert after.accuracy > before.accuracy + 0.1


def test_divergence_is_flagged() -> None:
    run = child_run(TASK.but(peak_learning_rate=1e30))
    metrics = run.train_batches(3, OFF)
    assert run.diverged
    assert run.finished
    assert not math.isfinite(metrics.loss)
    healthy = child_run()
    healthy.train_batches(3, OFF)
    assert not healthy.diverged


def test_weights_that_are_not_numbers_are_divergence() -> None:
    run = child_run()
    with torch.no_grad():
        next(run.model.parameters()).fill_(math.nan)
    run.train_batches(1, ON)
    assert run.diverged


def test_training_learns() -> None:
    task = TASK.but(steps=150, n_train=100, batch_size=32, width=8, n_validation=200)
    run = child_run(task)
    before = evaluate(run.model, run.validation)
    run.train_batches(150, OFF)
    after = evaluate(run.model, run.validation)
    assert after.loss < before.loss
    assert after.accuracy > 0.7


def test_an_unknown_schedule_optimizer_precision_or_child_is_a_users_mistake() -> None:
    with pytest.raises(AdaptAugError, match=r"schedule must be one of .*, got 'step'"):
        child_run(TASK.but(schedule="step"))
    with pytest.raises(AdaptAugError, match=r"optimizer must be one of .*, got 'sgd'"):
        child_run(TASK.but(optimizer="sgd"))
    with pytest.raises(AdaptAugError, match=r"child must be one of .*, got 'tree'"):
        child_run(TASK.but(child="tree"))
    with pytest.raises(AdaptAugError, match=r"precision must be one of .*, got 'half'"):
        child_run(TASK.but(precision="half"))


def test_bfloat16_trains_nearly_alike_and_repeats_itself() -> None:
    task = TASK.but(steps=60, n_train=100, batch_size=32, width=8, n_validation=200)
    exact, first, second = map(child_run, (task, *[task.but(precision="bfloat16")] * 2))
    for run in (exact, first, second):
        run.train_batches(60, ON)
    assert torch.equal(weights(first), weights(second))
    assert weights(first).dtype == torch.float32
    logits = predict(first.model, first.validation.inputs)
    assert logits.dtype == torch.float32
    own = torch.get_autocast_dtype("cpu"), torch.is_autocast_enabled("cpu")
    assert own == (torch.bfloat16, False)  # nothing is left switched on
    assert not torch.equal(weights(first), weights(exact))
    close = [evaluate(run.model, run.validation).loss for run in (exact, first)]
    assert close[0] == pytest.approx(close[1], abs=0.1)


class Half(nn.Module):
    """Logits (a, 1 - a) for a top left pixel a; dropout and norm are along for show."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.norm = nn.BatchNorm1d(2, affine=False)

    def forward(self, images: Tensor) -> Tensor:
        bright = images[:, 0, 0, 0]
        logits: Tensor = self.norm(self.dropout(torch.stack([bright, 1 - bright], 1)))
        return logits


def test_metrics_by_hand() -> None:
    inputs = torch.zeros(4, 1, 2, 2, dtype=torch.uint8)
    inputs[:2] = 255
    examples = Examples(inputs, torch.tensor([0, 1, 1, 1]))
    right, wrong = math.log(1 + math.exp(-1)), math.log(1 + math.exp(1))
    metrics = evaluate(Half(), examples)
    assert metrics.accuracy == 0.75
    assert metrics.loss == pytest.approx((3 * right + wrong) / 4, rel=1e-4)
    # evaluation is not changed by how it is cut up
    assert predict(Half(), inputs, batch_size=3).shape == (4, 2)


def test_prediction_leaves_model_and_random_state_as_they_were() -> None:
    model = Half().train()
    model.norm.eval()  # frozen, as in fine-tuning
    state, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    predict(model, torch.zeros(4, 1, 2, 2))
    assert (model.training, model.dropout.training, model.norm.training) == (True, True, False)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    with pytest.raises(IndexError):
        predict(model, torch.zeros(4, 1, 0, 2))
    assert model.training


def test_bytes_become_floats() -> None:
    images = torch.tensor([0, 51, 255], dtype=torch.uint8)
    assert to_float(images).tolist() == pytest.approx([0, 0.2, 1])
    assert images.tolist() == [0, 51, 255]
    floats = torch.rand(3)
    assert to_float(floats) is floats
