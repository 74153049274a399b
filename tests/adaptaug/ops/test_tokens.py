"""The building blocks of token ops, by hand."""

import pytest
import torch
from torch import Generator, tensor

from adaptaug.ops import tokens
from adaptaug.ops.tokens import below, chosen, deleted, look, places, put, shuffled, widened


def _generator(seed=0):
    return Generator().manual_seed(seed)


def test_tokens_are_chosen_at_the_rate_of_their_row_and_padding_never():
    ids = torch.ones(4, 10_000, dtype=torch.int64)
    ids[:, 9_000:] = 0
    mask = chosen(ids, tensor([0.0, 0.25, 0.5, 1.0]), _generator())
    assert not mask[:, 9_000:].any()
    assert mask[0].sum() == 0
    assert mask.sum(1)[1:].div(9_000).tolist() == pytest.approx([0.25, 0.5, 1.0], abs=0.02)


def test_tokens_are_chosen_independently():
    mask = chosen(torch.ones(1, 40_000, dtype=torch.int64), tensor([0.5]), _generator())[0].float()
    for lag in (1, 2, 3, 4):
        assert torch.corrcoef(torch.stack([mask[:-lag], mask[lag:]]))[0, 1].abs() < 0.03


@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (1, 3), (5, 7)])
def test_choice_accepts_any_number_and_length_of_rows(shape):
    mask = chosen(torch.ones(shape, dtype=torch.int64), torch.full(shape[:1], 0.9999), _generator())
    assert mask.shape == shape
    assert mask.any()


def test_numbers_below_a_limit_are_uniform_and_0_where_it_is_0():
    limit = tensor([0, 1, 3]).expand(3000, 3)
    numbers = below(limit, _generator())
    assert numbers[:, :2].eq(0).all()
    assert numbers[:, 2].bincount().div(3000).tolist() == pytest.approx([1 / 3] * 3, abs=0.03)


def test_places_look_and_put_match_hand_computation():
    ids = tensor([[5, 6, 0], [7, 8, 9]])
    mask = tensor([[False, True, False], [True, False, True]])
    at = places(mask)
    assert at.tolist() == [1, 3, 5]
    assert look(ids, at).tolist() == [6, 7, 9]
    assert put(ids, mask, at, tensor([1, 2, 3])).tolist() == [[5, 1, 0], [2, 8, 3]]


def test_tokens_are_shuffled_only_within_their_group():
    ids = torch.arange(1, 13).view(2, 6).repeat(50, 1)
    mask = ids % 6 != 0
    at = places(mask)
    result = shuffled(ids, mask, at, at // 3, _generator())
    assert torch.equal(result[~mask], ids[~mask])
    thirds = result.view(-1, 3)
    assert torch.equal(thirds.sort(dim=1).values, ids.view(-1, 3))
    first = result[::2, 0].bincount(minlength=4)[1:]  # of 1, 2, 3
    assert (first > 5).all()


def test_tokens_move_left_after_a_deletion():
    ids = tensor([[1, 2, 3, 4], [5, 6, 0, 0], [7, 0, 0, 0]])
    mask = tensor([[1, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]]).bool()
    expected = [[2, 3, 0, 0], [5, 6, 0, 0], [7, 0, 0, 0]]
    assert deleted(ids, mask, _generator()).tolist() == expected


def test_row_that_would_lose_every_token_keeps_a_random_one():
    ids = tensor([[1, 2, 3, 0]]).repeat(300, 1)
    result = deleted(ids, ids > 0, _generator())
    assert result[:, 1:].eq(0).all()
    assert (result[:, 0].bincount(minlength=4)[1:] > 60).all()


def test_inserted_words_come_before_their_tokens_and_the_end_is_cut():
    ids = tensor([[1, 2, 3, 4], [5, 0, 0, 0], [6, 7, 8, 0]])
    mask = tensor([[0, 1, 0, 1], [1, 0, 0, 0], [1, 1, 1, 0]]).bool()
    at = places(mask)
    result = widened(ids, mask, at, torch.arange(20, 20 + len(at)))
    assert result.tolist() == [[1, 20, 2, 3], [22, 5, 0, 0], [23, 6, 24, 7]]


def test_word_may_be_inserted_at_the_last_position():
    mask = tensor([[False, False, True]])
    result = widened(tensor([[1, 2, 3]]), mask, places(mask), tensor([9]))
    assert result.tolist() == [[1, 2, 9]]


def test_form_for_gpus_gives_the_same_result(monkeypatch):
    ids = torch.randint(1, 50, (20, 9), generator=_generator())
    ids[torch.arange(9) >= torch.randint(1, 10, (20, 1), generator=_generator(1))] = 0
    mask = chosen(ids, torch.full((20,), 0.6), _generator(2))

    def results():
        at = places(mask)
        words = look(ids, at)
        return [
            put(ids, mask, at, words + 100),
            deleted(ids, mask, _generator()),
            widened(ids, mask, at, words + 100),
            shuffled(ids, mask, at, at // 9, _generator()),
        ]

    expected = results()
    monkeypatch.setattr(tokens, "_must_not_wait", lambda values: True)
    assert len(places(mask)) == mask.numel()
    for result, wanted in zip(results(), expected, strict=True):
        assert torch.equal(result, wanted)
