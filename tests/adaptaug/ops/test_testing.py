"""`check_op` names the rule that an op breaks, for every rule."""

import random

import pytest
import torch

from adaptaug.ops import Op
from adaptaug.ops.testing import check_op
from adaptaug.ops.tokens import chosen


def _scale(images, amount):
    return images * (1 - amount[:, None, None, None])


def _in_place(images, amount, generator):
    return images.mul_(1 - amount[:, None, None, None])


def _out_of_range(images, amount, generator):
    return images + amount[:, None, None, None]


def _global_torch(images, amount, generator):
    return _scale(images, amount * torch.rand(len(amount)))


def _global_python(images, amount, generator):
    random.random()
    return _scale(images, amount)


def _own_state(images, amount, generator):
    return _scale(images, amount * torch.rand(1, generator=OWN))


def _one_draw(images, amount, generator):
    return _scale(images, amount[:1])


def _double(images, amount, generator):
    return _scale(images, amount).double()


def _crop(images, amount, generator):
    return images[..., 1:]


def _never_nothing(images, amount, generator):
    return images * 0.5


OWN = torch.Generator().manual_seed(0)


@pytest.mark.parametrize(
    ("function", "rule"),
    [
        (_in_place, "not be modified"),
        (_out_of_range, "stay in"),
        (_global_torch, "global random state"),
        (_global_python, "global random state"),
        (_own_state, "the same generator state"),
        (_one_draw, "its own draw"),
        (_double, "dtype"),
        (_crop, "shape"),
        (_never_nothing, "near the identity"),
    ],
)
def test_rule_that_an_image_op_breaks_is_named(function, rule):
    op = Op("broken", "pixel", 1.0, "share", function)
    with pytest.raises(AssertionError, match=f"{rule}.* of op 'broken'"):
        check_op(op)


def test_correct_image_op_passes():
    check_op(Op("good", "pixel", 1.0, "share", lambda images, amount, _: _scale(images, amount)))


def _sentence_op(change):
    """An op that changes chosen words and their tags."""

    def function(ids, tags, amount, generator, tables):
        return change(ids, tags, chosen(ids, amount, generator), generator)

    return Op("broken", "token", 1.0, "share", function, modalities=("tagging",))


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda ids, tags, mask, _: (torch.where(mask, 33, ids), tags), "the vocabulary"),
        (lambda ids, tags, mask, _: (torch.where(mask, 0, ids), tags), "on the right"),
        (lambda ids, tags, mask, _: (ids * ~mask.any(1, keepdim=True), tags), "keep a word"),
        (lambda ids, tags, mask, _: (torch.where(mask, 4, ids), tags), "stay true"),
        (lambda ids, tags, mask, _: (ids, torch.where(mask, 2, tags)), "BIO form"),
        (lambda ids, tags, mask, _: (ids, torch.where(mask, 7, tags)), "label set"),
        (lambda ids, tags, mask, _: (ids, torch.where(mask, -100, tags)), "where their words go"),
        (lambda ids, tags, mask, _: (ids[:, 1:], tags), "shape"),
        (lambda ids, tags, mask, _: (ids.masked_fill_(mask, 2), tags), "not be modified"),
        (lambda ids, tags, *_: (ids.where(torch.rand(()) * ids < 16, 2), tags), "global random"),
        (
            lambda ids, tags, mask, _: (torch.where(mask[-1:] & (ids > 0), 2, ids), tags),
            "its own draw",
        ),
        (lambda ids, tags, mask, _: (torch.where(ids > 0, 2, 0), tags), "near the identity"),
    ],
)
def test_rule_that_a_token_op_breaks_is_named(change, rule):
    with pytest.raises(AssertionError, match=f"{rule}.* of op 'broken'"):
        check_op(_sentence_op(change))


def test_correct_token_op_passes():
    check_op(_sentence_op(lambda ids, tags, mask, _: (torch.where(mask, 2, ids), tags)))
