"""Ops for tagged sentences: the contract of all ops, and tags that still fit their tokens."""

import pytest
import torch
from torch import Generator, tensor

from adaptaug.data.examples import Examples
from adaptaug.errors import AdaptAugError
from adaptaug.ops import TAGGING_OPS, OpSpace, TokenTables, ops_for, tokens
from adaptaug.ops.lookup import tag_tables
from adaptaug.ops.testing import check_op

CLASSES = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG")
TRAIN = Examples(
    tensor([[3, 10, 11, 3, 4, 20], [5, 12, 21, 22, 23, 0]]),
    tensor([[0, 1, 2, 0, 0, 3], [0, 1, 3, 4, 4, -100]]),
)
"""Persons: 10 11, and 12; places: 20, and 21 22 23; no organisation; outside: 3 twice, 4, 5."""


def _tables():
    synonyms = torch.zeros(40, 1, dtype=torch.int64)
    synonyms[3], synonyms[10] = 30, 31
    return TokenTables(40, synonyms, (synonyms[:, 0] > 0).long(), tag_tables(TRAIN, CLASSES))


def _apply(name, ids, tags, magnitude=1.0, count=300):
    ids, tags = (tensor([row]).repeat(count, 1) for row in (ids, tags))
    return OpSpace([name]).on(_tables()).apply(ids, tags, [magnitude], Generator().manual_seed(0))


def _pairs(ids, tags):
    """The distinct rows, each as ids and tags."""
    return {(tuple(i), tuple(t)) for i, t in zip(ids.tolist(), tags.tolist(), strict=True)}


@pytest.mark.parametrize("op", TAGGING_OPS, ids=lambda op: op.name)
def test_every_op_keeps_the_contract(op):
    check_op(op)


@pytest.mark.parametrize("op", TAGGING_OPS, ids=lambda op: op.name)
def test_form_for_gpus_keeps_the_contract(op, monkeypatch):
    monkeypatch.setattr(tokens, "_must_not_wait", lambda values: True)
    check_op(op)


def test_all_tagging_ops_are_in_the_table():
    assert set(TAGGING_OPS) == set(ops_for("tagging").values())
    assert [op.name for op in TAGGING_OPS if op.needs_lexicon] == ["synonym_outside"]


@pytest.mark.parametrize(("wrong", "place"), [(7, "got 7 in row 0"), (-1, "got -1 in row 0")])
def test_tag_outside_the_classes_is_refused(wrong, place):
    with pytest.raises(AdaptAugError, match=rf"tags must lie in 0\.\.6, the classes, {place}"):
        _apply("labelwise", [6, 13, 0], [0, wrong, -100])


def test_labelwise_draws_training_tokens_of_the_tag_by_frequency():
    ids, tags = _apply("labelwise", [6, 13, 0], [0, 1, -100], count=4000)
    assert tags[:, :2].eq(tensor([0, 1])).all()
    new = ids[:, 0][ids[:, 0] != 6]
    assert len(new) == pytest.approx(0.4 * 4000, rel=0.1)
    assert new.bincount(minlength=6)[3:].div(len(new)).tolist() == pytest.approx(
        [0.5, 0.25, 0.25], abs=0.04
    )
    assert set(ids[:, 1].tolist()) == {13, 10, 12}


def test_labelwise_leaves_tokens_whose_tag_training_lacks():
    ids, _ = _apply("labelwise", [35, 36], [5, 6])
    assert torch.equal(ids, tensor([[35, 36]]).repeat(300, 1))


def test_synonyms_replace_only_tokens_outside_mentions():
    ids, tags = _apply("synonym_outside", [3, 10, 3, 4], [0, 1, 1, 0])
    assert _pairs(ids, tags) == {((3, 10, 3, 4), (0, 1, 1, 0)), ((30, 10, 3, 4), (0, 1, 1, 0))}


def test_mention_is_replaced_by_one_of_its_type_with_its_tags():
    ids, tags = _apply("mention", [6, 20, 7, 0, 0], [0, 3, 0, -100, -100])
    assert _pairs(ids, tags) == {
        ((6, 20, 7, 0, 0), (0, 3, 0, -100, -100)),
        ((6, 21, 22, 23, 7), (0, 3, 4, 4, 0)),
    }
    ids, tags = _apply("mention", [21, 22, 23, 7], [3, 4, 4, 0])
    assert _pairs(ids, tags) == {
        ((21, 22, 23, 7), (3, 4, 4, 0)),
        ((20, 7, 0, 0), (3, 0, -100, -100)),
    }


def test_mention_is_cut_at_the_end_and_adjacent_mentions_stay_apart():
    ids, tags = _apply("mention", [6, 20], [0, 3])
    assert _pairs(ids, tags) == {((6, 20), (0, 3)), ((6, 21), (0, 3))}
    ids, tags = _apply("mention", [12, 20, 0], [1, 3, -100], count=1000)
    assert _pairs(ids, tags) == {
        ((12, 20, 0), (1, 3, -100)),
        ((12, 21, 22), (1, 3, 4)),
        ((10, 11, 20), (1, 2, 3)),
        ((10, 11, 21), (1, 2, 3)),
    }


def test_mention_whose_type_training_lacks_is_kept():
    ids, tags = _apply("mention", [35, 36, 6], [5, 6, 0])
    assert _pairs(ids, tags) == {((35, 36, 6), (5, 6, 0))}


def test_training_without_mentions_and_rows_of_padding_are_handled():
    tables = TokenTables(
        40, None, None, tag_tables(Examples(tensor([[3]]), tensor([[0]])), CLASSES)
    )
    ids, tags = tensor([[10, 11], [0, 0]]), tensor([[1, 2], [-100, -100]])
    space = OpSpace(TAGGING_OPS).on(tables)
    result, labels = space.apply(ids, tags, [0.5] * len(space), Generator().manual_seed(0))
    assert torch.equal(labels, tags)
    assert result[1].tolist() == [0, 0]


def test_segments_are_shuffled_and_tags_keep_their_places():
    ids, tags = _apply("segments", [3, 4, 21, 22, 12, 13, 5, 0], [0, 0, 3, 4, 1, 2, 0, -100])
    assert tags.eq(tensor([0, 0, 3, 4, 1, 2, 0, -100])).all()
    starts = {tuple(row) for row in ids.tolist()}
    expected = {
        (*one, *two, *three, 5, 0)
        for one in ((3, 4), (4, 3))
        for two in ((21, 22), (22, 21))
        for three in ((12, 13), (13, 12))
    }
    assert starts == expected
    changed = (ids[:, 0] == 4).float().mean()  # half of the segments, half of those turned
    assert changed.item() == pytest.approx(0.25, abs=0.08)


def test_new_tokens_come_from_the_training_split_alone():
    ids, tags = _apply("labelwise", [6, 13, 14, 24], [0, 1, 2, 3])
    known = {6, 13, 14, 24} | set(TRAIN.inputs.flatten().tolist())
    assert set(ids.flatten().tolist()) <= known
    ids, tags = _apply("mention", [6, 13, 14, 24, 0, 0], [0, 1, 2, 3, -100, -100])
    assert set(ids.flatten().tolist()) <= known
    assert set(tags.flatten().tolist()) == {-100, 0, 1, 2, 3, 4}
