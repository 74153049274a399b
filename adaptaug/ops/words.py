"""Sentences of a tokenizer's ids as rows of words, on which ops act as on any sentences.

Special tokens stay in place. The tokens of one type between two of them are a *run*. Each run
becomes a row of its own, in which each word has one id. So the tokens of a word stay together, and
no word leaves its run. The ids of words are 0 for padding; 1 to V for single tokens; then those of
known words of several tokens (of the lexicon, and of tagged training examples); and above these,
one for each further word of the batch, by the position of its first token.

On a GPU, nothing here makes the host wait for the device.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from adaptaug.data.tokenizer import APART_AFTER, TokenizerVocabulary
from adaptaug.data.vocabulary import IGNORED, PAD
from adaptaug.ops.lookup import Tensors
from adaptaug.ops.tokens import laid_out, latest, take

MOST_RUNS = 8
"""Maximum number of runs of a sentence that are augmented; later ones stay as they are."""
_MOST_TOKENS = 64
"""Maximum number of tokens of a known word."""
_FACTOR = -7046029254386353131
"""An odd 64-bit number; words are looked up by a polynomial hash modulo 2^64 with this base."""


@dataclass(frozen=True, eq=False)
class WordTables(Tensors):
    """Which tokens of V ids are words together; D known words have several tokens."""

    size: int
    """Number of ids V."""
    fixed: Tensor
    """bool (V + 1,): see `TokenizerVocabulary`, as for the next three."""
    left: Tensor
    """int8 (V + 1,)."""
    right: Tensor
    """int8 (V + 1,)."""
    spaced: Tensor
    """int64 (V + 1,)."""
    bare: Tensor
    """int64 (V + 1,): inverse of `spaced`; all other tokens map to themselves."""
    memory: Tensor
    """int64 (V + 1 + F,): 0 to V, then the F tokens of all known words, word after word."""
    starts: Tensor
    """int64 (V + 1 + D,): where in `memory` each token and each known word starts."""
    lengths: Tensor
    """int64 (V + 1 + D,): number of its tokens; 0 for padding."""
    hashes: Tensor
    """int64 (D,): hash of each known word, in ascending order."""
    powers: Tensor
    """int64 (_MOST_TOKENS,): weights of a word's tokens in its hash."""
    further: Tensor | None = None
    """int64 (K,): by the tag of a word's first token, the tag of its others; None without tags."""


def word_tables(
    vocabulary: TokenizerVocabulary, known: Iterable[tuple[int, ...]]
) -> tuple[WordTables, list[tuple[int, ...]]]:
    """Makes the tables.

    Args:
        vocabulary: of a tokenizer.
        known: codes of the tokens of each known word; words of one token are known anyway.

    Returns:
        The tables without `further`; and the D known words in the order of their ids, an empty one
        first, so that no table is empty.
    """
    powers = np.full(_MOST_TOKENS, _FACTOR).cumprod()
    several = [word for word in known if 1 < len(word) <= _MOST_TOKENS]
    hashed = {int((np.array(word) * powers[: len(word)]).sum()): word for word in several}
    hashed = {np.iinfo(np.int64).min: (), **dict(sorted(hashed.items()))}
    single = np.arange(len(vocabulary) + 1)
    lengths = np.array([PAD, *[1] * len(vocabulary), *map(len, hashed.values())])
    tokens = np.fromiter(chain.from_iterable(hashed.values()), np.int64)
    bare, moved = single.copy(), vocabulary.spaced != single
    bare[vocabulary.spaced[moved]] = single[moved]
    arrays = (
        vocabulary.fixed, vocabulary.left, vocabulary.right, vocabulary.spaced, bare,
        np.concatenate([single, tokens]), 1 + lengths.cumsum() - lengths, lengths,
        np.array([*hashed]), powers,
    )  # fmt: skip
    return WordTables(len(vocabulary), *map(torch.from_numpy, arrays)), [*hashed.values()]


