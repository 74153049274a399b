"""Ops for sentences with one label: the four of EDA, after Wei and Zou (2019), and masking.

Differences from EDA: the amount is the probability that a word is chosen, not a fixed number of
words; the chosen words are shuffled, not swapped in pairs; the ops act on a whole batch of ids, so
that synonyms must be in the vocabulary. As in EDA, stop words have no synonyms.
"""

import torch
from torch import Generator, Tensor

from adaptaug.ops.lookup import TokenTables
from adaptaug.ops.op import Op, register
from adaptaug.ops.tokens import below, chosen, deleted, look, places, put, shuffled, widened
from adaptaug.utils.types import Modality

Tokens = tuple[Tensor, Tensor | None]
"""Ids (B, L), and tags (B, L) or None."""


def synonym(
    ids: Tensor, tags: Tensor | None, amount: Tensor, generator: Generator, tables: TokenTables
) -> Tokens:
    """Replaces each word that has synonyms, with probability amount, by one of them."""
    return replaced(ids, chosen(ids, amount, generator), generator, tables), tags


def insertion(
    ids: Tensor, tags: Tensor | None, amount: Tensor, generator: Generator, tables: TokenTables
) -> Tokens:
    """Inserts before each token, with probability amount, a synonym of a random word of its row.

    The word is drawn from those that have synonyms; a row without such a word is unchanged.
    """
    known = has_synonyms(ids, tables)
    many = known.sum(dim=1)
    mask = chosen(ids, amount * (many > 0), generator)
    return inserted(ids, mask, known, many, generator, tables), tags


def swap(
    ids: Tensor, tags: Tensor | None, amount: Tensor, generator: Generator, _tables: TokenTables
) -> Tokens:
    """Chooses each token with probability amount and shuffles the chosen tokens of each row."""
    mask = chosen(ids, amount, generator)
    at = places(mask)
    return shuffled(ids, mask, at, at // ids.shape[1], generator), tags


def deletion(
    ids: Tensor, tags: Tensor | None, amount: Tensor, generator: Generator, _tables: TokenTables
) -> Tokens:
    """Drops each token with probability amount; at least one token of a row stays."""
    return deleted(ids, chosen(ids, amount, generator), generator), tags


def masking(
    ids: Tensor, tags: Tensor | None, amount: Tensor, generator: Generator, tables: TokenTables
) -> Tokens:
    """Replaces each token by the mask with probability amount."""
    return torch.where(chosen(ids, amount, generator), tables.mask, ids), tags


def replaced(ids: Tensor, mask: Tensor, generator: Generator, tables: TokenTables) -> Tensor:
    """Replaces each word of the mask by one of its synonyms, if it has any."""
    at = places(mask)
    return put(ids, mask, at, synonyms_of(look(ids, at), generator, tables))


def inserted(
    ids: Tensor,
    mask: Tensor,
    known: Tensor,
    many: Tensor,
    generator: Generator,
    tables: TokenTables,
) -> Tensor:
    """Inserts a synonym of a random word of the row before each token of the mask.

    `known` (B, L) marks the words that have synonyms, and `many` (B,) counts them. In rows where
    `many` is 0, the mask must be empty.
    """
    at = places(mask)
    row = at // ids.shape[1]
    nth = look(many.cumsum(0) - many, row) + below(look(many, row), generator)
    words = look(ids, look(places(known), nth))
    return widened(ids, mask, at, synonyms_of(words, generator, tables))


def has_synonyms(ids: Tensor, tables: TokenTables) -> Tensor:
    """Which words have a synonym: bool, of the shape of ids."""
    assert tables.synonym_counts is not None
    known = tables.synonym_counts > 0
    return known.index_select(0, _row(ids.flatten(), known)).view(ids.shape)


def synonyms_of(words: Tensor, generator: Generator, tables: TokenTables) -> Tensor:
    """A random synonym of each of n words; the word itself if it has none: (n,)."""
    assert tables.synonyms is not None
    assert tables.synonym_counts is not None
    row = _row(words, tables.synonyms)
    count = tables.synonym_counts.index_select(0, row)
    nth = row * tables.synonyms.shape[1] + below(count, generator)
    return torch.where(count > 0, tables.synonyms.flatten().index_select(0, nth), words)


def _row(words: Tensor, table: Tensor) -> Tensor:
    """The rows of a table in which words are; words beyond the table share its last row."""
    return words.clamp(max=len(table) - 1)


_SHARE = "share of the words"
_TEXT: tuple[Modality, ...] = ("text",)

TEXT_OPS: tuple[Op, ...] = (
    Op("synonym", "token", 1.0, _SHARE, synonym, modalities=_TEXT, needs_lexicon=True),
    Op("insertion", "token", 0.5, _SHARE, insertion, modalities=_TEXT, needs_lexicon=True),
    Op("swap", "token", 0.8, _SHARE, swap, modalities=_TEXT),
    Op("deletion", "token", 0.5, _SHARE, deletion, modalities=_TEXT),
    Op("masking", "token", 0.8, _SHARE, masking, modalities=("text", "tagging")),
)

for _op in TEXT_OPS:
    register(_op)
