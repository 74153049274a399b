"""Label agreement: data made by hand whose symmetries are known; bounds where little is known."""

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from adaptaug.data import Examples
from adaptaug.errors import AdaptAugError
from adaptaug.ops import IMAGE_OPS, Op, OpSpace, TokenTables
from adaptaug.ops.testing_sentences import CLASSES, sentences
from adaptaug.policy.label_agreement import (
    DATA_FEATURES,
    MAX_EXAMPLES,
    LabelAgreement,
    label_agreement,
)

NEUTRAL = [1.0, 1.0, 0.0]
FLIPS = ("hflip", "vflip", "saturation")


def noise(count: int, channels: int = 1, side: int = 8) -> Tensor:
    return torch.rand(count, channels, side, side, generator=Generator().manual_seed(0))


def halves(count: int = 120) -> Examples:
    """Faint noise with one bright half, the left or the right one: mirroring swaps the labels."""
    images, labels = 0.3 * noise(count), torch.arange(count) % 2
    images[labels == 0, :, :, :4] += 0.6
    images[labels == 1, :, :, 4:] += 0.6
    return Examples((images * 255).byte(), labels)


def measured(examples: Examples, *ops: str | Op, classes: int = 2, seed: int = 0) -> LabelAgreement:
    return label_agreement(OpSpace(ops), examples, classes, seed)


def by_op(found: LabelAgreement, *ops: str) -> dict[str, np.ndarray]:
    return dict(zip(ops, found.ops, strict=True))


def test_a_flip_that_swaps_labels_breaks_them() -> None:
    found = measured(halves(), "hflip", "vflip", "noise")
    ops = by_op(found, "hflip", "vflip", "noise")
    assert found.clean > 0.95
    assert found.trust > 0.95
    assert ops["hflip"][0] == 0  # all neighbours are of the other class
    assert ops["hflip"][1] < 0.5  # so are half of them among outputs
    assert ops["hflip"][2] < -0.2
    assert ops["vflip"][:2] == pytest.approx([1, 1], abs=0.05)
    assert ops["vflip"][2] > -0.05
    assert ops["noise"][0] > 0.9


def test_unlike_is_not_swapped() -> None:
    """Of three classes that mirroring makes unlike all examples, outputs agree with each other."""
    images, labels = 0.2 * noise(150, side=16), torch.arange(150) % 3
    for label, row in enumerate((1, 6, 11)):  # three slopes, none the mirror of another
        for step in range(4):
            images[labels == label, :, row + step, 2 * label + step : 4 + 2 * label + step] += 0.8
    found = measured(Examples((images.clamp(max=1) * 255).byte(), labels), "hflip", classes=3)
    assert found.ops[0][1] > found.ops[0][0]
    assert found.ops[0][1] > 0.8


def test_mixed_examples_are_compared_with_mixed_targets() -> None:
    found = measured(halves(), "mixup", "cutmix")
    assert found.ops[:, 0] == pytest.approx([1, 1], abs=0.25)


def test_a_small_shift_keeps_labels() -> None:
    images, labels = torch.zeros(80, 1, 16, 16), torch.arange(80) % 2
    images[labels == 0, :, 7:9, 4:12] = 1
    images[labels == 1, :, 4:12, 7:9] = 1
    images = (images + 0.2 * noise(80, side=16)).clamp(max=1)
    found = measured(Examples((images * 255).byte(), labels), "crop", "translate")
    assert found.ops[0][0] > 0.9
    assert found.ops[1][0] > 0.7


def test_ops_that_change_nothing_keep_all_labels() -> None:
    found = measured(halves(), "saturation", "hue")  # of gray images
    assert found.ops.tolist() == [NEUTRAL, NEUTRAL]
    still = label_agreement(OpSpace(["hflip"]), halves(), 2, seed=0, magnitude=0.0)
    assert still.ops.tolist() == [NEUTRAL]


def test_how_often_an_op_acts_makes_no_difference() -> None:
    rarely, always = (
        label_agreement(OpSpace(["vflip", "solarize"]), halves(), 2, seed=0, magnitude=m)
        for m in (0.01, 1.0)
    )
    assert np.array_equal(rarely.ops, always.ops)


def made(images: Tensor, labels: Tensor) -> Examples:
    return Examples((images * 255).byte(), labels)


