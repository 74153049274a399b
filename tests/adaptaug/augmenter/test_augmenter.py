"""The Augmenter in a user's own loop: as the README shows it, harmless, resumable, as in search."""

import io
import logging
import math
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.transforms import v2

from adaptaug import (
    AdaptAugError,
    Augmenter,
    Constant,
    Controller,
    Policy,
    Ramp,
    Random,
    load_policy,
    save_policy,
    wrap,
)
from adaptaug.augmenter.decisions import pilot
from adaptaug.children import SmallCNN
from adaptaug.controllers import ADA, AugNet, Learned, Online, Reactive
from adaptaug.data import Examples, Vocabulary, load, split
from adaptaug.generative.bank import replaced
from adaptaug.metrics import evaluate
from adaptaug.ops import Op, OpSpace
from adaptaug.ops.bank import Bank, FitData
from adaptaug.policy.cost import CostTable
from adaptaug.policy.network import PolicyNetwork
from adaptaug.policy.observation import PROBE_SIZE, Observation, Observer
from adaptaug.training.episode import Episode
from adaptaug.training.task import Task
from adaptaug.utils.seeding import RandomStream

OPS = ("rotate", "hue", "noise", "mixup")
COSTS = CostTable({"geometry": 0.5, "noise": 0.25}, observe=3.0)
README = Path(__file__).parents[3] / "README.md"


def network(seed: int = 0, n_ops: int = len(OPS)) -> PolicyNetwork:
    """A policy network that answers to what it sees."""
    made = PolicyNetwork(n_ops)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in made.actor.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) / 8)
    return made


def policy(**changes: Any) -> Policy:
    return Policy(**({"network": network(), "ops": OPS, "decisions": 4, "costs": COSTS} | changes))


class Watched(Learned):
    """A learned policy that keeps what it was shown."""

    def __init__(self) -> None:
        super().__init__(network())
        self.seen: list[Observation] = []
        self.progress: list[float] = []

    def decide(self, progress: float, observation: Observation | None) -> Any:
        assert observation is not None
        self.seen.append(observation)
        self.progress.append(progress)
        return super().decide(progress, observation)


def digits(n_train: int = 100) -> tuple[Examples, Examples, Examples]:
    parts = split(load("digits"), n_train, 200, 0)
    return parts.train, parts.validation, parts.test


def child(seed: int = 0) -> SmallCNN:
    with RandomStream(seed).active():
        return SmallCNN(1, (8, 8), 10, 8)


def augmenter(chosen: Any = None, model: nn.Module | None = None, **kwargs: Any) -> Augmenter:
    """An Augmenter on digits, of a run of 12 batches of 16."""
    settings = {"total_steps": 12, "n_train": 100, "batch_size": 16} | kwargs
    held_out = settings.pop("held_out", digits()[1])
    return Augmenter(chosen or policy(), model or child(), held_out, **settings)


def batch(index: int, size: int = 16) -> tuple[Tensor, Tensor]:
    train = digits()[0]
    picked = torch.arange(index * size, (index + 1) * size) % len(train)
    return train.inputs[picked], train.targets[picked]


def no_op(*magnitudes: float) -> dict[str, Any]:
    return {"chosen": Constant(magnitudes or [0.0] * len(OPS)), "ops": OPS}


def test_a_run_that_the_policy_leaves_alone_is_looked_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """12 batches of 16 of 100 examples are 1.92 passes; also when resumed from a checkpoint."""
    seen: list[float] = []
    observe = Observer.observe

    def watched(self: Observer, model: nn.Module, situation: Any, *, probe: bool) -> Observation:
        seen.append(situation.progress)
        return observe(self, model, situation, probe=probe)

    monkeypatch.setattr(Observer, "observe", watched)
    made = network()
    made.fewest_passes = 2.0
    state: dict[str, Any] = {}
    for part in (range(6), range(6, 12)):
        aug = augmenter(policy(network=made))
        if state:
            aug.load_state_dict(state)
        for index in part:
            assert aug(*batch(index))[0].equal(batch(index)[0].float() / 255)
        state = aug.state_dict()
    assert seen == [0]
    made.fewest_passes = 1.9
    aug = augmenter(policy(network=made))
    changed = [not aug(*batch(i))[0].equal(batch(i)[0].float() / 255) for i in range(12)]
    assert any(changed)
    assert len(seen) == 1 + 4


# The loop of the README


def readme_blocks() -> list[str]:
    section = README.read_text(encoding="utf-8").split("## Use a policy in your own loop")[1]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


