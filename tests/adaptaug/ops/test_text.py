"""Ops for sentences, EDA among them: the contract of all ops, and effects by hand."""

import pytest
import torch
from torch import Generator, tensor

from adaptaug.data.vocabulary import MASK
from adaptaug.ops import EDA, TEXT_OPS, OpSpace, TokenTables, find, ops_for, tokens
from adaptaug.ops.testing import check_op

TABLES = TokenTables(
    vocabulary_size=20,
    synonyms=torch.zeros(20, 2, dtype=torch.int64).index_put(
        (tensor([3, 4, 4]), tensor([0, 0, 1])), tensor([13, 14, 15])
    ),
    synonym_counts=torch.zeros(20, dtype=torch.int64).index_put((tensor([3, 4]),), tensor([1, 2])),
    tags=None,
)
"""3 has the synonym 13, 4 has 14 and 15, no other word has one."""


def _apply(name, ids, magnitude=1.0, seed=0):
    ids = torch.as_tensor(ids)
    generator = Generator().manual_seed(seed)
    targets = torch.zeros(len(ids), dtype=torch.int64)
    return OpSpace([name]).on(TABLES).apply(ids, targets, [magnitude], generator)[0]


def _rows(row, count=400):
    return tensor([row]).repeat(count, 1)


def _kept_order(result, row):
    """Whether each row is what is left of `row`, which ascends, in its order."""
    ascends = (result[:, 1:] > result[:, :-1]) | (result[:, 1:] == 0)
    return bool(ascends.all() and torch.isin(result, tensor([0, *row])).all())


@pytest.mark.parametrize("op", [*TEXT_OPS, EDA], ids=lambda op: op.name)
def test_every_op_keeps_the_contract(op):
    check_op(op)


@pytest.mark.parametrize("op", [*TEXT_OPS, EDA], ids=lambda op: op.name)
def test_form_for_gpus_keeps_the_contract(op, monkeypatch):
    monkeypatch.setattr(tokens, "_must_not_wait", lambda values: True)
    check_op(op)


@pytest.mark.parametrize("op", [*TEXT_OPS, EDA], ids=lambda op: op.name)
def test_rows_of_one_token_and_of_padding_alone_are_handled(op):
    ids = tensor([[0, 0, 0], [3, 0, 0], [5, 0, 0]]).repeat(50, 1)
    result = _apply(op.name, ids)
    assert result.shape == ids.shape
    assert result[::3].eq(0).all()
    assert result[1::3, 0].ne(0).all()
    assert _apply(op.name, ids[:0]).shape == (0, 3)
    assert _apply(op.name, ids[:, :1]).shape == (150, 1)


def test_eda_and_generated_text_are_registered_beside_the_table():
    assert EDA not in TEXT_OPS
    generated = find("generated_text")  # registered by this, if not before
    assert list(ops_for("text").values()) == [*TEXT_OPS, EDA, generated]
    assert [op.name for op in TEXT_OPS if op.needs_lexicon] == ["synonym", "insertion"]


def test_synonyms_come_from_the_table_and_other_words_stay():
    result = _apply("synonym", _rows([3, 4, 5, 1, 0]))
    assert result[:, 2:].eq(tensor([5, 1, 0])).all()
    assert set(result[:, 0].tolist()) == {3, 13}
    assert set(result[:, 1].tolist()) == {4, 14, 15}
    share = (result[:, :2] > 10).float().mean()
    assert share.item() == pytest.approx(0.5, abs=0.05)  # the rate is uniform in [0, 1)


def test_inserted_words_are_synonyms_of_the_rows_words():
    result = _apply("insertion", _rows([3, 5, 6, 7, 0, 0, 0, 0]))
    assert set(result.unique().tolist()) == {0, 3, 5, 6, 7, 13}
    assert torch.equal(result.masked_fill(result == 13, 0).sort(dim=1).values[:, -4:],
                       _rows([3, 5, 6, 7]))  # fmt: skip
    inserted = (result == 13).sum(1).float()
    assert inserted.mean().item() == pytest.approx(4 * 0.25, abs=0.1)
    assert len(set((result == 13).int().argmax(1)[inserted == 1].tolist())) == 4


def test_nothing_is_inserted_where_no_word_has_synonyms():
    ids = tensor([[5, 6, 7, 0], [5, 4, 0, 0]]).repeat(100, 1)
    result = _apply("insertion", ids)
    assert torch.equal(result[::2], ids[::2])
    assert (result[1::2] >= 14).any(dim=1).sum() > 20


def test_swapping_keeps_the_words_of_a_row():
    ids = _rows([3, 4, 5, 6, 7, 0])
    result = _apply("swap", ids)
    assert torch.equal(result.sort(dim=1).values, ids.sort(dim=1).values)
    assert result[:, -1].eq(0).all()
    moved = (result != ids).float().mean(0)
    assert (moved[:5] > 0.1).all()
    assert torch.equal(_apply("swap", _rows([3, 0])), _rows([3, 0]))


def test_deletion_leaves_the_rest_in_order():
    row = [3, 4, 5, 6, 7, 8, 9]
    result = _apply("deletion", _rows([*row, 0]))
    assert _kept_order(result, row)
    assert (result > 0).sum(1).float().mean().item() == pytest.approx(7 * 0.75, abs=0.2)


def test_masking_replaces_words_but_no_padding():
    ids = _rows([3, 4, 5, 6, 0])
    result = _apply("masking", ids)
    changed = result != ids
    assert result[changed].eq(MASK).all()
    assert changed[:, :4].float().mean().item() == pytest.approx(0.4, abs=0.03)


def test_eda_changes_a_tenth_of_the_words_by_one_technique_in_nine_rows_of_ten():
    row = [3, 4, *range(5, 13), *range(5, 13), 3, 4]  # 20 words: two changes each
    ids = torch.cat([_rows(row, 2000), torch.zeros(2000, 4, dtype=torch.int64)], dim=1)
    result = _apply("eda", ids)
    length, changed = (result > 0).sum(1), (result != ids).any(1)
    new = (result > 12).sum(1)
    synonyms = (length == 20) & (new > 0)
    inserted = length > 20
    deleted = length < 20
    swapped = (length == 20) & (new == 0) & changed
    assert new[synonyms].eq(2).all()
    assert length[inserted].eq(22).all()
    assert new[inserted].eq(2).all()
    assert new[deleted].eq(0).all()
    assert length[deleted].float().mean().item() == pytest.approx(18, abs=0.5)
    assert (result != ids)[swapped].sum(1).le(4).all()
    shares = [mask.float().mean().item() for mask in (synonyms, inserted, swapped, deleted)]
    # One deletion in eight drops no word, and a swap of equal words changes nothing.
    assert shares == pytest.approx([0.225, 0.225, 0.22, 0.2], abs=0.03)


def test_eda_swaps_and_drops_at_least_one_word_of_short_rows():
    result = _apply("eda", _rows([5, 6, 0], 1000))
    pairs = result.unique(dim=0).tolist()
    assert pairs == [[5, 0, 0], [5, 6, 0], [6, 0, 0], [6, 5, 0]]
    swapped = result.eq(tensor([6, 5, 0])).all(1).float().mean()
    assert swapped.item() == pytest.approx(0.225, abs=0.04)
