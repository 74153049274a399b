"""Ops for tagged sentences that keep each tag true of its token, after Dai and Adel (2020).

Tags stay in BIO form, with `IGNORED` at padding and, with a tokenizer, at words that its user left
out. Difference from the paper: the amount is the probability for each token, mention or segment,
and each sample draws its own.
"""

import torch
from torch import Generator, Tensor
from torch.nn import functional

from adaptaug.data.vocabulary import IGNORED, PAD
from adaptaug.ops.lookup import TagTables, TokenTables
from adaptaug.ops.op import Op, register
from adaptaug.ops.text import TEXT_OPS, replaced
from adaptaug.ops.tokens import (
    below,
    chosen,
    laid_out,
    latest,
    look,
    places,
    present,
    put,
    shuffled,
    take,
)
from adaptaug.utils.types import Modality

Tagged = tuple[Tensor, Tensor]
"""Ids and tags, both (B, L)."""


def labelwise(
    ids: Tensor, tags: Tensor, amount: Tensor, generator: Generator, tables: TokenTables
) -> Tagged:
    """Replaces each token, with probability amount, by a training token of the same tag.

    Replacements are drawn in proportion to their counts in training with that tag.
    """
    table = _tag_tables(tables)
    mask = chosen(ids, amount, generator)
    mask &= (table.token_counts > 0)[_index(tags)] & (tags != IGNORED)
    at = places(mask)
    tag = look(tags, at)
    nth = table.token_starts[tag] + below(table.token_counts[tag], generator)
    return put(ids, mask, at, table.tokens[nth]), tags


def synonym_outside(
    ids: Tensor, tags: Tensor, amount: Tensor, generator: Generator, tables: TokenTables
) -> Tagged:
    """Replaces each word outside mentions, with probability amount, by a synonym if it has one."""
    outside = _tag_tables(tables).outside[_index(tags)]
    return replaced(ids, chosen(ids, amount, generator) & outside, generator, tables), tags


def mention(
    ids: Tensor, tags: Tensor, amount: Tensor, generator: Generator, tables: TokenTables
) -> Tagged:
    """Replaces each mention, with probability amount, by a training mention of the same type.

    The tokens after it move by the difference in length; what no longer fits is cut off.
    """
    table, tag = _tag_tables(tables), _index(tags)
    heads = chosen(ids, amount, generator) & (table.mention_counts > 0)[tag]
    at = places(heads)
    head = look(tags, at)
    nth = table.mention_starts[head] + below(table.mention_counts[head], generator)
    choice = put(torch.zeros_like(ids), heads, at, nth)
    gone = table.inside[tag] & present(ids) & heads.gather(1, latest(table.begins[tag]))
    sizes = torch.where(heads, table.mention_lengths[choice], ~gone)

    source, offset = laid_out(sizes)
    new = take(heads, source, 0)
    widest = table.mentions.shape[1] - 1
    words = table.mentions[take(choice, source, 0), offset.clamp(0, widest)]
    result = torch.where(new, words, take(ids, source, PAD))
    tags = take(tags, source, IGNORED)
    return result, torch.where(new & (offset > 0), table.continued[_index(tags)], tags)


def segments(
    ids: Tensor, tags: Tensor, amount: Tensor, generator: Generator, tables: TokenTables
) -> Tagged:
    """Shuffles the tokens within each segment, with probability amount; the tags stay in place.

    A segment is one mention, or a run of tokens outside of mentions.
    """
    table, tag = _tag_tables(tables), _index(tags)
    before = functional.pad(tags[:, :-1], (1, 0), value=IGNORED)
    starts = table.begins[tag] | (~table.inside[tag] & (tags != before))
    picked = (chosen(ids, amount, generator) & starts).gather(1, latest(starts))
    number = starts.flatten().cumsum(0).view(ids.shape)
    mask = picked & present(ids)
    at = places(mask)
    return shuffled(ids, mask, at, look(number, at, ids.numel()), generator), tags


def _tag_tables(tables: TokenTables) -> TagTables:
    """The tables by tag, which tagging always has."""
    assert tables.tags is not None
    return tables.tags


def _index(tags: Tensor) -> Tensor:
    """Tags as valid indices: at padding, `IGNORED` becomes 0."""
    return tags.clamp(min=0)


_SHARE = "share of the words"
_TAGGING: tuple[Modality, ...] = ("tagging",)

TAGGING_OPS: tuple[Op, ...] = (
    Op("labelwise", "token", 0.8, _SHARE, labelwise, modalities=_TAGGING),
    Op(
        "synonym_outside", "token", 1.0, _SHARE, synonym_outside,
        modalities=_TAGGING, needs_lexicon=True,
    ),
    Op("mention", "token", 1.0, "share of the mentions", mention, modalities=_TAGGING),
    Op("segments", "token", 1.0, "share of the segments", segments, modalities=_TAGGING),
    *(op for op in TEXT_OPS if "tagging" in op.modalities),
)  # fmt: skip

for _op in TAGGING_OPS:
    register(_op)
