"""Normalised batches and held-out data: undone, augmented and redone, and refused by name."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from adaptaug import AdaptAugError, Augmenter, Constant
from adaptaug.augmenter.normalisation import normalisation
from adaptaug.children import SmallCNN
from adaptaug.data.examples import Split

Batch = Callable[..., tuple[Tensor, Tensor]]
Make = Callable[..., Augmenter]
MEAN, STD = 0.1307, 0.3081  # MNIST's


def normalised(images: Tensor) -> Tensor:
    return (images / 255 - MEAN) / STD


class Normalised(nn.Module):
    """A model whose first layer normalises."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model((images - MEAN) / STD)
        return logits


@pytest.mark.parametrize("form", ["pair", "dataset", "bytes"])
def test_equals_normalisation_as_the_models_first_layer(
    augmenter: Make,
    batch: Batch,
    watch: Any,
    child: Callable[..., SmallCNN],
    digits: Split,
    form: str,
) -> None:
    examples, model = digits.validation, child()
    pair = normalised(examples.inputs), examples.targets
    forms = {"pair": pair, "dataset": TensorDataset(*pair), "bytes": examples}
    inside, outside = watch(), watch()
    expected = augmenter(inside, Normalised(model))
    using = augmenter(outside, model, held_out=forms[form], mean=MEAN, std=[STD])
    for step in range(12):
        images, targets = batch(step)
        wanted, labels = expected(images, targets)
        got, ours = using(normalised(images), targets)
        assert got == pytest.approx((wanted - MEAN) / STD, abs=1e-5)
        assert torch.equal(ours, labels)
    assert using.magnitudes == pytest.approx(expected.magnitudes, abs=1e-4)
    for one, other in zip(outside.seen, inside.seen, strict=True):
        assert one.flat() == pytest.approx(other.flat(), abs=1e-3)


def test_magnitude_0_returns_normalised_images_bit_for_bit(augmenter: Make, batch: Batch) -> None:
    using = augmenter(Constant([0.0] * 4), held_out=None, mean=MEAN, std=STD)
    images, targets = normalised(batch(0)[0]), batch(0)[1]
    assert torch.equal(using(images, targets)[0], images)
    assert torch.equal(using(*batch(0))[0], images)  # bytes are pixels, and come back normalised


def test_half_precision_images_are_undone(augmenter: Make, batch: Batch) -> None:
    using = augmenter(Constant([1, 0, 0, 0]), held_out=None, mean=MEAN, std=STD)
    images, targets = normalised(batch(0)[0]), batch(0)[1]
    expected = augmenter(Constant([1, 0, 0, 0]), held_out=None, mean=MEAN, std=STD)
    got = using(images.bfloat16(), targets)[0]
    assert got.dtype == torch.float32  # that of the model
    assert got == pytest.approx(expected(images, targets)[0], abs=0.05)


def test_each_channel_has_its_own() -> None:
    mean, std = np.array([0.1, 0.2, 0.3]), torch.tensor([0.5, 0.25, 0.125])
    norm = normalisation(mean, std, torch.device("cpu"))
    assert norm is not None
    pixels = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    images = norm.redone(pixels)
    assert images[:, 2] == pytest.approx((pixels[:, 2] - 0.3) / 0.125, abs=1e-5)
    assert norm.undone(images, "here") == pytest.approx(pixels, abs=1e-6)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"mean": 0.5}, "mean and std go together, got mean alone"),
        ({"std": 0.5}, "mean and std go together, got std alone"),
        ({"mean": 0.5, "std": 0}, "std must be above 0, got 0"),
        ({"mean": [0.5, 0.5], "std": 1}, "same number of channels, got 2 and 1"),
        ({"mean": [0.5] * 3, "std": [0.5] * 3}, "one for each of 1 channels, got 3 for held_out"),
        ({"mean": float("nan"), "std": 1}, "mean must have finite numbers, got nan"),
        ({"mean": "imagenet", "std": 1}, "mean must be a number or .* got 'imagenet'"),
    ],
)
def test_what_is_no_normalisation_is_refused(
    augmenter: Make, digits: Split, kwargs: dict[str, Any], message: str
) -> None:
    held_out = normalised(digits.validation.inputs), digits.validation.targets
    with pytest.raises(AdaptAugError, match=message):
        augmenter(held_out=held_out, **kwargs)


def test_another_normalisation_is_refused(augmenter: Make, batch: Batch, digits: Split) -> None:
    images, targets = digits.validation.inputs, digits.validation.targets
    with pytest.raises(AdaptAugError, match=r"mean and std are undone, got .* of held_out"):
        augmenter(held_out=(normalised(images), targets), mean=0.5, std=0.5)
    using = augmenter(mean=MEAN, std=STD)
    for step in range(2):
        with pytest.raises(AdaptAugError, match=rf"in row 0 of batch {step}"):
            using(batch(step)[0] * 2.0, targets[:16])
        with pytest.raises(AdaptAugError, match="are undone, got nan in row 0"):
            using(batch(step)[0] * torch.nan, targets[:16])
        using(*batch(step))


def test_normalised_images_without_mean_and_std_are_refused_with_the_remedy(
    augmenter: Make, batch: Batch, digits: Split
) -> None:
    pair = normalised(digits.validation.inputs), digits.validation.targets
    for data in (pair, TensorDataset(*pair)):
        with pytest.raises(AdaptAugError, match=r"must lie in \[0, 1\].*pass mean= and std="):
            augmenter(held_out=data)
    for using in (augmenter(), augmenter(held_out=None)):
        with pytest.raises(AdaptAugError, match=r"in row 0 of batch 0; .*pass mean= and std="):
            using(normalised(batch(0)[0]), batch(0)[1])