def test_the_readme_runs_and_trains() -> None:
    train, held_out, test = digits()
    steps, model = 200, child()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(0)
    order = torch.cat([torch.randperm(100, generator=generator) for _ in range(64)])
    loader = [(train.inputs[i], train.targets[i]) for i in order.split(32)]
    names = {
        "model": model,
        "optimizer": optimizer,
        "scheduler": torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, steps),
        "steps": steps,
        "loader": loader,
        "F": F,
        "x_train": train.inputs,
        "x_val": held_out.inputs,
        "y_val": held_out.targets,
    }
    with RandomStream(0).active():
        exec(readme_blocks()[0], names)
    assert len(loader) == steps
    assert evaluate(model, test).accuracy > 0.85
    magnitudes = names["augmenter"].magnitudes
    assert tuple(magnitudes) == load_policy("digits").ops
    used = {op for op, magnitude in magnitudes.items() if magnitude > 0}
    assert used == set(magnitudes) - {"hflip", "erasing"}
    assert max(magnitudes.values()) > 0.01  # it fades out


def test_the_readme_loop_is_short() -> None:
    lines = [line for line in readme_blocks()[0].splitlines() if line]
    assert len(lines) <= 10


def test_importing_it_imports_no_heavy_library() -> None:
    heavy = ("gymnasium", "stable_baselines3", "datasets", "sklearn", "torchvision", "matplotlib")
    code = f"import adaptaug, sys; print([m for m in {heavy} if m in sys.modules])"
    run = [sys.executable, "-c", code]
    assert subprocess.check_output(run, cwd=README.parent, text=True).strip() == "[]"


# As in a search


def test_the_observations_and_magnitudes_of_an_episode() -> None:
    """An Augmenter beside an episode's child sees what the episode sees, decision by decision."""
    task = Task(steps=12, n_train=40, n_validation=50, batch_size=40, width=2, decisions=3)
    watched = Watched()
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
        beside.record(episode.batches.loss, torch.tensor(episode.batches.accuracy))
    assert watched.progress == pytest.approx([0, 1 / 3, 2 / 3])


def test_a_policy_brings_its_own_settings() -> None:
    chosen = pilot(policy(decision_interval=7), None, None)
    assert isinstance(chosen.controller, Learned)
    assert chosen.op_space.names == OPS
    assert chosen.costs == COSTS
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
def test_it_decides_where_a_task_does(
    rhythm: dict[str, int], overridden: int | None, expected: list[int]
) -> None:
    using = augmenter(policy(**rhythm), decisions=overridden)
    changes = []
    for step in range(14):
        before = using._decider.magnitudes
        using(*batch(step))
        if using._decider.magnitudes is not before:
            changes.append(step)
    assert changes == [0, *expected[:-1]]


def test_the_mean_of_what_was_recorded_is_observed() -> None:
    watched = Watched()
    using = augmenter(watched, ops=OPS, decisions=3)
    for step in range(5):
        using(*batch(step))
        using.record(torch.tensor(float(step)), 0.25 * step)
    names = dict(zip(("batch_loss", "batch_accuracy"), watched.seen[1].run[4:6], strict=True))
    assert names["batch_loss"] == pytest.approx(1.5 / np.log(10))  # of steps 0 to 3
    assert names["batch_accuracy"] == pytest.approx((0.375 - 0.1) / 0.9)


@pytest.mark.parametrize("probes", [True, False])
def test_only_who_wants_probes_is_shown_and_pays_for_them(probes: bool) -> None:
    watched = Watched()
    watched.probes = probes
    using = augmenter(watched, ops=OPS, decisions=3)
    for step in range(5):
        using(*batch(step))
    assert np.any(watched.seen[1].ops[:, 0] != 0) == probes
    paid = CostTable().observe if probes else CostTable().validate
    assert watched.seen[0].feature("cost") == pytest.approx(paid / 12)


@pytest.mark.parametrize(("n_train", "expected"), [(100, PROBE_SIZE), (40, 40)])
def test_the_first_training_examples_are_kept_clean(n_train: int, expected: int) -> None:
    using = augmenter(n_train=n_train)
    train = digits()[0]
    for step in range(12):
        images, targets = batch(step)
        using(images / 255 if step % 2 else images, targets)
    kept = using._decider._observer.train
    assert torch.equal(kept.inputs, train.inputs[:expected])
    assert torch.equal(kept.targets, train.targets[:expected])


def test_the_batch_size_is_by_default_the_first_batchs() -> None:
    seen = []
    for size in (16, None):
        watched = Watched()
        augmenter(watched, ops=OPS, batch_size=size)(*batch(0))
        seen.append(watched.seen[0].flat())
    assert np.array_equal(*seen)


# What comes out


def test_uint8_and_float_give_the_same() -> None:
    images, targets = batch(0)
    out = [
        augmenter()(inputs, targets)[0] for inputs in (images, images / 255, images.double() / 255)
    ]
    assert out[0].dtype == out[2].dtype == torch.float32
    assert torch.equal(out[0], out[1])
    assert out[2] == pytest.approx(out[0], abs=1e-6)
    assert 0 <= out[0].min() <= out[0].max() <= 1


def test_magnitude_zero_is_the_identity() -> None:
    images, targets = batch(0)
    augmented, labels = augmenter(**no_op())(images, targets)
    assert torch.equal(augmented, images / 255)
    assert labels is targets


