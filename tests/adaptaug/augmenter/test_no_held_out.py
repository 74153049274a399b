"""The Augmenter without held-out data: what is unknown, what it costs, what it refuses."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adaptaug import AdaptAugError, Augmenter, Constant, Controller, Policy, Random, load_policy
from adaptaug.children import SmallCNN
from adaptaug.controllers import ADA, AugNet, Learned, Online, Reactive
from adaptaug.data.examples import Split
from adaptaug.metrics import evaluate
from adaptaug.policy.network import PolicyNetwork
from adaptaug.policy.observation import GLOBAL_FEATURES, HELD_OUT_FEATURES, OP_FEATURES
from adaptaug.training.episode import Episode
from adaptaug.utils.seeding import RandomStream

Batch = Callable[..., tuple[Tensor, Tensor]]
Make = Callable[..., Augmenter]
IMAGES, LABELS = torch.zeros(4, 1, 8, 8), torch.arange(4)


def test_bundled_policy_trains_digits(digits: Split, child: Callable[..., SmallCNN]) -> None:
    steps, model, train = 200, child(), digits.train
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, steps)
    using = Augmenter("digits", model, total_steps=steps, n_train=100, seed=0)
    generator = torch.Generator().manual_seed(0)
    order = torch.cat([torch.randperm(100, generator=generator) for _ in range(64)])
    with RandomStream(0).active():
        for rows in order.split(32):
            x, targets = using(train.inputs[rows], train.targets[rows])
            logits = model(x)
            loss = F.cross_entropy(logits, targets)
            loss.backward()
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
            using.record(loss, (logits.argmax(1) == train.targets[rows]).float().mean())
    assert evaluate(model, digits.test).score > 0.85
    assert tuple(using.magnitudes) == load_policy("digits").ops
    assert max(using.magnitudes.values()) > 0.01


# What is observed


def test_only_the_features_of_held_out_data_are_unknown(
    augmenter: Make, batch: Batch, watch: Any, child: Callable[..., SmallCNN], digits: Split
) -> None:
    watched, model = watch(), child()
    using = augmenter(watched, model, held_out=None)
    assert set(using.magnitudes.values()) == {0.0}
    for step in range(12):
        using(*batch(step))
        using.record(1.0, 0.5)
    first = watched.seen[0]
    assert np.isfinite(first.flat()).all()
    assert first.feature("validation_loss") == first.feature("train_loss")
    for seen in watched.seen[1:]:
        names = (*GLOBAL_FEATURES, *OP_FEATURES * 4)
        unknown = {n for n, value in zip(names, seen.flat(), strict=True) if np.isnan(value)}
        assert unknown == set(HELD_OUT_FEATURES)
    last = watched.seen[-1]
    expected = evaluate(model, digits.train)  # whose 100 examples the 12 batches went through
    assert last.feature("train_loss") == pytest.approx(expected.loss / np.log(10), abs=1e-5)
    assert last.feature("batch_loss") == pytest.approx(1 / np.log(10))
    assert all(0 <= magnitude <= 1 for magnitude in using.magnitudes.values())


class Counting(SmallCNN):
    """Counts the images of each forward pass."""

    def __init__(self) -> None:
        super().__init__(1, (8, 8), 10, 8)
        self.sizes: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.sizes.append(len(images))
        return super().forward(images)


def test_a_decision_predicts_the_first_training_examples_alone(
    augmenter: Make, batch: Batch, watch: Any
) -> None:
    model = Counting()
    using = augmenter(watch(), model, held_out=None, decisions=4)
    assert model.sizes == []
    for step in range(12):
        using(*batch(step))
    assert model.sizes == [1, 16, 64, 100, 100]  # one image counts the classes


def test_model_and_random_state_are_unchanged(
    augmenter: Make, batch: Batch, child: Callable[..., SmallCNN]
) -> None:
    model = child().train()
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    using = augmenter(model=model, held_out=None)
    for step in range(12):
        using(*batch(step))
    assert all(module.training for module in model.modules())
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("modality", ["text", "tagging"])
def test_sentences_need_no_held_out_data(
    modality: str,
    episode_of: Callable[..., Episode],
    beside: Callable[..., Augmenter],
) -> None:
    episode = episode_of(modality)
    batch = episode.run.train.inputs, episode.run.train.targets
    expected = beside(modality, episode, Constant([0.5] * 4))(*batch)
    got = beside(modality, episode, Constant([0.5] * 4), held_out=None)(*batch)
    assert all(torch.equal(*pair) for pair in zip(got, expected, strict=True))
    learned = beside(modality, episode, Learned(PolicyNetwork(4)), held_out=None)
    learned(*batch)
    assert learned.magnitudes["rotate"] == 0 < learned.magnitudes["masking"]


# What is refused


class Own(Controller):
    """A user's controller that reads what it does not get."""

    features = ("train_loss", "loss_gap")


@pytest.mark.parametrize(
    "controller",
    [
        ADA([0.5] * 4),
        Reactive([[0.0] * 4, [0.5] * 4]),
        AugNet(4),
        Online(PolicyNetwork(4)),
        Own(),
    ],
    ids=lambda controller: type(controller).__name__,
)
def test_controllers_that_read_held_out_losses_are_refused(
    augmenter: Make, controller: Controller
) -> None:
    rule = f"controller {type(controller).__name__} reads the loss on held-out data, so held_out"
    with pytest.raises(AdaptAugError, match=rf"{rule} must be labelled examples .*, got None"):
        augmenter(controller, held_out=None)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"learning_rate": 0.1}, "learning_rate must be an optimizer, .*, got float"),
        ({"metric": "auc"}, "metric must be one of .*, got 'auc'"),
        ({"total_steps": 0}, "total_steps must be a whole number of at least 1, got 0"),
    ],
)
def test_wrong_setting_is_refused_before_the_first_batch(
    augmenter: Make, kwargs: dict[str, Any], message: str
) -> None:
    with pytest.raises(AdaptAugError, match=message):
        augmenter(held_out=None, **kwargs)


