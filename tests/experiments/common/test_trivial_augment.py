"""The baseline TrivialAugment: its shifts scale with the image, and nothing else has changed."""

import pickle

import pytest
import torch
from torch import Tensor
from torchvision.transforms import v2

from adaptaug.data import load
from adaptaug.ops import wrap
from adaptaug.ops.testing import check_op
from experiments.common.trivial_augment import SHIFTS, TrivialAugment

BINS = 31


def amounts(transform: type, name: str, height: int, width: int) -> Tensor | None:
    """The amounts of one row of a transform's table."""
    values: Tensor | None = transform._AUGMENTATION_SPACE[name][0](BINS, height, width)
    return values


@pytest.mark.parametrize(("side", "pixels"), [(8, 3), (28, 12), (32, 14), (331, 150)])
def test_largest_shift_is_a_fraction_of_the_side(side: int, pixels: int) -> None:
    for name, size in zip(SHIFTS, ((5, side), (side, 5)), strict=True):
        values = amounts(TrivialAugment, name, *size)
        assert values is not None
        assert int(values.max() + 1e-4) == pixels  # whole pixels, as the transform shifts them
        assert len(values) == BINS


def test_all_but_the_shifts_is_torchvisions() -> None:
    ours, theirs = TrivialAugment._AUGMENTATION_SPACE, v2.TrivialAugmentWide._AUGMENTATION_SPACE
    assert list(ours) == list(theirs)
    assert {name for name in ours if ours[name] != theirs[name]} == set(SHIFTS)
    assert all(signed for _, signed in map(ours.get, SHIFTS))


def test_no_digit_is_left_empty() -> None:
    digits = load("digits").train.inputs[:500]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        empty = {
            transform: sum(int(transform()(image).max() == 0) for image in digits)
            for transform in (TrivialAugment, v2.TrivialAugmentWide)
        }
    assert empty[TrivialAugment] == 0
    assert empty[v2.TrivialAugmentWide] > 25


def test_it_keeps_the_contract_of_ops_and_pickles() -> None:
    op = wrap(TrivialAugment(), "TrivialAugment")
    check_op(op)
    assert isinstance(pickle.loads(pickle.dumps(op)).function.transform, TrivialAugment)