def test_labels_are_soft_where_an_op_mixes() -> None:
    images, targets = batch(0)
    _, soft = augmenter(**no_op(0, 0, 0, 1))(images, targets)
    assert soft.shape == (16, 10)
    assert soft.sum(1).tolist() == pytest.approx([1] * 16)
    _, hard = augmenter(**no_op(1, 0, 1, 0))(images, targets)
    assert torch.equal(hard, targets)


def test_a_users_own_label_distributions_pass() -> None:
    images, targets = batch(0)
    smooth = 0.9 * F.one_hot(targets, 10) + 0.01
    using = augmenter()
    _, labels = using(images, smooth)
    assert labels.shape == (16, 10)
    assert torch.equal(using._decider._observer.train.targets, targets)


def test_one_seed_one_run() -> None:
    runs = [[using(*batch(step))[0] for step in range(12)] for using in (augmenter(), augmenter())]
    assert all(torch.equal(*pair) for pair in zip(*runs, strict=True))
    other = augmenter(seed=1)(*batch(0))[0]
    assert not torch.equal(other, runs[0][0])


def test_odd_batches() -> None:
    using = augmenter()
    using(*batch(0))
    assert using(*batch(0, size=3))[0].shape == (3, 1, 8, 8)
    assert using(torch.empty(0, 1, 8, 8), torch.empty(0, dtype=torch.int64))[0].shape == (
        0,
        1,
        8,
        8,
    )
    images, targets = batch(0)
    assert using(images.transpose(2, 3), targets.int())[0].shape == (16, 1, 8, 8)
    assert augmenter(**no_op())(images, targets.int())[1].dtype == torch.int64


def test_half_precision_around_it_changes_nothing() -> None:
    expected = augmenter(**no_op(1, 0, 1, 0))(*batch(0))[0]
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(augmenter(**no_op(1, 0, 1, 0))(*batch(0))[0], expected)


