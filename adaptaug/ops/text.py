"""Ops for sentences with one label: the four of EDA, after Wei and Zou (2019), and masking.

What differs from EDA: an amount is the probability that a word is chosen, not a fixed number of
words; swapped words are shuffled among themselves; all of it happens to a whole batch of ids at
once, so that synonyms are those that the vocabulary holds. Stop words have no synonyms.
"""

import torch
from torch import Generator, Tensor

from adaptaug.data.vocabulary import MASK
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
    """Puts before each token, with probability amount, a synonym of a random word of its row.

    Of the words that have one; where none has, the row stays as it is.
    """
    known = has_synonyms(ids, tables)
    many = known.sum(dim=1)
    mask = chosen(ids, amount * (many > 0), generator)
    return inserted(ids, mask, known, many, generator, tables), tags


def swap(
    ids: Tensor, tags: Tensor | None, amount: Tensor, generator: Generator, _tables: TokenTables
) -> Tokens:
    """Chooses each token with probability amount and shuffles the chosen ones of a row."""
    mask = chosen(ids, amount, generator)
    at = places(mask)
    return shuffled(ids, mask, at, at // ids.shape[1], generator), tags


def deletion(
    ids: Tensor, tags: Tensor | None, amount: Tensor, generator: Generator, _tables: TokenTables
) -> Tokens:
    """Drops each token with probability amount; one stays."""
    return deleted(ids, chosen(ids, amount, generator), generator), tags


def masking(
    ids: Tensor, tags: Tensor | None, amount: Tensor, generator: Generator, _tables: TokenTables
) -> Tokens:
    """Replaces each token by `MASK` with probability amount."""
    return torch.where(chosen(ids, amount, generator), MASK, ids), tags


def replaced(ids: Tensor, mask: Tensor, generator: Generator, tables: TokenTables) -> Tensor:
    """Replaces the words of the mask that have synonyms by one of them each."""
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
    """Puts a synonym of a random word of the row before each token of the mask.

    `known` (B, L) says which words have synonyms and `many` (B,) how many they are; where that is
    0, the mask must be empty.
    """
    at = places(mask)
    row = at // ids.shape[1]
    nth = look(many.cumsum(0) - many, row) + below(look(many, row), generator)
    words = look(ids, look(places(known), nth))
    return widened(ids, mask, at, synonyms_of(words, generator, tables))


def has_synonyms(ids: Tensor, tables: TokenTables) -> Tensor:
    """Which words have a synonym: bool, of the shape of ids."""
    assert tables.synonym_counts is not None
    return (tables.synonym_counts > 0).index_select(0, ids.flatten()).view(ids.shape)


def synonyms_of(words: Tensor, generator: Generator, tables: TokenTables) -> Tensor:
    """A random synonym of each word, of its own; the word itself where it has none: (n,)."""
    assert tables.synonyms is not None
    assert tables.synonym_counts is not None
    count = tables.synonym_counts.index_select(0, words)
    nth = words * tables.synonyms.shape[1] + below(count, generator)
    return torch.where(count > 0, tables.synonyms.flatten().index_select(0, nth), words)


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
