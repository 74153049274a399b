"""The Augmenter on images: what a call returns, and that model and random state stay unchanged."""

import logging
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.transforms import v2

from adaptaug import Augmenter, Constant, Ramp, load_policy, wrap
from adaptaug.children import SmallCNN
from adaptaug.data.examples import Split
from adaptaug.metrics import evaluate
from adaptaug.utils.seeding import RandomStream

Batch = Callable[..., tuple[Tensor, Tensor]]
Make = Callable[..., Augmenter]


def test_bundled_policy_trains_digits_and_leaves_hflip_off(
    digits: Split, child: Callable[..., SmallCNN]
) -> None:
    steps, model, train = 200, child(), digits.train
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, steps)
    using = Augmenter("digits", model, digits.validation, total_steps=steps, n_train=100, seed=0)
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
    assert using.magnitudes["hflip"] == 0
    assert max(using.magnitudes.values()) > 0.01  # it fades out


# What a call returns


def test_uint8_and_float_images_are_augmented_alike(augmenter: Make, batch: Batch) -> None:
    images, targets = batch(0)
    out = [
        augmenter()(inputs, targets)[0] for inputs in (images, images / 255, images.double() / 255)
    ]
    assert out[0].dtype == out[2].dtype == torch.float32
    assert torch.equal(out[0], out[1])
    assert out[2] == pytest.approx(out[0], abs=1e-6)
    assert 0 <= out[0].min() <= out[0].max() <= 1


def test_magnitude_0_returns_the_batch_unchanged(augmenter: Make, batch: Batch) -> None:
    images, targets = batch(0)
    augmented, labels = augmenter(Constant([0.0] * 4))(images, targets)
    assert torch.equal(augmented, images / 255)
    assert labels is targets


def test_labels_become_soft_only_where_an_op_mixes(augmenter: Make, batch: Batch) -> None:
    images, targets = batch(0)
    _, soft = augmenter(Constant([0, 0, 0, 1]))(images, targets)
    assert soft.shape == (16, 10)
    assert soft.sum(1).tolist() == pytest.approx([1] * 16)
    _, hard = augmenter(Constant([1, 0, 1, 0]))(images, targets)
    assert torch.equal(hard, targets)


def test_label_distributions_are_accepted_and_returned(augmenter: Make, batch: Batch) -> None:
    images, targets = batch(0)
    smooth = 0.9 * F.one_hot(targets, 10) + 0.01
    assert torch.equal(augmenter(Constant([1, 0, 1, 0]))(images, smooth)[1], smooth)
    mixed = augmenter()(images, smooth)[1]
    assert mixed.sum(1).tolist() == pytest.approx([1] * 16)


def test_one_seed_gives_one_run(augmenter: Make, batch: Batch) -> None:
    runs = [[using(*batch(step))[0] for step in range(12)] for using in (augmenter(), augmenter())]
    assert all(torch.equal(*pair) for pair in zip(*runs, strict=True))
    other = augmenter(seed=1)(*batch(0))[0]
    assert not torch.equal(other, runs[0][0])


def test_short_empty_and_non_contiguous_batches_are_accepted(augmenter: Make, batch: Batch) -> None:
    using = augmenter()
    using(*batch(0))
    assert using(*batch(0, size=3))[0].shape == (3, 1, 8, 8)
    empty = torch.empty(0, 1, 8, 8), torch.empty(0, dtype=torch.int64)
    assert using(*empty)[0].shape == (0, 1, 8, 8)
    images, targets = batch(0)
    assert using(images.transpose(2, 3), targets.int())[0].shape == (16, 1, 8, 8)
    assert augmenter(Constant([0.0] * 4))(images, targets.int())[1].dtype == torch.int64


def test_autocast_does_not_change_the_augmentation(augmenter: Make, batch: Batch) -> None:
    expected = augmenter(Constant([1, 0, 1, 0]))(*batch(0))[0]
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(augmenter(Constant([1, 0, 1, 0]))(*batch(0))[0], expected)