def test_rivals_are_used_the_same_way() -> None:
    images = torch.randint(256, (4, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    held_out = (images.to(torch.uint8), torch.arange(4))
    model = SmallCNN(3, (8, 8), 10, 4)
    kwargs = {"model": model, "held_out": held_out}
    using = augmenter(Constant([1.0]), ops=[wrap(v2.RandAugment())], **kwargs)
    augmented, _ = using(*held_out)
    assert using.magnitudes == {"RandAugment": 1.0}
    assert not torch.equal(augmented, images / 255)
    ramp = augmenter(Ramp([0.25, 0.5]), ops=["rotate", "hue"], decisions=12, **kwargs)
    for _ in range(4):
        ramp(*held_out)
    assert ramp.magnitudes == {"rotate": pytest.approx(0.125), "hue": pytest.approx(0.25)}


# Harmless


class Noisy(nn.Module):
    """Batch statistics, a frozen part, and noise that evaluation does not switch off."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.frozen = nn.BatchNorm2d(1), nn.Dropout(0.5)
        self.linear = nn.Linear(64, 10)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.frozen(self.norm(images)).flatten(1)
        logits: Tensor = self.linear(hidden + 0.1 * torch.rand_like(hidden))
        return logits


def test_model_and_random_state_are_left_as_they_were() -> None:
    model = Noisy().train()
    model.frozen.eval()
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    python_state = random.getstate()
    using = augmenter(model=model)
    for step in range(12):
        using(*batch(step))
    assert [module.training for module in model.modules()] == [True, True, False, True]
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state[1])  # noqa: NPY002
    assert random.getstate() == python_state


class Unread(Tensor):
    """A tensor that complains when the host reads it, as a device would by waiting."""

    reading = False

    def _refuse(self, name: str, *args: Any) -> Any:
        assert Unread.reading, f"{name} before a decision"
        return getattr(self.as_subclass(Tensor), name)(*args)

    def __float__(self) -> float:
        return float(self._refuse("__float__"))

    def __bool__(self) -> bool:
        return bool(self._refuse("__bool__"))

    def item(self) -> Any:
        return self._refuse("item")

    def tolist(self) -> Any:
        return self._refuse("tolist")

    def cpu(self, *args: Any) -> Any:
        return self._refuse("cpu", *args)


def test_record_reads_nothing_before_the_next_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched()
    using = augmenter(watched, ops=OPS, decisions=2)
    for step in range(6):
        using(*batch(step))
        loss = torch.tensor(2.0, requires_grad=True) * 1.5
        using.record(loss.as_subclass(Unread), torch.tensor(0.5).as_subclass(Unread))
    monkeypatch.setattr(Unread, "reading", True)
    using(*batch(6))
    assert watched.seen[1].run[4] == pytest.approx(3 / np.log(10))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_no_synchronisation_between_decisions() -> None:
    using = augmenter(model=child().cuda(), decisions=2)
    on_device = [tuple(part.cuda() for part in batch(step)) for step in range(6)]
    for step, (images, targets) in enumerate(on_device):
        torch.cuda.set_sync_debug_mode("error" if step else "default")
        try:
            augmented, _ = using(images, targets)
            using.record(augmented.mean(), augmented.max())
        finally:
            torch.cuda.set_sync_debug_mode("default")


def test_calls_beyond_the_run_keep_the_magnitudes(caplog: pytest.LogCaptureFixture) -> None:
    using = augmenter()
    for step in range(12):
        using(*batch(step))
    last = using.magnitudes
    assert caplog.records == []
    with caplog.at_level(logging.WARNING):
        for step in range(3):
            using(*batch(step))
            using.record(1.0, 0.5)
    assert using.magnitudes == last
    (record,) = caplog.records
    assert "more than total_steps=12 batches" in record.getMessage()


# Resuming


def loop(using: Augmenter, model: nn.Module, steps: range) -> list[Tensor]:
    """A user's loop without dropout: the batches it trained on, and the weights at its end."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    seen = []
    model.eval()
    for step in steps:
        images, targets = using(*batch(step))
        logits = model(images)
        loss = F.cross_entropy(logits, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        using.record(loss, (logits.argmax(1) == batch(step)[1]).float().mean())
        seen += [images, targets]
    return [*seen, torch.tensor(list(using.magnitudes.values())), *model.parameters()]


CONTROLLERS: dict[str, Callable[[], Controller]] = {
    "random": lambda: Random([0.3] * len(OPS)),
    "reactive": lambda: Reactive([[0.0] * 4, [0.2] * 4, [0.5] * 4, [0.9] * 4], start=2),
    "ada": lambda: ADA([0.5] * len(OPS), target=0.0),
    "augnet": lambda: AugNet(len(OPS)),
    "online": lambda: Online(network(), learning_rate=0.1, noise=0.3),
}


@pytest.mark.parametrize("stop", [0, 3, 5, 8])
@pytest.mark.parametrize("kind", ["learned", *CONTROLLERS])
def test_a_resumed_run_continues_bit_for_bit(stop: int, kind: str) -> None:
    def fresh(model: nn.Module) -> Augmenter:
        if kind == "learned":
            return augmenter(policy(), model)
        return augmenter(CONTROLLERS[kind](), model, ops=OPS, decisions=6)

    model = child()
    whole = fresh(model)
    loop(whole, model, range(stop))
    file = io.BytesIO()
    torch.save({"model": model.state_dict(), "augmenter": whole.state_dict()}, file)
    expected = loop(whole, model, range(stop, 12))
    file.seek(0)
    saved = torch.load(file, weights_only=True)  # tensors and plain data only
    model = child(seed=1)
    resumed = fresh(model)
    loop(resumed, model, range(1))  # what came before does not matter
    model.load_state_dict(saved["model"])
    resumed.load_state_dict(saved["augmenter"])
    continued = loop(resumed, model, range(stop, 12))
    assert len(continued) == len(expected)
    assert all(torch.equal(*pair) for pair in zip(continued, expected, strict=True))


def test_a_state_is_not_changed_by_the_run_that_goes_on() -> None:
    model = child()
    using = augmenter(model=model)
    loop(using, model, range(4))
    state = using.state_dict()
    before = str(state)
    loop(using, model, range(4, 9))
    assert str(state) == before


def test_a_state_of_another_run_is_refused() -> None:
    state = augmenter().state_dict()
    with pytest.raises(
        AdaptAugError, match="total_steps of an augmenter's state must be 24, got 12"
    ):
        augmenter(total_steps=24).load_state_dict(state)
    with pytest.raises(AdaptAugError, match=r"ops .* must be \['rotate'\], got \['rotate', 'hue'"):
        augmenter(Constant([0.1]), ops=["rotate"]).load_state_dict(state)


# The learning rate


def rates(scheduler: Callable[[torch.optim.Optimizer], Any] | None, lr: float = 0.1) -> list[float]:
    """The fractions that a run of eight batches, a decision each, is shown."""
    watched, model = Watched(), child()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    schedule = scheduler(optimizer) if scheduler else None
    using = augmenter(watched, model, ops=OPS, decisions=8, total_steps=8, learning_rate=optimizer)
    for step in range(8):
        using(*batch(step))
        optimizer.step()
        if schedule:
            schedule.step()
    return [float(observation.run[3]) for observation in watched.seen]


def test_learning_rate_of_an_optimizer() -> None:
    schedules = torch.optim.lr_scheduler
    cycle = rates(lambda o: schedules.OneCycleLR(o, 0.5, 8, pct_start=0.5))
    assert cycle[0] == pytest.approx(0.04)
    assert cycle[3] == pytest.approx(1)
    assert cycle[7] < 1e-4
    cosine = rates(lambda o: schedules.CosineAnnealingLR(o, 8))
    assert cosine == pytest.approx([0.5 * (1 + np.cos(np.pi * i / 8)) for i in range(8)])
    warm = rates(lambda o: schedules.LambdaLR(o, lambda step: min(1, (step + 1) / 4)))
    assert warm == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 1, 1])
    assert rates(None) == [1] * 8
    assert rates(None, lr=0.0) == [0] * 8


def test_learning_rate_of_a_function_and_by_default() -> None:
    watched = Watched()
    augmenter(watched, ops=OPS, learning_rate=lambda: 0.3)(*batch(0))
    assert watched.seen[0].run[3] == pytest.approx(0.3)
    augmenter(watched, ops=OPS)(*batch(0))
    assert watched.seen[1].run[3] == pytest.approx(0.04)  # one-cycle's start


# Held-out data


def test_held_out_data_in_any_form() -> None:
    examples = digits()[1]
    pair = examples.inputs, examples.targets
    forms = [
        examples,
        pair,
        (examples.inputs / 255, examples.targets.int()),
        tuple(part.numpy() for part in pair),
        TensorDataset(*pair),
        DataLoader(TensorDataset(*pair)).dataset,
    ]
    seen = []
    for held_out in forms:
        watched = Watched()
        augmenter(watched, ops=OPS, held_out=held_out)(*batch(0))
        seen.append(watched.seen[0].flat())
    assert all(np.array_equal(seen[0], other) for other in seen)


class Blackboard:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []

    def magnitudes(self, names: Any, values: Any, step: int) -> None:
        assert (list(names), len(values)) == (list(OPS), len(OPS))
        self.told.append(("magnitudes", step))

    def child_curves(self, history: Any, step: int) -> None:
        self.told.append((*history, step))

    def image_grid(self, before: Tensor, after: Tensor, step: int) -> None:
        assert before.shape == after.shape == (16, 1, 8, 8)
        assert not torch.equal(before, after)
        self.told.append(("images", step))


def test_a_board_is_told_of_every_decision() -> None:
    board = Blackboard()
    using = augmenter(policy(decisions=2), board=board)
    for step in range(12):
        using(*batch(step))
    curves = "held_out_loss", "held_out_accuracy"
    assert board.told == [
        entry
        for step in (0, 6)
        for entry in (("magnitudes", step), (*curves, step), ("images", step))
    ]


# Mistakes


IMAGES, LABELS = torch.zeros(4, 1, 8, 8), torch.arange(4)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"total_steps": 0}, "total_steps must be a whole number of at least 1, got 0"),
        ({"total_steps": 12.5}, "total_steps must be a whole number of at least 1, got 12.5"),
        ({"n_train": -1}, "n_train must be a whole number of at least 1, got -1"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, got 0"),
        ({"decisions": 0}, "decisions must be a whole number of at least 1, got 0"),
        ({"held_out": (IMAGES[:0], LABELS[:0])}, "at least one example is needed, got 0 in held_o"),
        ({"held_out": (IMAGES, LABELS + 7)}, r"labels must lie in 0..9, got 10 in row 3 of held_o"),
        ({"held_out": (IMAGES - 1, LABELS)}, r"must lie in \[0, 1\], got -1 in row 0 of held_out"),
        ({"held_out": (IMAGES[0], LABELS)}, r"shape \(N, C, H, W\), got \(1, 8, 8\) in held_out"),
        ({"held_out": (IMAGES, LABELS[:3])}, r"labels must have shape \(4,\).*in held_out"),
        ({"held_out": (IMAGES, LABELS / 2)}, "labels must be integers, got torch.float32 in held_"),
        ({"learning_rate": 0.1}, "learning_rate must be an optimizer, .*, got float"),
        ({"ops": ["rotate"]}, r"ops go with a plain controller.*got \['rotate'\]"),
        ({"chosen": Constant([0.5])}, "a plain controller needs the ops .*got ops=None"),
        (
            {"chosen": "nowhere"},
            r"an existing folder, a hub id or one of \['digits'\], got 'nowhere'",
        ),
        ({"model": nn.Flatten(0)}, r"must return logits \(B, K\).*got \(64,\)"),
    ],
)
def test_a_mistake_in_the_settings(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(AdaptAugError, match=message):
        augmenter(**kwargs)


@pytest.mark.parametrize(
    ("images", "targets", "message"),
    [
        (IMAGES + 1.5, LABELS, r"pixels must lie in \[0, 1\], got 1.5 in row 0 of batch 0"),
        (IMAGES / 0, LABELS, "pixels must be finite, got nan in row 0 of batch 0"),
        (IMAGES.long(), LABELS, "pixels must be uint8 or floating point .* got torch.int64"),
        (IMAGES[0], LABELS, r"a batch must be images \(B, 1, 8, 8\).*got \(1, 8, 8\) and \(4,\)"),
        (IMAGES[..., 1:], LABELS, r"\(B, 1, 8, 8\), as in held_out.*got \(4, 1, 8, 7\)"),
        (IMAGES, LABELS[:3], r"targets \(B,\) or \(B, 10\), got .* and \(3,\) in batch 0"),
        (IMAGES, IMAGES[:, 0, 0, 1:], r"targets \(B,\) or \(B, 10\), got .* and \(4, 7\)"),
        (IMAGES, LABELS + 9, r"labels must lie in 0..9, got 10 in row 1 of batch 0"),
        (IMAGES, LABELS / 2, "labels must be integers, got torch.float32 in batch 0"),
        (IMAGES[:0], LABELS[:0], "at least one example is needed, got 0 in batch 0"),
        (IMAGES.to("meta"), LABELS, "images must be on cpu, as the model .*got meta in batch 0"),
    ],
)
def test_a_mistake_in_the_first_batch(images: Tensor, targets: Tensor, message: str) -> None:
    using = augmenter()
    with pytest.raises(AdaptAugError, match=message):
        using(images, targets)
    assert using(*batch(0))[0].shape == (16, 1, 8, 8)  # nothing has been spoilt


@pytest.mark.parametrize(
    ("images", "targets", "message"),
    [
        (IMAGES / 0, LABELS, "pixels must be finite, got nan in row 0 of batch 1"),
        (IMAGES + math.inf, LABELS, "pixels must be finite, got inf in row 0 of batch 1"),
        (IMAGES + 1.5, LABELS, r"pixels must lie in \[0, 1\], got 1.5 in row 0 of batch 1"),
        (IMAGES - 0.1, LABELS, r"pixels must lie in \[0, 1\], got -0.1 in row 0 of batch 1"),
        (IMAGES, LABELS + 9, r"labels must lie in 0..9, got 10 in row 1 of batch 1"),
        (IMAGES, LABELS - 1, r"labels must lie in 0..9, got -1 in row 0 of batch 1"),
    ],
)
def test_a_mistake_in_a_later_batch(images: Tensor, targets: Tensor, message: str) -> None:
    using = augmenter()
    using(*batch(0))
    with pytest.raises(AdaptAugError, match=message):
        using(images, targets)
    assert using((IMAGES * 255).byte(), LABELS)[0].shape == (4, 1, 8, 8)
    assert using(IMAGES[:0], LABELS[:0])[0].shape == (0, 1, 8, 8)


# Sentences

SENTENCES = {
    "text": ("opinions", "bilstm", ("synonym", "rotate", "deletion", "masking")),
    "tagging": ("mentions", "tagger", ("labelwise", "rotate", "mention", "masking")),
}


def sentence_episode(kind: str, metric: str = "accuracy") -> Episode:
    dataset, name, ops = SENTENCES[kind]
    task = Task(
        dataset=dataset, child=name, lexicon="opinions" if kind == "text" else None, metric=metric,
        steps=12, n_train=40, n_validation=50, batch_size=40, width=4, decisions=3,
    )  # fmt: skip
    return Episode(task, 5, OpSpace(ops), CostTable())


def beside(kind: str, episode: Episode, chosen: Any, **changes: Any) -> Augmenter:
    """An Augmenter as a user would make one for the episode's data and child."""
    dataset, _, ops = SENTENCES[kind]
    source, run = load(dataset), episode.run
    settings: dict[str, Any] = {
        "ops": ops, "total_steps": 12, "n_train": 40, "decisions": 3, "seed": 5,
        "vocabulary": source.vocabulary, "metric": episode.task.metric,
    }  # fmt: skip
    if kind == "text":
        settings |= {"lexicon": "opinions"}
    else:
        settings |= {"train": (run.train.inputs, run.train.targets), "classes": source.classes}
    settings |= changes
    return Augmenter(chosen, run.model, (run.validation.inputs, run.validation.targets), **settings)


def test_the_readme_runs_on_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ops = ("synonym", "swap", "masking")
    save_policy(tmp_path / "runs" / "words" / "policy", Policy(PolicyNetwork(len(ops)), ops))
    (tmp_path / "synonyms.tsv").write_text("good\ta\tgreat|fine\n")
    episode, vocabulary = sentence_episode("text"), load("opinions").vocabulary
    train, held_out = episode.run.train, episode.run.validation
    names: dict[str, Any] = {
        "Augmenter": Augmenter, "vocabulary": vocabulary, "model": episode.run.model,
        "budget": {"total_steps": 4, "n_train": 40, "batch_size": 20},
        "ids_val": held_out.inputs, "y_val": held_out.targets,
    }  # fmt: skip
    exec(readme_blocks()[1].replace("synonyms.tsv.gz", "synonyms.tsv"), names)
    ids, targets = names["augmenter"](train.inputs[:20], train.targets[:20])
    assert torch.equal(targets, train.targets[:20])
    assert not torch.equal(ids, train.inputs[:20])


def test_the_readme_runs_on_tagged_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ops = ("labelwise", "mention", "masking")
    save_policy(tmp_path / "runs" / "ner" / "policy", Policy(PolicyNetwork(len(ops)), ops))
    episode, source = sentence_episode("tagging"), load("mentions")
    (ids, tags), held_out = data(episode.run.train), episode.run.validation
    model = episode.run.model
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    names: dict[str, Any] = {
        "Augmenter": Augmenter, "F": F, "vocabulary": source.vocabulary, "model": model,
        "ids": ids, "tags": tags, "ids_val": held_out.inputs, "tags_val": held_out.targets,
        "budget": {"total_steps": 4, "n_train": 40, "batch_size": 10}, "optimizer": optimizer,
        "scheduler": torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=4),
        "loader": list(zip(ids.split(10), tags.split(10), strict=True)),
    }  # fmt: skip
    classes = '("O", "B-PER", "I-PER")'
    exec(readme_blocks()[2].replace(classes, repr(source.classes)), names)
    assert max(names["augmenter"].magnitudes.values()) > 0
    assert torch.isfinite(names["loss"])


