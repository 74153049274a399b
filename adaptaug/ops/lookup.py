"""Lookup tables of token ops: synonyms by word, and training tokens and mentions by tag.

Tokens and mentions come from the child's training examples only: an op that inserted others would
show the child labelled data that it does not have.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional

from adaptaug.data.examples import Examples
from adaptaug.data.lexicon import Lexicon, synonym_table
from adaptaug.data.tags import tag_parts
from adaptaug.data.vocabulary import IGNORED, MASK, PAD, Vocabulary
from adaptaug.errors import AdaptAugError
from adaptaug.ops.stop_words import STOP_WORDS
from adaptaug.utils.types import Modality


@dataclass(frozen=True, eq=False)
class Tensors:
    """Base of the tables: a dataclass whose tensors, nested ones too, change device together."""

    def to(self, device: torch.device | str) -> Self:
        """The same tables on `device`."""
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        moved = {
            name: value.to(device) if isinstance(value, Tensor | Tensors) else value
            for name, value in values.items()
        }
        return type(self)(**moved)


@dataclass(frozen=True, eq=False)
class TagTables(Tensors):
    """The training tokens of each of the K tags, and the training mentions of each type.

    A mention is the tokens of one entity: a "B-X" and the "I-X" that follow it.
    """

    tokens: Tensor
    """int64 (T + 1,): the ids of all T training tokens, sorted by tag, then one `PAD`."""
    token_starts: Tensor
    """int64 (K,): index in `tokens` of each tag's first token."""
    token_counts: Tensor
    """int64 (K,): number of training tokens with each tag."""
    mentions: Tensor
    """int64 (M + 1, W): ids of each mention, padded, sorted by "B-X"; the last row is empty."""
    mention_lengths: Tensor
    """int64 (M + 1,): number of tokens of each mention."""
    mention_starts: Tensor
    """int64 (K,): row in `mentions` of the first mention that begins with each tag."""
    mention_counts: Tensor
    """int64 (K,): number of mentions that begin with each tag; 0 for every tag but "B-X"."""
    begins: Tensor
    """bool (K,): whether the tag is a "B-X"."""
    inside: Tensor
    """bool (K,): whether the tag is an "I-X"."""
    outside: Tensor
    """bool (K,): whether the tag is "O"."""
    continued: Tensor
    """int64 (K,): the tag "I-X" of each "B-X"; all other tags map to themselves."""


@dataclass(frozen=True, eq=False)
class TokenTables(Tensors):
    """The lookup tables of all token ops; `build_tables` makes them."""

    vocabulary_size: int
    """Number of ids V."""
    synonyms: Tensor | None
    """int64 (V, S): ids of each word's synonyms, padded with `PAD`; None without a lexicon. With a
    tokenizer, the last row is that of all ids above it, see `adaptaug.ops.words`."""
    synonym_counts: Tensor | None
    """int64 (V,): number of synonyms of each word, 0 for stop words; None without a lexicon."""
    tags: TagTables | None
    """Tokens and mentions by tag; None if each sentence has one label."""
    mask: int = MASK
    """Id that replaces a masked word."""


def build_tables(
    vocabulary: Vocabulary,
    lexicon: Lexicon | None,
    train: Examples,
    classes: Sequence[str],
    modality: Modality,
) -> TokenTables:
    """Makes the tables of one training run, on the examples' device.

    Args:
        vocabulary: the words of the ids.
        lexicon: synonyms; None leaves out the ops that need them.
        train: the examples that the child trains on; see the module's docstring.
        classes: in tagging, the K tags in BIO form.
        modality: "text" or "tagging".

    Raises:
        AdaptAugError: no word of the vocabulary except stop words has a synonym within the
            vocabulary, or a tag is not in BIO form.
    """
    synonyms, counts = (None, None) if lexicon is None else synonyms_within(vocabulary, lexicon)
    tags = tag_tables(train, classes) if modality == "tagging" else None
    return TokenTables(len(vocabulary), synonyms, counts, tags).to(train.inputs.device)


def synonyms_within(vocabulary: Vocabulary, lexicon: Lexicon) -> tuple[Tensor, Tensor]:
    """Synonyms (V, S) and their counts (V,), which are 0 for stop words."""
    synonyms, counts = synonym_table(vocabulary, lexicon)
    stop = torch.tensor([word.lower() in STOP_WORDS for word in vocabulary.words])
    counts = counts.masked_fill(stop, 0)
    if not counts.any():
        raise AdaptAugError(
            "a lexicon must have synonyms for some word of the vocabulary besides stop words, "
            f"got none: {len(lexicon)} words in the lexicon"
        )
    return synonyms, counts


def tag_tables(train: Examples, classes: Sequence[str]) -> TagTables:
    """The tables of tagged examples: ids (N, L) with tags (N, L) in BIO form.

    Tokens whose tag is `IGNORED` are left out.
    """
    size, parts = len(classes), [tag_parts(name) for name in classes]
    kinds = {kind: torch.tensor([k == kind for k, _ in parts]) for kind in "BIO"}
    number = {name: index for index, name in enumerate(classes)}
    continued = [
        number.get(f"I-{entity}", index) if kind == "B" else index
        for index, (kind, entity) in enumerate(parts)
    ]
    valid = (train.targets != IGNORED).cpu()
    ids, tags = train.inputs.cpu()[valid], train.targets.cpu()[valid]
    token_counts = tags.bincount(minlength=size)
    first = kinds["B"][tags].nonzero()[:, 0]
    mention = kinds["B"][tags].cumsum(0)[kinds["I"][tags]] - 1  # which mention each "I-X" continues
    mention_lengths = mention.bincount(minlength=len(first)) + 1
    offset = torch.arange(int(mention_lengths.max(0).values) if len(first) else 1)
    at = (first[:, None] + offset).clamp_(max=len(ids) - 1)
    mentions = torch.where(offset < mention_lengths[:, None], ids[at], PAD)
    order = tags[first].argsort(stable=True)
    mention_counts = tags[first].bincount(minlength=size)
    return TagTables(
        functional.pad(ids[tags.argsort(stable=True)], (0, 1), value=PAD),
        token_counts.cumsum(0) - token_counts,
        token_counts,
        functional.pad(mentions[order], (0, 0, 0, 1), value=PAD),
        functional.pad(mention_lengths[order], (0, 1)),
        mention_counts.cumsum(0) - mention_counts,
        mention_counts,
        kinds["B"],
        kinds["I"],
        kinds["O"],
        torch.tensor(continued),
    )
