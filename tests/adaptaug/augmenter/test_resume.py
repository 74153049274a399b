"""A run that is resumed from a state continues bit for bit, whatever the controller."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adaptaug import AdaptAugError, Augmenter, Constant, Controller, Policy, Random
from adaptaug.controllers import ADA, AugNet, Online, Reactive
from adaptaug.policy.network import PolicyNetwork
from adaptaug.utils.seeding import RandomStream

Batch = Callable[..., tuple[Tensor, Tensor]]
CONTROLLERS: dict[str, Callable[[PolicyNetwork], Controller]] = {
    "random": lambda network: Random([0.3] * 4),
    "reactive": lambda network: Reactive([[0.0] * 4, [0.2] * 4, [0.5] * 4, [0.9] * 4], start=2),
    "ada": lambda network: ADA([0.5] * 4, target=0.0),
    "augnet": lambda network: AugNet(4),
    "online": lambda network: Online(network, learning_rate=0.1, noise=0.3),
}


def train(using: Augmenter, model: nn.Module, batch: Batch, steps: range) -> list[Tensor]:
    """Trains without dropout: the augmented batches, and magnitudes and weights at the end."""
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


@pytest.mark.parametrize("stop", [0, 3, 5, 8])
@pytest.mark.parametrize("kind", ["learned", *CONTROLLERS])
def test_resumed_run_equals_the_uninterrupted_one_bit_for_bit(
    augmenter: Callable[..., Augmenter],
    policy: Callable[..., Policy],
    network: PolicyNetwork,
    child: Callable[..., nn.Module],
    batch: Batch,
    stop: int,
    kind: str,
) -> None:
    def fresh(model: nn.Module) -> Augmenter:
        if kind == "learned":
            return augmenter(policy(), model)
        return augmenter(CONTROLLERS[kind](network), model, decisions=6)

    model = child()
    whole = fresh(model)
    train(whole, model, batch, range(stop))
    file = io.BytesIO()
    torch.save({"model": model.state_dict(), "augmenter": whole.state_dict()}, file)
    expected = train(whole, model, batch, range(stop, 12))
    file.seek(0)
    saved = torch.load(file, weights_only=True)  # tensors and plain data only
    model = child(seed=1)
    resumed = fresh(model)
    train(resumed, model, batch, range(1))  # what came before does not matter
    model.load_state_dict(saved["model"])
    resumed.load_state_dict(saved["augmenter"])
    continued = train(resumed, model, batch, range(stop, 12))
    assert len(continued) == len(expected)
    assert all(torch.equal(*pair) for pair in zip(continued, expected, strict=True))


def test_state_is_not_changed_by_later_steps(
    augmenter: Callable[..., Augmenter], child: Callable[..., nn.Module], batch: Batch
) -> None:
    model = child()
    using = augmenter(model=model)
    train(using, model, batch, range(4))
    state: dict[str, Any] = using.state_dict()
    before = str(state)
    train(using, model, batch, range(4, 9))
    assert str(state) == before


def test_state_of_another_run_is_refused(augmenter: Callable[..., Augmenter]) -> None:
    state = augmenter().state_dict()
    with pytest.raises(AdaptAugError, match=r"ops .* must be \['rotate'\], got \['rotate', 'hue'"):
        augmenter(Constant([0.1]), ops=["rotate"]).load_state_dict(state)
    with pytest.raises(AdaptAugError, match=r"controller of .* must be Constant, got Learned"):
        augmenter(Constant([0.1] * 4)).load_state_dict(state)
    with pytest.raises(AdaptAugError, match=r"seed of .* must be 1, got 0"):
        augmenter(seed=1).load_state_dict(state)
    for name in ("controller", "seed", "planned", "n_train"):  # as in states of before
        del state[name]
    augmenter(seed=1).load_state_dict(state)


@pytest.mark.parametrize("held_out", [True, False])
def test_a_damaged_state_is_refused_in_a_sentence(
    augmenter: Callable[..., Augmenter], batch: Batch, held_out: bool
) -> None:
    settings = {} if held_out else {"held_out": None}
    whole = augmenter(**settings)
    whole(*batch(0))
    state = whole.state_dict()

    def resume(damaged: Any) -> None:
        other = augmenter(**settings)
        other.load_state_dict(damaged)
        other(*batch(1))  # without held-out data the state waits for the first batch

    for damaged in (
        {},
        [],
        {"module": state},
        {name: value for name, value in state.items() if name != "decisions"},
        state | {"decisions": {}},
        state | {"decisions": {"loop": None}},
        state | {"generator": torch.zeros(3)},
        state | {"step": -1},
        state | {"step": None},
        state | {"total_steps": "12"},
        state | {"decisions": 3},
        state | {"decisions": state["decisions"] | {"loop": {}}},
    ):
        with pytest.raises(AdaptAugError, match="an augmenter's state must"):
            resume(damaged)


@pytest.mark.parametrize("held_out", [True, False])
def test_a_run_without_a_seed_takes_that_of_the_state(
    augmenter: Callable[..., Augmenter],
    child: Callable[..., nn.Module],
    batch: Batch,
    held_out: bool,
) -> None:
    settings = {} if held_out else {"held_out": None}

    def fresh(model: nn.Module, torch_seed: int) -> Augmenter:
        with RandomStream(torch_seed).active():
            return augmenter(model=model, seed=None, **settings)

    model = child()
    whole = fresh(model, 3)
    train(whole, model, batch, range(5))
    state, weights = whole.state_dict(), {n: v.clone() for n, v in model.state_dict().items()}
    assert state["seed"] == 3
    expected = train(whole, model, batch, range(5, 12))
    resumed = fresh(model, 4)
    resumed.load_state_dict(state)
    model.load_state_dict(weights)
    continued = train(resumed, model, batch, range(5, 12))
    assert all(torch.equal(*pair) for pair in zip(continued, expected, strict=True))


class Board:
    """Keeps the steps of the decisions."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    def magnitudes(self, names: Any, values: Any, step: int) -> None:
        self.steps.append(step)

    def child_curves(self, history: Any, step: int) -> None:
        pass

    def image_grid(self, before: Tensor, after: Tensor, step: int) -> None:
        pass