def data(examples: Examples) -> tuple[Tensor, Tensor]:
    return examples.inputs, examples.targets


def test_a_controller_that_picks_too_few_magnitudes() -> None:
    episode = sentence_episode("text")
    using = beside("text", episode, Constant([0.5] * 3))
    with pytest.raises(AdaptAugError, match="a magnitude for each of 4 ops, got 3"):
        using(*data(episode.run.train))


@pytest.mark.parametrize("step", [0, 1])
def test_tags_must_be_in_bio_form(step: int) -> None:
    episode = sentence_episode("tagging")
    using, (ids, tags) = beside("tagging", episode, Constant([0.5] * 4)), data(episode.run.train)
    for _ in range(step):
        using(ids, tags)
    inside = load("mentions").classes.index("I-PER")
    tags = tags.clone()
    tags[3, 0] = inside
    with pytest.raises(AdaptAugError, match=rf"BIO form.* of batch {step}"):
        using(ids, tags)


@pytest.mark.parametrize(
    ("kind", "metric"), [("text", "accuracy"), ("tagging", "accuracy"), ("tagging", "f1")]
)
def test_it_sees_what_an_episode_on_sentences_sees(kind: str, metric: str) -> None:
    watched, episode = Watched(), sentence_episode(kind, metric)
    using = beside(kind, episode, watched)
    train = episode.run.train
    while not episode.finished:
        expected = episode.observe()
        for step in range(4):
            using(train.inputs, train.targets)
            if step == 0:
                assert np.array_equal(watched.seen[-1].flat(), expected.flat())
        used = episode.advance(watched.network.magnitudes(expected.flat()))
        assert list(using.magnitudes.values()) == used
        assert used[1] == 0  # rotate, on words
        assert used[0] > 0
        assert episode.batches is not None
        using.record(episode.batches.loss, episode.batches.accuracy)


