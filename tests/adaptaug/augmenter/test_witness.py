"""What the loop does is compared with what the Augmenter was told, and said once."""

import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adaptaug import Augmenter, Constant
from adaptaug.data.examples import Split

Batch = Callable[..., tuple[Tensor, Tensor]]
Make = Callable[..., Augmenter]
SHIFT = "the images that reach the model are not those that the Augmenter returned"


class Net(nn.Module):
    """Batch statistics take up a normalisation in training, but not in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10)
        )

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.net(images)
        return logits


def normalise(images: Tensor) -> Tensor:
    return (images - 0.1307) / 0.3081


class Loop:
    """A user's loop of 12 batches, and what was said in it."""

    def __init__(self, using: Augmenter, model: nn.Module, batch: Batch) -> None:
        self.using, self.model, self.batch = using, model, batch
        self.optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)

    def train(
        self,
        before: Callable[[Tensor], Tensor] = lambda images: images,
        told: Callable[[Tensor, Tensor], Any] = lambda loss, accuracy: (loss, accuracy),
        smoothing: float = 0.0,
    ) -> None:
        for step in range(12):
            images, targets = self.using(*self.batch(step))
            logits = self.model(before(images))
            loss = F.cross_entropy(logits, targets, label_smoothing=smoothing)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            accuracy = (logits.argmax(1) == self.batch(step)[1]).float().mean()
            self.using.record(*told(loss, accuracy))


@pytest.fixture
def loop(augmenter: Make, batch: Batch) -> Callable[..., Loop]:
    """Makes a loop around an Augmenter with held-out data, at the decisions 0, 3, 6 and 9."""

    def make(model: nn.Module | None = None, **settings: Any) -> Loop:
        torch.manual_seed(0)
        model = model or Net()
        return Loop(augmenter(model=model, **settings), model, batch)

    return make


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


@pytest.mark.parametrize("held_out", [True, False])
@pytest.mark.parametrize(
    "between", [normalise, lambda images: images * 2 - 1, lambda images: images * 255]
)
def test_images_changed_on_their_way_to_the_model_are_said_once(
    loop: Callable[..., Loop],
    caplog: pytest.LogCaptureFixture,
    between: Callable[[Tensor], Tensor],
    held_out: bool,
) -> None:
    loop(**({} if held_out else {"held_out": None})).train(before=between)
    (message,) = said(caplog)
    assert message.startswith(SHIFT)
    assert "pass it mean= and std=" in message


@pytest.mark.parametrize(
    "between",
    [
        lambda images: images.to(memory_format=torch.channels_last),
        lambda images: images + 0.05 * torch.randn_like(images),
        lambda images: images.lerp(images.flip(0), 0.3),
    ],
    ids=["layout", "noise", "mixup"],
)
def test_what_leaves_brightness_and_contrast_is_not_said(
    loop: Callable[..., Loop],
    caplog: pytest.LogCaptureFixture,
    between: Callable[[Tensor], Tensor],
) -> None:
    loop().train(before=between)
    assert said(caplog) == []