@pytest.mark.parametrize("held_out", [True, False])
@pytest.mark.parametrize("told", [True, False], ids=["told", "seen"])
def test_half_the_batch_goes_on_with_the_same_fraction_of_the_run_done(
    augmenter: Callable[..., Augmenter],
    watch: Any,
    batch: Batch,
    caplog: pytest.LogCaptureFixture,
    told: bool,
    held_out: bool,
) -> None:
    settings = {} if held_out else {"held_out": None}
    whole = augmenter(watch(), decisions=4, **settings)
    for step in range(5):
        whole(*batch(step))
        whole.record(2.0, 0.5)
    board, watched = Board(), watch()
    size = {"batch_size": 8 if told else None}
    resumed = augmenter(watched, decisions=4, total_steps=24, board=board, **size, **settings)
    resumed.load_state_dict(whole.state_dict())
    assert resumed.magnitudes == whole.magnitudes
    for step in range(14):
        resumed(*batch(step, size=8))
        resumed.record(2.0, 0.5)
    assert "total_steps was 12 and is 24" in caplog.text
    assert ("batch_size was 16 and is 8" in caplog.text) == told
    assert board.steps == [12, 18]  # 5 of 12 are 10 of 24
    assert watched.progress == pytest.approx([12 / 24, 18 / 24])
    assert watched.seen[-1].feature("log_epochs") == pytest.approx(np.log2(1 + 24 * 8 / 100) / 4)
    assert "goes on after" not in caplog.text


def test_another_length_or_number_of_examples_is_taken_and_said(
    augmenter: Callable[..., Augmenter],
    watch: Any,
    batch: Batch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    whole = augmenter(watch(), decisions=4)
    for step in range(5):
        whole(*batch(step))
    board, watched = Board(), watch()
    resumed = augmenter(watched, decisions=4, total_steps=40, n_train=50, board=board)
    resumed.load_state_dict(whole.state_dict())
    for step in range(5, 40):
        resumed(*batch(step))
    assert board.steps == [10, 20, 30]
    assert watched.progress == pytest.approx([0.25, 0.5, 0.75])
    assert watched.seen[0].feature("log_epochs") == pytest.approx(np.log2(1 + 40 * 16 / 50) / 4)
    assert "total_steps was 12 and is 40, n_train was 100 and is 50" in caplog.text


def test_a_batch_that_ends_an_epoch_does_not_count_as_another_size(
    augmenter: Callable[..., Augmenter], batch: Batch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = augmenter(Constant([0.5] * 4))
    whole(*batch(0))
    resumed = augmenter(Constant([0.5] * 4), batch_size=None)
    resumed.load_state_dict(whole.state_dict())
    resumed(*batch(0, size=4))
    resumed(*batch(1))
    assert resumed.state_dict()["batch_size"] == 16
    assert caplog.records == []