@pytest.mark.parametrize("metric", ["accuracy", "f1"])
def test_it_sees_the_score_of_the_policys_search(metric: str) -> None:
    episode = sentence_episode("tagging", metric)
    ops = SENTENCES["tagging"][2]
    policy = Policy(PolicyNetwork(len(ops)), ops, 3, provenance={"tasks": [{"metric": metric}]})
    using = beside("tagging", episode, policy, ops=None, decisions=None, metric=None)
    using(episode.run.train.inputs, episode.run.train.targets)
    expected = episode.observe().feature("validation_accuracy")
    features = using.state_dict()["decider"]["observer"]["last"]
    assert features["validation_accuracy"] == pytest.approx(expected)


@pytest.mark.parametrize("kind", SENTENCES)
def test_sentences_of_any_length_come_out_as_long(kind: str) -> None:
    episode = sentence_episode(kind)
    using = beside(kind, episode, Constant([0.8] * 4))
    train, changed = episode.run.train, False
    for step, length in enumerate((7, 12, 7, 30)):
        rows = torch.arange(8) + step
        ids = train.inputs[rows][:, :length]
        targets = train.targets[rows]
        targets = targets[:, :length] if kind == "tagging" else targets
        out, labels = using(ids.int(), targets.int())
        assert out.dtype == labels.dtype == torch.int64
        assert out.shape == ids.shape
        assert labels.shape == targets.shape
        assert torch.equal(labels == -100, out == 0) or kind == "text"
        changed |= not torch.equal(out, ids)
    assert changed


