"""Training only the embedding rows in use gives what training the whole table gives."""

import pytest
import torch
from torch import Tensor, nn

from adaptaug.training.sparse_adam import SparseAdam

CHUNKS = ([[1, 5, 0], [2, 5, 5]], [[7, 5, 2]], [[9, 0, 0]], [[1, 1, 8]])
"""Batches of ids, chunk by chunk."""


def trained(only_used: bool, fused: bool) -> list[Tensor]:
    """Weights after every chunk of training a table of 12 x 16, and Adam's momentum at the end."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        words = nn.Embedding(12, 16, padding_idx=0)
    head = torch.linspace(-1, 1, 16)
    optimizer = torch.optim.Adam(words.parameters(), lr=0.1, fused=fused)
    rows, seen = SparseAdam(words, optimizer), []

    def step(ids: Tensor) -> None:
        loss = ((words(ids) @ head - 1) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    for chunk in CHUNKS:
        ids = torch.tensor(chunk)
        if only_used:
            with rows.only(ids) as renumbered:
                for batch in renumbered:
                    step(batch)
        else:
            for batch in ids:
                step(batch)
        seen.append(words.weight.detach().clone())
    return seen


@pytest.mark.parametrize("fused", [True, False])
def test_weights_and_momentum_equal_adams_bit_for_bit(fused: bool) -> None:
    pairs = list(zip(trained(True, fused), trained(False, fused), strict=True))
    assert all(torch.equal(*pair) for pair in pairs)
    moved = (pairs[-1][0] != pairs[0][0]).any(dim=1)
    assert moved.nonzero()[:, 0].tolist() == [1, 2, 5, 7, 8, 9]  # momentum moves 5 in every chunk


def test_table_is_small_within_the_block_and_padding_stays_0() -> None:
    words = nn.Embedding(12, 4)
    whole = words.weight.detach().clone()
    rows = SparseAdam(words, torch.optim.Adam(words.parameters()))
    ids = torch.tensor([[9, 3, 0]])
    with rows.only(ids) as renumbered:
        assert renumbered.tolist() == [[2, 1, 0]]
        assert torch.equal(words(renumbered), whole[ids])
    with rows.only(torch.tensor([4])) as renumbered:
        assert renumbered.tolist() == [2]
        assert torch.equal(words.weight, whole[[0, 3, 4, 9]])
    assert torch.equal(words.weight, whole)


def test_error_within_the_block_restores_the_whole_table() -> None:
    words = nn.Embedding(12, 4)
    rows = SparseAdam(words, torch.optim.Adam(words.parameters()))
    with pytest.raises(KeyboardInterrupt), rows.only(torch.tensor([4])):
        raise KeyboardInterrupt
    assert words.weight.shape == (12, 4)
