"""EDA at its authors' defaults as one op: a baseline, not one of the ops that a policy acts on.

Wei and Zou (2019) add nine augmented copies of each sentence. Each copy comes from one of four
techniques, which changes a tenth of the words. Here a row is augmented with probability 9/10 at
magnitude 1, by one technique drawn at random. Differences from the paper:

- A row's insertion positions are drawn together, so that no two words go to the same one.
- The swaps of a row do not overlap.
- A word that occurs several times in a row is replaced by a synonym at one position only.
"""

import torch
from torch import Generator, Tensor

from adaptaug.ops.lookup import TokenTables
from adaptaug.ops.op import Op, register
from adaptaug.ops.text import Tokens, has_synonyms, inserted, replaced
from adaptaug.ops.tokens import chosen, deleted, present

_ALPHA = 0.1
"""Share of the words that a technique changes, at least one; deletion's probability per word."""


def eda(
    ids: Tensor, tags: Tensor | None, amount: Tensor, generator: Generator, tables: TokenTables
) -> Tokens:
    """Applies one of EDA's four techniques, drawn at random, to each row whose amount (B,) is 1."""
    uniform = torch.rand(len(ids), generator=generator, device=ids.device)
    technique = torch.where(amount > 0, (uniform * 4).long(), 4)[:, None]
    length = present(ids).sum(dim=1, keepdim=True)
    changes = (length * _ALPHA).long().clamp_(min=1)
    order = _random_order(ids, generator)
    rank = torch.arange(ids.shape[1], device=ids.device)

    known = has_synonyms(ids, tables)
    many = known.sum(dim=1)
    ordered = known.gather(1, order)
    first_known = _in_row_order(order, ordered & (ordered.cumsum(dim=1) <= changes))
    first = _in_row_order(order, rank < torch.minimum(changes, length))
    rare = chosen(ids, torch.full_like(amount, _ALPHA), generator)

    result = replaced(ids, first_known & (technique == 0), generator, tables)
    places_before = first & (technique == 1) & (many > 0)[:, None]
    result = inserted(result, places_before, known, many, generator, tables)
    pairs = torch.minimum(changes, length // 2) * (technique == 2)
    result = _swapped(result, order, pairs)
    return deleted(result, rare & (technique == 3), generator), tags


def _random_order(ids: Tensor, generator: Generator) -> Tensor:
    """Positions (B, L) of each row's tokens in random order, followed by those of its padding."""
    key = torch.rand(ids.shape, generator=generator, device=ids.device)
    return key.masked_fill_(~present(ids), 2).argsort(dim=1)


def _in_row_order(order: Tensor, mask: Tensor) -> Tensor:
    """Maps a mask over the tokens in `order` to one over the row's own order: (B, L)."""
    mask = mask.expand_as(order)
    return torch.zeros_like(mask).scatter_(1, order, mask)


def _swapped(ids: Tensor, order: Tensor, pairs: Tensor) -> Tensor:
    """Swaps tokens 1 and 2 of `order`, then 3 and 4, and so on: `pairs` (B, 1) swaps per row."""
    rank = torch.arange(ids.shape[1], device=ids.device)
    partner = torch.where(rank < 2 * pairs, rank ^ 1, rank).clamp_(max=ids.shape[1] - 1)
    return ids.scatter(1, order, ids.gather(1, order.gather(1, partner)))


EDA = register(
    Op(
        "eda", "token", 0.9, "probability", eda,
        chance=True, modalities=("text",), needs_lexicon=True,
    )
)  # fmt: skip
