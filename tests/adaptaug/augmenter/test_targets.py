"""Targets: one form throughout, ignored labels, label distributions, what is refused."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from adaptaug import AdaptAugError, Augmenter, Constant, Ramp
from adaptaug.augmenter.targets import soften
from adaptaug.training.episode import Episode

Batch = Callable[..., tuple[Tensor, Tensor]]
Make = Callable[..., Augmenter]
MIX, PLAIN = [0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0]


def test_soft_targets_in_every_batch_are_those_of_the_hard_run(
    augmenter: Make, batch: Batch
) -> None:
    ramp = Ramp([0.5, 0.5, 0.5, 0.5])
    hard = augmenter(ramp, decisions=12)
    soft = augmenter(Ramp([0.5, 0.5, 0.5, 0.5]), decisions=12, always_soft=True)
    forms = set()
    for step in range(12):
        (images, targets), (expected, labels) = soft(*batch(step)), hard(*batch(step))
        assert torch.equal(images, expected)
        assert targets.dtype == torch.float32
        forms.add(labels.is_floating_point())
        assert torch.equal(targets, soften(labels, 10))
    assert forms == {True, False}


@pytest.mark.parametrize("magnitudes", [MIX, PLAIN])
def test_the_loss_of_soft_targets_is_that_of_hard_ones(
    augmenter: Make, batch: Batch, magnitudes: list[float]
) -> None:
    images, targets = batch(0)
    _, soft = augmenter(Constant(magnitudes), always_soft=True)(images, targets)
    logits = torch.randn(16, 10, generator=torch.Generator().manual_seed(0))
    if magnitudes == PLAIN:
        assert F.cross_entropy(logits, soft) == pytest.approx(F.cross_entropy(logits, targets))
    assert soft.sum(1) == pytest.approx(torch.ones(16))


def test_always_soft_on_sentences(
    episode_of: Callable[..., Episode], beside: Callable[..., Augmenter]
) -> None:
    episode = episode_of("text")
    train = episode.run.train
    using = beside("text", episode, Constant([0.5] * 4), always_soft=True)
    assert torch.equal(using(train.inputs, train.targets)[1], soften(train.targets, 2))
    with pytest.raises(AdaptAugError, match="always_soft is for one label an example, got tags"):
        beside("tagging", episode_of("tagging"), Constant([0.5] * 4), always_soft=True)


@pytest.mark.parametrize("held_out", [True, False])
def test_ignored_labels_are_taken_as_cross_entropy_takes_them(
    augmenter: Make, batch: Batch, watch: Any, held_out: bool
) -> None:
    settings = {} if held_out else {"held_out": None}
    images, targets = batch(0)
    targets = targets.clone()
    targets[[0, 3]] = -100
    hard = augmenter(Constant(PLAIN), **settings)(images, targets)[1]
    assert torch.equal(hard, targets)
    soft = augmenter(Constant(MIX), **settings)(images, targets)[1]
    logits = torch.randn(16, 10, generator=torch.Generator().manual_seed(0))
    assert torch.isfinite(F.cross_entropy(logits, soft))
    assert soften(targets, 10).sum(1).tolist() == [0, 1, 1, 0, *[1] * 12]
    watched = watch()
    using = augmenter(watched, decisions=12, **settings)
    for step in range(12):
        using(batch(step)[0], targets)
    assert torch.isfinite(torch.tensor([one.feature("train_loss") for one in watched.seen])).all()
    assert max(one.feature("train_loss") for one in watched.seen) < 4
    ignored = torch.full((16,), -100)
    using(images, ignored)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_distributions_of_any_type_are_mixed(
    augmenter: Make, batch: Batch, dtype: torch.dtype
) -> None:
    images, targets = batch(0)
    smooth = (0.9 * F.one_hot(targets, 10) + 0.01).to(dtype)
    mixed = augmenter(Constant(MIX))(images, smooth)[1]
    assert mixed.dtype == torch.float32
    assert mixed.sum(1) == pytest.approx(torch.ones(16), abs=0.02)


ONE_HOT = F.one_hot(torch.arange(16) % 10, 10)
WRONG: list[tuple[Any, str]] = [
    (ONE_HOT * 3.0, "label distributions must sum to 1, got 3 in row 0"),
    (ONE_HOT * 2.0 - 0.1, "label distributions must not be negative, got -0.1 in row 0"),
    (ONE_HOT * torch.nan, "label distributions must be finite, got nan in row 0"),
    (ONE_HOT / 0.0, "label distributions must be finite, got nan in row 0"),
    (ONE_HOT, r"targets \(B,\) or \(B, 10\), got .* and \(16, 10\)"),
    (torch.arange(16.0) % 10, "labels must be integers, got torch.float32"),
    (torch.arange(16) > 5, "labels must be integers, got torch.bool"),
    (torch.arange(16)[:, None] % 10, r"targets \(B,\) .* and \(16, 1\)"),
    (torch.arange(16) % 10 - 1, r"labels must lie in 0..9, got -1"),
    (list(range(10)), "targets must be a dense tensor or a NumPy array of real numbers, got list"),
    ([{"boxes": torch.rand(2, 4)}] * 16, "targets must be a dense tensor or .*, got list"),
    (torch.arange(16) + 0j, "targets must be a dense tensor .*, got torch.strided torch.complex64"),
    (torch.arange(16).to_sparse(), "targets must be a dense tensor .*, got torch.sparse_coo"),
    (torch.tensor(3), r"targets \(B,\) .* and \(\)"),
    (torch.zeros(16, 8, 8, dtype=torch.int64), r"targets \(B,\) .* and \(16, 8, 8\)"),
]


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize(("targets", "message"), WRONG, ids=[message for _, message in WRONG])
def test_other_targets_are_refused_in_any_batch(
    augmenter: Make, batch: Batch, targets: Any, message: str, step: int
) -> None:
    using = augmenter(Constant(PLAIN))
    for index in range(step):
        using(*batch(index))
    with pytest.raises(AdaptAugError, match=message) as raised:
        using(batch(0)[0], targets)
    assert f"batch {step}" in str(raised.value)


@pytest.mark.parametrize("dtype", [torch.int16, torch.int64, torch.bool])
def test_images_of_other_integers_are_refused_in_any_batch(
    augmenter: Make, batch: Batch, dtype: torch.dtype
) -> None:
    using = augmenter()
    for step in range(2):
        with pytest.raises(AdaptAugError, match=f"got {dtype} in batch {step}"):
            using(batch(0)[0].to(dtype), batch(0)[1])
        using(*batch(step))


class Collate:
    """What not to do: augments in the loader."""

    def __init__(self, using: Augmenter) -> None:
        self.using = using

    def __call__(self, rows: list[tuple[Tensor, Tensor]]) -> Any:
        images, labels = zip(*rows, strict=True)
        return self.using(torch.stack(images), torch.stack(labels))


def test_a_call_in_a_loaders_worker_is_refused_with_the_place_for_it(
    augmenter: Make, batch: Batch
) -> None:
    data = TensorDataset(*batch(0))
    collate = Collate(augmenter())
    assert next(iter(DataLoader(data, 4, collate_fn=collate)))[0].shape == (4, 1, 8, 8)
    loader = DataLoader(data, 4, num_workers=1, collate_fn=collate, multiprocessing_context="fork")
    with pytest.raises(AdaptAugError, match=r"in the main process, .* DataLoader worker 0"):
        next(iter(loader))