class Sentences:
    """Sentences of codes, taken apart into rows of words and put together again."""

    def __init__(self, codes: Tensor, tags: Tensor | None, tables: WordTables) -> None:
        """Takes sentences apart.

        Args:
            codes: int64 (B, L), padded on the right; see `adaptaug.data.tokenizer`.
            tags: int64 (B, L) or None. A word has the tag of its first token. Without a special
                token between them, a token whose tag is `IGNORED` continues the word before it.
            tables: on the device of the codes.
        """
        self._codes, self._given, self._tables = codes, tags, tables
        self._place = torch.arange(codes.shape[1], device=codes.device)
        self._row = torch.arange(len(codes), device=codes.device)[:, None]
        types = torch.div(codes - 1, tables.size, rounding_mode="floor").clamp_(min=0)
        tokens = codes - types * tables.size
        moves = ~tables.fixed[tokens]
        before = functional.pad(moves[:, :-1] & (types[:, 1:] == types[:, :-1]), (1, 0))
        ends = functional.pad(tables.right[tokens][:, :-1], (1, 0), value=APART_AFTER)
        continues = tables.left[tokens] == ends
        if tags is not None:
            continues |= tags == IGNORED
        begins = moves & ~before
        self._run = begins.cumsum(1) - 1  # -1 before the first
        self._runs = _count(self._run)
        self.moves = moves & (self._run < self._runs)
        """bool (B, L): the tokens of all words."""
        self._begins = begins & self.moves
        self.heads = self.moves & ~(continues & before)
        """bool (B, L): their first tokens."""
        spaced = tables.spaced[tokens]
        self._bare = self._by_run((spaced != tokens) & self._begins)
        self._plain, self._tokens = tokens, torch.where(self._begins, spaced, tokens)
        self._lengths, ids = self._words()
        self.words = self._in_rows(ids.view(codes.shape), PAD)
        """int64 (R, L): the words of each run, padded on the right; R is a multiple of B."""
        self.tags = None if tags is None else self._in_rows(tags, IGNORED)
        """int64 (R, L): their tags, `IGNORED` at padding; None if there are none."""

    def several(self) -> set[tuple[int, ...]]:
        """The tokens of each word that has several; waits for the device."""
        tokens, heads = self._tokens[self.moves].tolist(), self.heads[self.moves].nonzero()[:, 0]
        bounds = [*heads.tolist(), len(tokens)]
        pairs = ((a, b) for a, b in pairwise(bounds) if b - a > 1)
        return {tuple(tokens[a:b]) for a, b in pairs}

    def joined(self, words: Tensor, tags: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Puts rows of words, and their tags, together to sentences of the shape taken apart.

        Words that no longer fit are cut off from the ends of the runs that have grown. The first
        word of a run stays, at least in part.
        """
        tables, width, runs = self._tables, len(self._place), (len(self._codes), self._runs)
        lengths = _either(tables.lengths, self._lengths, words)
        source, offset = laid_out(lengths)
        tokens = self._spelled(words, source, offset)
        fitting = self._fitting((source < width).sum(1).view(runs)).view(-1, 1)
        word_end = self._place - offset + take(lengths, source, 0)
        fits = (word_end <= fitting) | (source == 0) & (self._place < fitting)
        kept = (fits & (source < width)).sum(1).view(runs)
        ends = functional.pad(kept.cumsum(1), (1, 0))
        stays = ~self.moves & (self._codes != PAD)
        number = stays.cumsum(1)
        begun = (self._run + 1).clamp(max=self._runs)
        at = self._flat(number - 1 + ends.gather(1, begun), stays)
        starts = (ends[:, :-1] + self._by_run(number))[..., None]
        within = self._flat(starts + self._place, self._place < kept[..., None])
        types = self._by_run(self._codes - self._plain).reshape(-1, 1)

        def whole(staying: Tensor, moving: Tensor, fill: int) -> Tensor:
            result = staying.new_full((staying.numel() + 1,), fill)
            result.scatter_(0, at, staying.flatten()).scatter_(0, within, moving.flatten())
            return result[:-1].view(staying.shape)

        codes = whole(self._codes, tokens + types, PAD)
        if tags is None or self._given is None:
            return codes, None
        assert tables.further is not None
        tags = take(tags, source, IGNORED)
        further = tables.further[tags.clamp(min=0)].where(tags != IGNORED, IGNORED)
        return codes, whole(self._given, torch.where(offset > 0, further, tags), IGNORED)

    def _spelled(self, words: Tensor, source: Tensor, offset: Tensor) -> Tensor:
        """The tokens (R, L) of words, laid out by `laid_out`, as codes of type 0."""
        tables, count = self._tables, self._codes.numel()
        local = len(tables.memory) + torch.arange(count, device=words.device)
        at = take(_either(tables.starts, local, words), source, PAD) + offset
        tokens = _either(tables.memory, self._tokens.flatten(), at)
        first = (self._place == 0) & self._bare.reshape(-1, 1)
        return torch.where(first, tables.bare[tokens], tokens)

    def _words(self) -> tuple[Tensor, Tensor]:
        """The number of tokens (B·L,) of the word that starts at each position, and its id."""
        tables, count = self._tables, self._codes.numel()
        head = latest(self.heads)
        weight = tables.powers[(self._place - head).clamp(max=_MOST_TOKENS - 1)]
        at = self._flat(head, self.moves)
        lengths, hashes = (
            self._codes.new_zeros(count + 1).scatter_add_(0, at, values.flatten())[:-1]
            for values in (torch.ones_like(head), self._tokens * weight)
        )
        known = torch.searchsorted(tables.hashes, hashes).clamp_(max=len(tables.hashes) - 1)
        several = torch.where(
            tables.hashes[known] == hashes,
            tables.size + 1 + known,
            len(tables.starts) + torch.arange(count, device=hashes.device),
        )
        return lengths, torch.where(lengths > 1, several, self._tokens.flatten())

    def _in_rows(self, values: Tensor, fill: int) -> Tensor:
        """The values (B, L) of the first tokens of words as rows (R, L), a row for each run."""
        count, width = self._codes.shape
        number = self.heads.cumsum(1)
        column = number - number.gather(1, latest(self._begins))
        at = (self._row * self._runs + self._run) * width + column
        result = values.new_full((count * self._runs * width + 1,), fill)
        result.scatter_(0, at.where(self.heads, len(result) - 1).flatten(), values.flatten())
        return result[:-1].view(-1, width)

    def _by_run(self, values: Tensor) -> Tensor:
        """The values (B, L) at the first token of each run: (B, runs), 0 for runs that are not."""
        result = values.new_zeros(len(values), self._runs + 1)
        index = self._run.where(self._begins, self._runs)
        return result.scatter_(1, index, values)[:, :-1]

    def _fitting(self, lengths: Tensor) -> Tensor:
        """How many of its tokens each run keeps: (B, runs) in all, as many as fit a sentence."""
        old = torch.zeros_like(lengths).scatter_add_(
            1, self._run.clamp(0, self._runs - 1), self.moves.long()
        )
        grown = (lengths - old).clamp(min=0)
        room = (self._codes == PAD).sum(1) + (old - lengths).clamp(min=0).sum(1)
        allowed = grown.cumsum(1).minimum(room[:, None])
        return lengths - grown + allowed.diff(dim=1, prepend=torch.zeros_like(room[:, None]))

    def _flat(self, place: Tensor, valid: Tensor) -> Tensor:
        """Flat positions of places in each row (B, ...); one past the last where not valid."""
        width = len(self._place)
        row = self._row.view(-1, *[1] * (place.ndim - 1))
        return (row * width + place).where(valid, self._codes.numel()).flatten()


def _either(known: Tensor, local: Tensor, at: Tensor) -> Tensor:
    """The values at indices into `known`, which `local` continues."""
    size = len(known)
    return torch.where(at < size, known[at.clamp(max=size - 1)], local[(at - size).clamp(min=0)])


def _count(run: Tensor) -> int:
    """Number of runs that are augmented, at least 1; on a GPU, all that there may be."""
    return MOST_RUNS if run.is_cuda else min(MOST_RUNS, 1 + max(0, int(run.max())))