def test_without_a_lexicon_synonyms_stay_off(caplog: pytest.LogCaptureFixture) -> None:
    using = beside("text", sentence_episode("text"), Constant([0.8] * 4), lexicon=None)
    assert "without a lexicon these ops stay off: synonym" in caplog.text
    train = sentence_episode("text").run.train
    using(train.inputs, train.targets)
    assert using.magnitudes == {"synonym": 0, "rotate": 0, "deletion": 0.8, "masking": 0.8}


def test_a_lexicon_may_be_a_path(tmp_path: Path) -> None:
    (tmp_path / "synonyms.tsv").write_text("film\tn\tmovie\nstory\tn\tplot\n")
    episode = sentence_episode("text")
    using = beside(
        "text", episode, Constant([1.0, 0.0, 0.0, 0.0]), lexicon=tmp_path / "synonyms.tsv"
    )
    ids, _ = using(episode.run.train.inputs, episode.run.train.targets)
    assert not torch.equal(ids, episode.run.train.inputs)


def _tagged(tags: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Sentences of one word with these tags."""
    targets = torch.tensor(tags)
    return torch.full_like(targets, 3), targets


@pytest.mark.parametrize(
    ("kind", "changes", "sentence"),
    [
        ("text", {"vocabulary": None}, "vocabulary goes with sentences"),
        ("text", {"vocabulary": ["a"]}, "vocabulary must be one that build_vocabulary makes, got "),
        ("text", {"ops": ("rotate", "labelwise")}, "some op must suit text data, got rotate, lab"),
        ("text", {"vocabulary": Vocabulary(("[PAD]", "[UNK]", "[MASK]", "a"))}, r"0\.\.3"),
        ("text", {"lexicon": "no-such-file"}, "no-such-file"),
        ("tagging", {"train": None}, "tagging needs train"),
        ("tagging", {"classes": ()}, "names of the tags"),
        ("tagging", {"classes": ("O", "B-PER")}, "classes must name each of .* 7 tags, got 2"),
        ("tagging", {"classes": ("O", "B-PER") * 4}, "each of .* 7 tags, got 2 different"),
        ("tagging", {"train": _tagged([[0, 7]])}, r"0\.\.6, got 7 in row 0, token 1 of train"),
        ("tagging", {"train": _tagged([[0, 1], [0, 2]])}, "row 1, token 1 of train .*IOB1"),
        ("tagging", {"train": (torch.tensor([[3, 9999]]), torch.tensor([[0, 0]]))}, "got 9999"),
        ("tagging", {"train": (torch.tensor([[3]]), torch.tensor([1]))}, "train must be ids"),
        ("tagging", {"metric": "bleu"}, "metric must be one of"),
    ],
)
def test_a_mistake_with_sentences(kind: str, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(AdaptAugError, match=sentence):
        beside(kind, sentence_episode(kind), Constant([0.1] * 4), **changes)


@pytest.mark.parametrize(
    ("ids", "targets", "sentence"),
    [
        (torch.ones(2, 3, 4), torch.zeros(2), r"must be ids \(B, L\) and targets \(B,\)"),
        (torch.ones(2, 3, dtype=torch.int64), torch.zeros(3, dtype=torch.int64), "got .2, 3. and"),
        (
            torch.tensor([[3, 0], [0, 0]]),
            torch.zeros(2, dtype=torch.int64),
            "only padding in row 1",
        ),
        (torch.tensor([[3, 9999999]]), torch.zeros(1, dtype=torch.int64), "9999999"),
        (torch.tensor([[3, 4]]), torch.tensor([2]), r"labels must lie in 0\.\.1, got 2"),
    ],
)
def test_a_mistake_in_the_first_sentences(ids: Tensor, targets: Tensor, sentence: str) -> None:
    using = beside("text", sentence_episode("text"), Constant([0.1] * 4))
    with pytest.raises(AdaptAugError, match=sentence):
        using(ids, targets)


def test_ops_that_generate_are_fitted_to_train() -> None:
    train, validation, _ = digits()
    made: list[FitData] = []

    def white(data: FitData) -> Bank:
        made.append(data)
        return Bank(Examples(torch.full((5, 1, 8, 8), 255).byte(), torch.full((5,), 3)), 0.0)

    op = Op("white", "source", 1.0, "share", replaced, chance=True, fit=white)
    kwargs: dict[str, Any] = {"total_steps": 4, "n_train": 100, "ops": [op], "seed": 6}
    with pytest.raises(AdaptAugError, match=r"need train=\(inputs, labels\), .* \['white'\]"):
        Augmenter(Constant([1.0]), child(), validation, **kwargs)
    own = Augmenter(Constant([1.0]), child(), validation, train=train, **kwargs)
    images, targets = own(*batch(0))
    assert (images == 1).all()
    assert (targets == 3).all()
    (data,) = made
    assert (data.train.inputs is train.inputs, data.num_classes, data.seed) == (True, 10, 6)
    large = Examples(torch.zeros(4, 1, 16, 16).byte(), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(AdaptAugError, match=r"held_out's shape \(1, 8, 8\), got \(1, 16, 16\)"):
        Augmenter(Constant([1.0]), child(), validation, train=large, **kwargs)
    words = Examples(torch.ones(4, 3, dtype=torch.int64), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(AdaptAugError, match="train must be image data as held_out, got text data"):
        Augmenter(Constant([1.0]), child(), validation, train=words, **kwargs)
