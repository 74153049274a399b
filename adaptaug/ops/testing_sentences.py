"""Test sentences for token ops, in which the id of a word gives the type of its tag."""

import torch
from torch import Tensor

from adaptaug.data.examples import Examples
from adaptaug.data.tags import check_bio, tag_names
from adaptaug.data.vocabulary import IGNORED, MASK, PAD, SPECIALS
from adaptaug.errors import AdaptAugError
from adaptaug.ops.lookup import TokenTables, tag_tables

CLASSES = tag_names(("PER", "LOC"))
"""O, B-PER, I-PER, B-LOC, I-LOC."""
_TYPES = torch.tensor([0, 1, 1, 2, 2])
"""The type of each tag: none, PER, LOC."""
_WORDS = 10
"""Words of each type: ids 3 to 12 are outside of mentions, 13 to 22 persons, 23 to 32 places."""
_VOCABULARY = len(SPECIALS) + 3 * _WORDS
_TAGS = torch.tensor([1, 2, 0, 0, 3, 0, 1, 3, 4, 4, 0, 0])
"""Tags of a sentence of 12 words; repeated without end, they stay in BIO form."""
_STARTS = (0, 2, 3, 4, 5, 6, 7, 10, 11)
"""Positions in `_TAGS` at which a sentence may start."""


def sentences(count: int, shortest: int) -> tuple[Tensor, Tensor, TokenTables]:
    """Sentences with tags, and tables made of them.

    Args:
        count: number of sentences B.
        shortest: number of words of the first sentence, 1 to 12; each next one has one more, up
            to 12.

    Returns:
        int64 ids (B, 12), tags (B, 12), and tables in which the synonyms of a word are the next two
        words of its type, as far as there are any.
    """
    width = len(_TAGS)
    place = torch.arange(width)
    starts = torch.tensor(_STARTS)[torch.arange(count) % len(_STARTS)]
    lengths = torch.arange(shortest, shortest + count).clamp(max=width)
    tags = _TAGS[(starts[:, None] + place) % width]
    word = torch.randint(_WORDS, tags.shape, generator=torch.Generator().manual_seed(0))
    padding = place >= lengths[:, None]
    ids = (len(SPECIALS) + _TYPES[tags] * _WORDS + word).masked_fill(padding, PAD)
    tags = tags.masked_fill(padding, IGNORED)
    return ids, tags, _tables(Examples(ids, tags))


def check_sentences(ids: Tensor, targets: Tensor) -> str:
    """The rule that ids (B, L), or their tags if targets are (B, L), break; empty if none."""
    if not ((ids >= 0) & (ids < _VOCABULARY)).all():
        return "ids must stay in the vocabulary"
    padding = ids == PAD
    if (padding[:, :-1] & ~padding[:, 1:]).any():
        return "padding must stay on the right"
    if padding.all(dim=1).any():
        return "a sentence must keep a word"
    return _broken_by_tags(ids, targets) if targets.ndim == 2 else ""


def _broken_by_tags(ids: Tensor, tags: Tensor) -> str:
    padding = ids == PAD
    if ((tags == IGNORED) != padding).any():
        return "tags must go where their words go"
    if not (((tags >= 0) & (tags < len(CLASSES))) | padding).all():
        return "tags must stay in the label set"
    try:
        check_bio(tags, CLASSES, "a batch")
    except AdaptAugError:
        return "tags must stay in BIO form"
    words = ~padding & (ids != MASK)
    types = torch.div(ids[words] - len(SPECIALS), _WORDS, rounding_mode="floor")
    if (types != _TYPES.to(ids.device)[tags[words]]).any():
        return "tags must stay true"
    return ""


def _tables(train: Examples) -> TokenTables:
    """Tables in which each word's synonyms are the next words of its type, at most two."""
    word = torch.arange(_VOCABULARY)
    left = _WORDS - 1 - (word - len(SPECIALS)) % _WORDS  # words of its type after this one
    counts = left.clamp(max=2).masked_fill(word < len(SPECIALS), 0)
    after = torch.arange(2)
    synonyms = torch.where(after < counts[:, None], word[:, None] + 1 + after, PAD)
    return TokenTables(_VOCABULARY, synonyms, counts, tag_tables(train, CLASSES))
