"""A run that is resumed from a state continues bit for bit, whatever the controller."""

import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adaptaug import AdaptAugError, Augmenter, Constant, Controller, Policy, Random
from adaptaug.controllers import ADA, AugNet, Online, Reactive
from adaptaug.policy.network import PolicyNetwork

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
    with pytest.raises(
        AdaptAugError, match="total_steps of an augmenter's state must be 24, got 12"
    ):
        augmenter(total_steps=24).load_state_dict(state)
    with pytest.raises(AdaptAugError, match=r"ops .* must be \['rotate'\], got \['rotate', 'hue'"):
        augmenter(Constant([0.1]), ops=["rotate"]).load_state_dict(state)
