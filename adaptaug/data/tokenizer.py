"""A Hugging Face tokenizer as a vocabulary: which ids pad, mask, stay in place or continue a word.

AdaptAug holds sentences of such ids as rows of *codes*, padded on the right with `PAD`. The code of
a token is 1 + its id + V times its token type, so that a row says all that a model is given.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress, pairwise
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel
from torch import Tensor

from adaptaug.data.vocabulary import PAD
from adaptaug.errors import AdaptAugError

APART_BEFORE, APART_AFTER = -1, -2
"""Values of `left` and `right` that no other token has, so that a word begins or ends there."""
_WORD, _OTHER = 0, 1
"""Kinds of characters: letters, digits and underscores; all others."""
_NO_SPACES = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
"""Characters of Thai, Lao, Burmese, Khmer, Japanese and Chinese; each counts as a word."""
_NAMES = {"pad": ("[PAD]", "<pad>"), "mask": ("[MASK]", "<mask>"), "unk": ("[UNK]", "<unk>")}
"""The tokens of each role in a tokenizer that does not say which they are."""


@dataclass(frozen=True)
class _Mark:
    """How the tokens of a tokenizer show where words begin or end."""

    text: str
    at_start: bool
    """Whether the mark stands at the start of a token, rather than at its end."""
    joins: bool
    """Whether the mark joins the token to its neighbour, rather than separating the two."""

    def on(self, token: str) -> bool:
        """Whether the token has the mark."""
        return token.startswith(self.text) if self.at_start else token.endswith(self.text)

    def off(self, token: str) -> str:
        """The token without the mark."""
        return token.removeprefix(self.text) if self.at_start else token.removesuffix(self.text)

    @property
    def is_space(self) -> bool:
        """Whether the mark stands for a space; then a change of characters also ends a word."""
        return self.at_start and not self.joins


_MARKS = (
    _Mark("##", at_start=True, joins=True),  # WordPiece; also stands for no mark at all
    _Mark("Ġ", at_start=True, joins=False),  # byte-level BPE
    _Mark("▁", at_start=True, joins=False),  # SentencePiece
    _Mark("@@", at_start=False, joins=True),  # BPE as in subword-nmt
    _Mark("</w>", at_start=False, joins=False),  # BPE as in CLIP
    _Mark(" ", at_start=True, joins=False),  # characters
)
_FEWEST = 0.01
"""Share of the tokens with the mark, at least, in a tokenizer that has no token for a space."""


@dataclass(frozen=True, eq=False)
class TokenizerVocabulary:
    """What ops need to know of a tokenizer of V ids; `from_tokenizer` makes one.

    Arrays have an entry for each code of token type 0: `PAD`, then the ids in their order. The
    token b continues the word of the token a before it if left[b] == right[a].
    """

    tokenizer: Any
    """The tokenizer itself."""
    pad_id: int
    """Id of padding."""
    mask_id: int | None
    """Id that hides a word: the mask, or else the unknown token; None if there is neither."""
    left_padded: bool
    """Whether the tokenizer pads on the left."""
    fixed: np.ndarray
    """bool (V + 1,): special tokens and padding, which ops leave where they are."""
    left: np.ndarray
    """int8 (V + 1,): kind of the first character, `APART_BEFORE` if a word begins there."""
    right: np.ndarray
    """int8 (V + 1,): kind of the last character, `APART_AFTER` if a word ends there."""
    spaced: np.ndarray
    """int64 (V + 1,): code of the same token after a space; itself if there is none."""
    words: tuple[str, ...]
    """The V + 1 words that single tokens are; empty for tokens that are no word by themselves."""

    def __len__(self) -> int:
        """Number of ids V."""
        return len(self.words) - 1

    @property
    def lowercase(self) -> bool:
        """Whether all words are in lower case."""
        return all(word == word.lower() for word in self.words)

    def codes(
        self, ids: Tensor, attention: Tensor | None = None, types: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The codes of tokens, moved to the left.

        Args:
            ids: int64 (B, L), padded on either side.
            attention: (B, L), 1 at tokens and 0 at padding. Without it, ids of padding at the end
                of a row are padding; where both ends have some, that on the tokenizer's side.
            types: int64 (B, L), the token types; None stands for 0.

        Returns:
            int64 codes (B, L), and the number of positions by which each row has moved, (B,).
        """
        tokens = self._tokens(ids) if attention is None else attention.bool()
        start = tokens.int().argmax(1)
        codes = ids + 1 if types is None else ids + 1 + types * len(self)
        return shifted(codes.where(tokens, PAD), start, PAD), start

    def ids(self, codes: Tensor, left: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The tokens of codes.

        Args:
            codes: int64 (B, L).
            left: bool (B,) or (), whether to pad the row on the left.

        Returns:
            int64 ids, attention mask and token types, (B, L) each, and how far each row has moved
            to the right, (B,).
        """
        lengths = (codes != PAD).sum(1)
        start = (codes.shape[1] - lengths) * left
        codes = shifted(codes, -start, PAD)
        tokens = codes != PAD
        ids = ((codes - 1) % len(self)).where(tokens, self.pad_id)
        types = torch.div(codes - 1, len(self), rounding_mode="floor").clamp(min=0)
        return ids, tokens.long(), types, start

    def pieces(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """The codes of each text as one word in a sentence; empty for what is not one word."""
        inside, alone = (
            _encoded(self.tokenizer, [before + text for text in texts]) for before in (" ", "")
        )
        return [next(filter(self._is_word, pair), ()) for pair in zip(inside, alone, strict=True)]

    def _is_word(self, codes: tuple[int, ...]) -> bool:
        """Whether the codes are one word that stands apart from the word before it."""
        joined = (self.left[b] == self.right[a] for a, b in pairwise(codes))
        apart = bool(codes) and self.spaced[codes[0]] == codes[0] and not self.fixed[[*codes]].any()
        return apart and all(joined)

    def _tokens(self, ids: Tensor) -> Tensor:
        """Where ids (B, L) are tokens, if there is no attention mask."""
        seen = (ids != self.pad_id).long()
        after, before = seen.cumsum(1) > 0, seen.flip(1).cumsum(1).flip(1) > 0
        both = ~(after.all(1) | before.all(1))[:, None]
        return (after & before) | (both & (after if self.left_padded else before))


def from_tokenizer(tokenizer: Any) -> TokenizerVocabulary:
    """Reads a tokenizer of `transformers` or a `tokenizers.Tokenizer`.

    Raises:
        AdaptAugError: it has no padding token.
    """
    vocabulary: Mapping[str, int] = tokenizer.get_vocab()
    padding = (tokenizer.padding if isinstance(tokenizer, Tokenizer) else None) or {}
    pad = padding.get("pad_id", _role(tokenizer, vocabulary, "pad"))
    if pad is None:
        raise AdaptAugError(
            "a tokenizer must have a padding token, got none in "
            f"{type(tokenizer).__name__}: set one, such as tokenizer.pad_token = "
            "tokenizer.eos_token"
        )
    mask, unknown = (_role(tokenizer, vocabulary, role) for role in ("mask", "unk"))
    special = {*_special(tokenizer), pad, *(() if mask is None else (mask,))}
    tokens = [""] * (max(vocabulary.values()) + 1)
    for token, number in vocabulary.items():
        tokens[number] = token
    if unknown is not None and "unk" in tokens[unknown].lower():
        special.discard(unknown)  # it stands for a word; in a GPT-2 it is the end of the text
    else:
        unknown = None
    side = padding.get("direction", getattr(tokenizer, "padding_side", "right"))
    return TokenizerVocabulary(
        tokenizer, pad, unknown if mask is None else mask, side == "left",
        *_read(tokens, vocabulary, special, unknown),
    )  # fmt: skip


def is_tokenizer(value: object) -> bool:
    """Whether it is a tokenizer that `from_tokenizer` reads."""
    return isinstance(value, Tokenizer) or (callable(value) and hasattr(value, "get_vocab"))


def shifted(values: Tensor, start: Tensor, fill: int) -> Tensor:
    """Rows (B, L, ...) moved to the left by `start` (B,) positions, negative ones to the right."""
    width = values.shape[1]
    place = torch.arange(width, device=values.device) + start[:, None]
    inside = (place >= 0) & (place < width)
    spread = (..., *[None] * (values.ndim - 2))
    index = place.clamp(0, width - 1)[spread].expand_as(values)
    return values.gather(1, index).where(inside[spread], fill)


def _read(
    tokens: Sequence[str], vocabulary: Mapping[str, int], special: set[int], unknown: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]:
    """The fields of a `TokenizerVocabulary` from `fixed` on."""
    mark = _mark([token for row, token in enumerate(tokens) if row not in special])
    fixed = np.array([True, *(row in special for row in range(len(tokens)))])
    left, right = (np.full(len(fixed), apart, np.int8) for apart in (APART_BEFORE, APART_AFTER))
    spaced, words, decoder = np.arange(len(fixed)), [""] * len(fixed), ByteLevel()
    for row, token in enumerate(tokens):
        if row in special or not token:
            continue
        marked, text = mark.on(token), "" if row == unknown else mark.off(token)
        if mark.text == "Ġ":
            text = decoder.decode([text])
        left[row + 1], right[row + 1] = _ends(text, mark, marked)
        if marked != mark.joins:
            words[row + 1] = text
        elif mark.is_space and left[row + 1] == _WORD:
            spaced[row + 1] = vocabulary.get(mark.text + token, row) + 1
    return fixed, left, right, spaced, tuple(words)


def _ends(text: str, mark: _Mark, marked: bool) -> tuple[int, int]:
    """`left` and `right` of a token of this text."""
    joined = marked == mark.joins
    if not mark.is_space:
        return (
            APART_BEFORE if mark.at_start and not joined else _WORD,
            APART_AFTER if not mark.at_start and not joined else _WORD,
        )
    first, last = text[:1], text[-1:]
    return (
        APART_BEFORE if marked or _NO_SPACES.match(first) else _kind(first),
        APART_AFTER if _NO_SPACES.match(last) else _kind(last),
    )


def _kind(character: str) -> int:
    """Kind of a character; an incomplete one, or none, counts as a letter."""
    return _WORD if not character or character == "\ufffd" or character.isalnum() else _OTHER


def _mark(tokens: Sequence[str]) -> _Mark:
    """The mark that most tokens have."""
    counts = {mark: sum(map(mark.on, tokens)) for mark in _MARKS}
    most = max(_MARKS, key=counts.__getitem__)
    found = counts[most] > _FEWEST * len(tokens) or (most.is_space and most.text in tokens)
    return most if found else _MARKS[0]


def _role(tokenizer: Any, vocabulary: Mapping[str, int], role: str) -> int | None:
    """The id of the tokenizer's token for a role, such as "pad"; None if there is none."""
    given: int | None = getattr(tokenizer, f"{role}_token_id", None)
    named: str | None = getattr(getattr(tokenizer, "model", None), f"{role}_token", None)
    found = (vocabulary[name] for name in (named or "", *_NAMES[role]) if name in vocabulary)
    return next(found, None) if given is None else given


def _special(tokenizer: Any) -> Iterator[int]:
    """The ids of special tokens: those called so, and those that are added to every sentence."""
    if isinstance(tokenizer, Tokenizer):
        added = tokenizer.get_added_tokens_decoder()
        empty = tokenizer.encode("", "")
        ids, mask = empty.ids, empty.special_tokens_mask
    else:
        yield from tokenizer.all_special_ids
        added = tokenizer.added_tokens_decoder
        encoding = tokenizer("", "", return_special_tokens_mask=True)
        ids, mask = encoding["input_ids"], encoding["special_tokens_mask"]
    yield from (number for number, token in added.items() if token.special)
    yield from (number for number, special in zip(ids, mask, strict=True) if special)


def _encoded(tokenizer: Any, texts: list[str]) -> list[tuple[int, ...]]:
    """The codes of texts, without special tokens."""
    if not texts:  # which some tokenizers do not take
        return []
    if isinstance(tokenizer, Tokenizer):
        found = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        rows = [list(compress(e.ids, e.attention_mask)) for e in found]
    else:
        rows = tokenizer(texts, add_special_tokens=False, padding=False)["input_ids"]
    return [tuple(number + 1 for number in row) for row in rows]
