"""torchvision's transforms as ops: drawn per sample, repeatable, global state unchanged."""

import pickle

import pytest
import torch
from torch import Generator
from torchvision.transforms import v2

from adaptaug.errors import AdaptAugError
from adaptaug.ops import OpSpace, wrap
from adaptaug.ops.testing import check_op

IMAGES = torch.rand(64, 3, 8, 8, generator=Generator().manual_seed(0))
TARGETS = torch.zeros(64, dtype=torch.int64)


def _apply(op, magnitude, images=IMAGES, seed=0):
    generator = Generator().manual_seed(seed)
    return OpSpace([op]).apply(images, TARGETS, [magnitude], generator)[0]


@pytest.mark.parametrize(
    "transform",
    [v2.RandAugment(), v2.TrivialAugmentWide(), v2.RandomHorizontalFlip(1.0), v2.ColorJitter(0.5)],
    ids=lambda transform: type(transform).__name__,
)
def test_torchvision_transforms_keep_the_contract(transform):
    check_op(wrap(transform))


def test_transform_of_floats_keeps_the_contract():
    check_op(wrap(v2.GaussianNoise(), dtype=torch.float32))


def test_samples_are_transformed_with_probability_magnitude():
    flipped = _apply(wrap(v2.RandomHorizontalFlip(1.0), dtype=torch.float32), 0.25)
    changed = (flipped != IMAGES).flatten(1).any(1)
    assert torch.equal(flipped[changed], IMAGES[changed].flip(3))
    assert 6 <= changed.sum() <= 26


def test_each_sample_draws_its_own_parameters():
    result = _apply(wrap(v2.TrivialAugmentWide()), 1.0, IMAGES[:1].expand(64, 3, 8, 8))
    assert len(result.unique(dim=0)) > 16


def test_result_depends_on_the_seed():
    op = wrap(v2.RandAugment())
    assert not torch.equal(_apply(op, 1.0, seed=0), _apply(op, 1.0, seed=1))


def test_uint8_is_rounded_to_the_nearest_value():
    seen = []
    op = wrap(lambda image: seen.append(image) or image, "look")
    images = (torch.arange(256) / 255).view(1, 1, 16, 16).expand(64, 3, 16, 16)
    result = _apply(op, 1.0, images)
    assert seen[0].dtype == torch.uint8
    assert torch.equal(seen[0][0].flatten(), torch.arange(256, dtype=torch.uint8))
    assert torch.equal(result, images)


def test_name_is_that_of_the_transform_or_the_given_one():
    assert wrap(v2.RandAugment()).name == "RandAugment"
    assert wrap(v2.RandAugment(), "usual").name == "usual"


def test_wrapped_op_pickles():
    op = wrap(v2.TrivialAugmentWide())
    assert torch.equal(_apply(pickle.loads(pickle.dumps(op)), 1.0), _apply(op, 1.0))


def test_transform_that_changes_the_shape_is_refused():
    with pytest.raises(AdaptAugError, match=r"got \(3, 4, 4\) from op 'CenterCrop'"):
        _apply(wrap(v2.CenterCrop(4)), 1.0)


def test_transform_that_returns_no_tensor_is_refused():
    with pytest.raises(AdaptAugError, match=r"keep the shape .*, got Image from op 'ToPILImage'"):
        _apply(wrap(v2.ToPILImage()), 1.0)


def test_integer_dtype_other_than_uint8_is_refused():
    with pytest.raises(AdaptAugError, match=r"got torch\.int64"):
        wrap(v2.RandAugment(), dtype=torch.int64)