class First(nn.Module):
    """Normalises in the model, as is right."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Net()

    def forward(self, images: Tensor, /, labels: Tensor | None = None) -> dict[str, Tensor]:
        return {"loss": torch.zeros(()), "logits": self.net(normalise(images))}


def test_normalisation_in_the_model_or_told_is_right(
    loop: Callable[..., Loop], caplog: pytest.LogCaptureFixture, digits: Split
) -> None:
    first = First()
    inside = loop(first)
    inside.model = nn.Sequential()  # so that the loop gets the logits alone
    inside.model.forward = lambda images: first(images)["logits"]  # type: ignore[assignment]
    inside.train()
    told = loop(mean=0.1307, std=0.3081)
    told.batch = lambda step: (normalise(inside.batch(step)[0] / 255), inside.batch(step)[1])
    told.train()
    assert said(caplog) == []


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (lambda loss, accuracy: (loss, 100 * accuracy), "mean accuracy of"),
        (lambda loss, accuracy: (loss, 16 * accuracy), "mean accuracy of"),
        (lambda loss, accuracy: (16 * loss, accuracy), "unweighted and not divided"),
        (lambda loss, accuracy: (loss / 4, accuracy), "unweighted and not divided"),
        (lambda loss, accuracy: (accuracy, loss), "record was told a loss of"),
        (lambda loss, accuracy: (loss * torch.nan, accuracy), "mean loss of nan"),
        (lambda loss, accuracy: (-loss, accuracy), "record was told a loss of -"),
    ],
    ids=["percent", "hits", "sum", "accumulated", "swapped", "nan", "negative"],
)
def test_what_is_no_mean_loss_and_accuracy_is_said_once(
    loop: Callable[..., Loop], caplog: pytest.LogCaptureFixture, told: Any, words: str
) -> None:
    loop().train(told=told)
    (message,) = said(caplog)
    assert words in message


@pytest.mark.parametrize(
    "told", [lambda loss, accuracy: (16 * loss, accuracy), lambda loss, accuracy: (loss, 90.0)]
)
def test_the_policy_does_not_steer_by_what_is_not_true(
    loop: Callable[..., Loop], watch: Any, told: Any
) -> None:
    seen = []
    for record in (told, None):
        watched = watch()
        looping = loop(chosen=watched, decisions=4)
        if record is None:
            looping.using.record = lambda loss, accuracy: None  # type: ignore[method-assign]
        looping.train(**({} if record is None else {"told": record}))
        seen.append([one.flat().tolist() for one in watched.seen])
    assert seen[0] == seen[1]


def test_a_right_loop_and_smoothed_labels_are_not_said(
    loop: Callable[..., Loop], caplog: pytest.LogCaptureFixture
) -> None:
    loop().train()
    loop().train(smoothing=0.1)
    loop().train(told=lambda loss, accuracy: (loss.item(), accuracy.item()))
    assert said(caplog) == []


def test_a_forgotten_record_is_said_once(
    augmenter: Make, batch: Batch, caplog: pytest.LogCaptureFixture
) -> None:
    using = augmenter()
    for step in range(12):
        using(*batch(step))
    (message,) = said(caplog)
    assert message.startswith("record(loss, accuracy) was not called")


def test_no_hook_is_left_on_the_model(loop: Callable[..., Loop]) -> None:
    looping = loop()
    looping.train()
    assert not looping.model._forward_hooks
    looping = loop()
    looping.using.record = lambda loss, accuracy: None  # type: ignore[method-assign]
    looping.train()
    assert not looping.model._forward_hooks


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((torch.ones(16), 0.5), r"loss must be one number, .* got a tensor of shape \(16,\)"),
        ((1.0, None), "accuracy must be one number, .* got None"),
        (("low", 0.5), "loss must be one number, .* got 'low'"),
    ],
)
def test_what_is_not_one_number_is_refused(
    loop: Callable[..., Loop], values: tuple[Any, Any], message: str
) -> None:
    looping = loop()
    looping.using(*looping.batch(0))
    with pytest.raises(ValueError, match=message):
        looping.using.record(*values)


class OwnLoss(nn.Module):
    """As a model of transformers: it computes its own loss, of a kind that labels decide."""

    config = SimpleNamespace(problem_type=None)

    def __init__(self) -> None:
        super().__init__()
        self.net = Net()

    def forward(self, pixel_values: Tensor, labels: Tensor | None = None) -> SimpleNamespace:
        logits = self.net(pixel_values)
        loss = None
        if labels is not None and labels.is_floating_point():
            loss = F.binary_cross_entropy_with_logits(logits, labels)
        elif labels is not None:
            loss = F.cross_entropy(logits, labels)
        return SimpleNamespace(loss=loss, logits=logits)


@pytest.mark.parametrize("own", [True, False])
def test_soft_labels_for_a_models_own_loss_are_said_at_once(
    augmenter: Make, batch: Batch, caplog: pytest.LogCaptureFixture, own: bool
) -> None:
    model = OwnLoss()
    using = augmenter(Constant([0, 0, 0, 0.5]), model)
    for step in range(2):
        images, targets = using(*batch(step))
        model(pixel_values=images, labels=targets if own else None)
    messages = said(caplog)
    assert len(messages) == own
    assert all("compute cross_entropy(output.logits, targets)" in each for each in messages)