def test_baselines_and_wrapped_transforms_replace_a_policy(augmenter: Make) -> None:
    images = torch.randint(256, (4, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    held_out = (images.to(torch.uint8), torch.arange(4))
    kwargs = {"model": SmallCNN(3, (8, 8), 10, 4), "held_out": held_out}
    using = augmenter(Constant([1.0]), ops=[wrap(v2.RandAugment())], **kwargs)
    augmented, _ = using(*held_out)
    assert using.magnitudes == {"RandAugment": 1.0}
    assert not torch.equal(augmented, images / 255)
    ramp = augmenter(Ramp([0.25, 0.5]), ops=["rotate", "hue"], decisions=12, **kwargs)
    for _ in range(4):
        ramp(*held_out)
    assert ramp.magnitudes == {"rotate": pytest.approx(0.125), "hue": pytest.approx(0.25)}


def test_held_out_data_may_have_any_form(
    augmenter: Make, batch: Batch, watch: Any, digits: Split
) -> None:
    examples = digits.validation
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
        watched = watch()
        augmenter(watched, held_out=held_out)(*batch(0))
        seen.append(watched.seen[0].flat())
    assert all(np.array_equal(seen[0], other) for other in seen)


def test_seed_is_torchs_by_default_and_random_state_stays(
    augmenter: Make, batch: Batch, child: Callable[..., SmallCNN]
) -> None:
    model = child()

    def first(seed: int | None) -> Tensor:
        return augmenter(model=model, seed=seed)(*batch(0))[0]

    with RandomStream(5).active():
        state = torch.get_rng_state()
        assert torch.equal(first(None), first(5))
        assert torch.equal(torch.get_rng_state(), state)
    with RandomStream(6).active():
        assert torch.equal(first(None), first(6))
        assert not torch.equal(first(None), first(5))


def test_a_run_that_is_left_alone_says_so_once_with_the_reason(
    augmenter: Make, policy: Any, batch: Batch, caplog: pytest.LogCaptureFixture
) -> None:
    using = augmenter(policy(min_epochs=2.0))
    for step in range(12):
        using(*batch(step))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "left alone" in record.getMessage()
    assert "it has 1.9 epochs, and the policy gains nothing in runs of fewer than 2.0" in (
        record.getMessage()
    )
    assert set(using.magnitudes.values()) == {0.0}


# What a call leaves unchanged


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


def test_model_and_random_states_are_unchanged(augmenter: Make, batch: Batch) -> None:
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
    """A tensor that fails when its value is read, which on a GPU would wait for it."""

    readable = False

    def _refuse(self, name: str, *args: Any) -> Any:
        assert Unread.readable, f"{name} before a decision"
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


def test_record_reads_no_tensor_before_the_next_decision(
    augmenter: Make, batch: Batch, watch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = watch()
    using = augmenter(watched, decisions=2)
    for step in range(6):
        using(*batch(step))
        loss = torch.tensor(2.0, requires_grad=True) * 1.5
        using.record(loss.as_subclass(Unread), torch.tensor(0.5).as_subclass(Unread))
    monkeypatch.setattr(Unread, "readable", True)
    using(*batch(6))
    assert watched.seen[1].feature("batch_loss") == pytest.approx(3 / np.log(10))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_no_synchronisation_between_decisions_on_a_gpu(
    augmenter: Make, batch: Batch, child: Callable[..., SmallCNN], digits: Split
) -> None:
    using = augmenter(model=child().cuda(), decisions=2)
    on_device = [tuple(part.cuda() for part in batch(step)) for step in range(6)]
    for step, (images, targets) in enumerate(on_device):
        torch.cuda.set_sync_debug_mode("error" if step else "default")
        try:
            augmented, _ = using(images, targets)
            using.record(augmented.mean(), augmented.max())
        finally:
            torch.cuda.set_sync_debug_mode("default")