@pytest.mark.parametrize(
    ("images", "targets", "message"),
    [
        (IMAGES + 1.5, LABELS, r"pixels must lie in \[0, 1\], got 1.5 in row 0 of batch 0"),
        (IMAGES / 0, LABELS, "pixels must be finite, got nan in row 0 of batch 0"),
        (IMAGES[0], LABELS, r"shape \(N, C, H, W\), got \(1, 8, 8\) in batch 0"),
        (IMAGES, LABELS[:3], r"labels must have shape \(4,\).*in batch 0"),
        (IMAGES, IMAGES[:, 0, 0, 1:], r"targets \(B,\) or \(B, 10\), got .* and \(4, 7\)"),
        (IMAGES, LABELS + 9, r"labels must lie in 0..9, got 10 in row 1 of batch 0"),
        (IMAGES, LABELS / 2, "labels must be integers, got torch.float32 in batch 0"),
        (IMAGES[:0], LABELS[:0], "at least one example is needed, got 0 in batch 0"),
        (IMAGES.to("meta"), LABELS, "images must be on cpu, as the model .*got meta in batch 0"),
        (
            torch.ones(4, 3, dtype=torch.int64),
            LABELS,
            r"vocabulary goes with sentences, .* got no vocabulary for batch 0 of shape \(4, 3\)",
        ),
    ],
)
def test_wrong_first_batch_is_refused_and_changes_nothing(
    augmenter: Make, batch: Batch, images: Tensor, targets: Tensor, message: str
) -> None:
    using, untouched = augmenter(held_out=None), augmenter(held_out=None)
    with pytest.raises(AdaptAugError, match=message):
        using(images, targets)
    assert torch.equal(using(*batch(0))[0], untouched(*batch(0))[0])


def test_later_batches_must_be_as_the_first(augmenter: Make, batch: Batch) -> None:
    using = augmenter(held_out=None)
    using(*batch(0))
    with pytest.raises(AdaptAugError, match=r"\(B, 1, 8, 8\), as in batch 0, .* in batch 1"):
        using(IMAGES[..., 1:], LABELS)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"model": nn.Flatten(0)}, r"must return logits \(B, K\).*got \(1?64,\)"),
        (
            {"chosen": Constant([0.5]), "ops": ["synonym"]},
            "some op must suit image data, got synonym",
        ),
    ],
)
def test_what_does_not_fit_the_first_batch_is_refused_there(
    augmenter: Make, batch: Batch, kwargs: dict[str, Any], message: str
) -> None:
    using = augmenter(held_out=None, **kwargs)
    with pytest.raises(AdaptAugError, match=message):
        using(*batch(0))


def test_record_before_the_first_batch_is_refused(augmenter: Make) -> None:
    with pytest.raises(AdaptAugError, match="record follows the call on a batch"):
        augmenter(held_out=None).record(1.0, 0.5)


# Checkpoints


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


@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize("stop", [0, 3, 8])
@pytest.mark.parametrize("kind", ["learned", "random"])
def test_resumed_run_equals_the_uninterrupted_one_bit_for_bit(
    augmenter: Make,
    policy: Callable[..., Policy],
    child: Callable[..., nn.Module],
    batch: Batch,
    kind: str,
    stop: int,
    before: int,
) -> None:
    def fresh(model: nn.Module) -> Augmenter:
        return augmenter(policy() if kind == "learned" else Random([0.3] * 4), model, held_out=None)

    model = child()
    whole = fresh(model)
    train(whole, model, batch, range(stop))
    magnitudes = whole.magnitudes
    file = io.BytesIO()
    torch.save({"model": model.state_dict(), "augmenter": whole.state_dict()}, file)
    expected = train(whole, model, batch, range(stop, 12))
    file.seek(0)
    saved = torch.load(file, weights_only=True)  # tensors and plain data only
    model = child(seed=1)
    resumed = fresh(model)
    train(resumed, model, batch, range(before))  # with 0, the state waits for the first batch
    model.load_state_dict(saved["model"])
    resumed.load_state_dict(saved["augmenter"])
    assert resumed.magnitudes == magnitudes
    again = fresh(model)
    again.load_state_dict(resumed.state_dict())  # a state that waits can be saved
    for using in (resumed, again):
        model.load_state_dict(saved["model"])
        continued = train(using, model, batch, range(stop, 12))
        assert all(torch.equal(*pair) for pair in zip(continued, expected, strict=True))


def test_state_of_a_run_with_held_out_data_is_refused(augmenter: Make, batch: Batch) -> None:
    state = augmenter().state_dict()
    with pytest.raises(AdaptAugError, match=r"uses_held_out .* must be False, got True"):
        augmenter(held_out=None).load_state_dict(state)
    with pytest.raises(AdaptAugError, match=r"uses_held_out .* must be True, got False"):
        augmenter().load_state_dict(augmenter(held_out=None).state_dict())
    del state["uses_held_out"]  # as in states from before there was a choice
    augmenter().load_state_dict(state)