@pytest.mark.parametrize(
    ("examples", "classes"),
    [
        (made(noise(1), torch.tensor([0])), 2),
        (made(noise(2), torch.tensor([0, 1])), 2),
        (made(noise(7, 3), torch.arange(7)), 7),  # classes with one example
        (made(noise(33), torch.zeros(33, dtype=torch.int64)), 1),
        (made(noise(33), torch.zeros(33, dtype=torch.int64)), 4),
        (made(torch.full((40, 1, 8, 8), 0.5), torch.arange(40) % 4), 4),
        (made(torch.zeros(40, 3, 8, 8), torch.arange(40) % 4), 4),
        (made(noise(40, 3, 40), torch.randperm(40) % 3), 3),
        (made(noise(20, 1, 1), torch.arange(20) % 2), 2),
    ],
)
def test_bounded_whatever_the_data(examples: Examples, classes: int) -> None:
    found = label_agreement(OpSpace(IMAGE_OPS), examples, classes, seed=0)
    assert found.ops.shape == (len(IMAGE_OPS), len(DATA_FEATURES))
    assert found.ops.dtype == np.float32
    assert np.isfinite(found.ops).all()
    assert ((found.ops[:, :2] >= 0) & (found.ops[:, :2] <= 1.5)).all()
    assert (np.abs(found.ops[:, 2]) <= 1).all()
    assert 0 <= found.trust <= 1
    assert -1 <= found.clean <= 1


def test_one_class_says_nothing() -> None:
    examples = made(noise(60), torch.zeros(60, dtype=torch.int64))
    found = measured(examples, *FLIPS, classes=3)
    assert found.trust == 0
    assert found.ops.tolist() == 3 * [NEUTRAL]


@pytest.mark.parametrize("seed", range(5))
def test_random_labels_say_next_to_nothing(seed: int) -> None:
    labels = torch.randint(4, (200,), generator=Generator().manual_seed(seed))
    found = measured(made(noise(200), labels), "hflip", "noise", "mixup", classes=4, seed=seed)
    assert found.trust < 0.5
    assert found.ops[:, :2] == pytest.approx(np.ones((3, 2)), abs=0.4)
    assert found.ops[:, 2] == pytest.approx(np.zeros(3), abs=0.2)


def test_the_same_seed_gives_the_same_numbers() -> None:
    before = torch.get_rng_state()
    first, again, other = (measured(halves(), "rotate", "erasing", seed=s) for s in (3, 3, 4))
    assert np.array_equal(first.ops, again.ops)
    assert (first.clean, first.trust) == (again.clean, again.trust)
    assert not np.array_equal(first.ops, other.ops)
    assert torch.equal(torch.get_rng_state(), before)


def test_other_ops_make_no_difference() -> None:
    alone, beside = measured(halves(), "rotate"), measured(halves(), "noise", "rotate")
    assert np.array_equal(alone.ops[0], beside.ops[1])


def test_not_more_examples_than_the_limit() -> None:
    seen: list[int] = []

    def count(images: Tensor, _amount: Tensor, _generator: Generator) -> Tensor:
        seen.append(len(images))
        return 1 - images

    found = measured(halves(MAX_EXAMPLES + 201), Op("count", "pixel", 1, "", count))
    assert sum(seen) == MAX_EXAMPLES
    assert len(found.ops) == 1


def words(order_matters: bool, count: int = 200) -> tuple[Examples, TokenTables]:
    """Sentences of ten words: the label is a word's presence, or which of two words comes first."""
    ids = torch.randint(10, 40, (count, 10), generator=Generator().manual_seed(0))
    labels = torch.arange(count) % 2
    if order_matters:
        ids[:, 4] = 5 + labels
        ids[:, 5] = 6 - labels
    else:
        ids[:, 4] = ids[:, 7] = 5 + labels
    return Examples(ids, labels), TokenTables(40, None, None, None)


def test_swapping_words_breaks_labels_where_order_matters() -> None:
    agreement = {}
    for order_matters in (False, True):
        examples, tables = words(order_matters)
        found = label_agreement(OpSpace(["swap", "masking"]).on(tables), examples, 2, seed=0)
        agreement[order_matters] = found.ops[0][0]
        assert found.trust > 0.5
    assert agreement[False] > 0.8
    assert agreement[True] < agreement[False] - 0.2


def test_tags_keep_with_words_of_the_same_tag() -> None:
    ids, tags, tables = sentences(200, shortest=6)
    found = label_agreement(
        OpSpace(["labelwise", "masking"]).on(tables), Examples(ids, tags), len(CLASSES), seed=0
    )
    assert found.clean > 0.3
    assert found.ops[0][0] > 0.9
    assert found.ops[1][0] < found.ops[0][0] - 0.1


@pytest.mark.parametrize(
    ("examples", "sentence"),
    [
        (made(noise(0), torch.zeros(0, dtype=torch.int64)), "at least one labelled example, got 0"),
        (made(noise(9), torch.arange(9) % 3), r"labels must lie in 0\.\.1, got 2 in row 2"),
    ],
)
def test_bad_input_is_one_sentence(examples: Examples, sentence: str) -> None:
    with pytest.raises(AdaptAugError, match=sentence):
        measured(examples, "hflip")


def test_a_magnitude_outside_its_range_is_refused() -> None:
    with pytest.raises(AdaptAugError, match="magnitude must lie in"):
        label_agreement(OpSpace(["hflip"]), halves(), 2, seed=0, magnitude=1.5)
