"""What a user gets wrong with settings and batches is refused in a sentence that says where."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from adaptaug import AdaptAugError, Augmenter, Constant
from adaptaug.data import load
from adaptaug.training.episode import Episode

Batch = Callable[..., tuple[Tensor, Tensor]]
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
        (
            {"chosen": Constant([0.5]), "ops": None},
            "a plain controller needs the ops .*got ops=None",
        ),
        (
            {"chosen": "nowhere"},
            r"an existing folder, a hub id or one of \['digits'\], got 'nowhere'",
        ),
        ({"seed": "0"}, r"seed must be a whole number from 0 to .*, got '0'"),
        ({"seed": 2**64}, r"seed must be a whole number from 0 to .*, got 184467"),
        ({"seed": -1}, r"seed must be a whole number from 0 to .*, got -1"),
        (
            {"model": nn.Sequential(nn.Flatten(), nn.Linear(3, 10))},
            r"must take a batch of shape \(1, 1, 8, 8\), as held_out has them, got RuntimeError",
        ),
        ({"model": nn.Flatten(0)}, r"must return logits \(B, K\).*got \(64,\)"),
    ],
)
def test_wrong_setting_is_named_with_its_value(
    augmenter: Callable[..., Augmenter], kwargs: dict[str, Any], message: str
) -> None:
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
def test_wrong_first_batch_is_refused_and_changes_nothing(
    augmenter: Callable[..., Augmenter], batch: Batch, images: Tensor, targets: Tensor, message: str
) -> None:
    using, untouched = augmenter(), augmenter()
    with pytest.raises(AdaptAugError, match=message):
        using(images, targets)
    assert torch.equal(using(*batch(0))[0], untouched(*batch(0))[0])


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
def test_wrong_later_batch_is_refused_and_the_run_goes_on(
    augmenter: Callable[..., Augmenter], batch: Batch, images: Tensor, targets: Tensor, message: str
) -> None:
    using = augmenter()
    using(*batch(0))
    with pytest.raises(AdaptAugError, match=message):
        using(images, targets)
    assert using((IMAGES * 255).byte(), LABELS)[0].shape == (4, 1, 8, 8)
    assert using(IMAGES[:0], LABELS[:0])[0].shape == (0, 1, 8, 8)


@pytest.mark.parametrize(
    ("ids", "targets", "message"),
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
def test_wrong_sentences_are_refused(
    episode_of: Callable[..., Episode],
    beside: Callable[..., Augmenter],
    ids: Tensor,
    targets: Tensor,
    message: str,
) -> None:
    using = beside("text", episode_of("text"), Constant([0.1] * 4))
    with pytest.raises(AdaptAugError, match=message):
        using(ids, targets)


@pytest.mark.parametrize("step", [0, 1])
def test_tags_not_in_bio_form_are_refused(
    episode_of: Callable[..., Episode], beside: Callable[..., Augmenter], step: int
) -> None:
    episode = episode_of("tagging")
    using = beside("tagging", episode, Constant([0.5] * 4))
    ids, tags = episode.run.train.inputs, episode.run.train.targets
    for _ in range(step):
        using(ids, tags)
    tags = tags.clone()
    tags[3, 0] = load("mentions").classes.index("I-PER")
    with pytest.raises(AdaptAugError, match=rf"BIO form.* of batch {step}"):
        using(ids, tags)
