"""Vocabularies: split, count and encode the words of sentences with the `tokenizers` library.

Sentences are split as in the Penn Treebank, SST-2 and the vocabularies of published word vectors:
"don't" becomes "do" and "n't", "it's" becomes "it" and "'s", a run of punctuation is one token. An
HTML line break, as in IMDB's reviews, counts as a space. Sentences given as lists of tokens keep
one id per token.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
import torch
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Sequence as InTurn
from tokenizers.pre_tokenizers import Split
from tokenizers.trainers import WordLevelTrainer
from torch import Tensor

from adaptaug.errors import AdaptAugError

PAD = 0
"""Id of padding, which fills rows of ids on the right up to the length of the longest."""
UNKNOWN = 1
"""Id of every word that is not in the vocabulary."""
MASK = 2
"""Id that replaces a masked word; no sentence holds it before masking."""
SPECIALS = ("[PAD]", "[UNK]", "[MASK]")
"""The words of the ids above."""
IGNORED = -100
"""Target at padding in tagging, which torch's losses ignore (`ignore_index`)."""
MAX_WORDS = 10_000
"""Maximum number of words in a vocabulary, special words not counted; rarer words are dropped."""
MAX_TOKENS = 256
"""Maximum number of tokens kept per sentence when it is loaded; the tail is cut."""

_BREAK = r"(?i)<br\s*/?>"
_WORD = r"\w+(?=n't\b)|n't\b|'(?:s|d|m|ll|re|ve)\b|\w+|[^\w\s]+"


@dataclass(frozen=True)
class Vocabulary:
    """The words that a child knows; build one with `build_vocabulary`."""

    words: tuple[str, ...]
    """V words, the special ones first; the position is the id."""
    lowercase: bool = True
    """Whether words are put into lower case before they are looked up."""

    def __post_init__(self) -> None:
        """Checks that the special words come first, since ops rely on their ids.

        Raises:
            AdaptAugError: other words come first, or a word occurs twice.
        """
        if tuple(self.words[: len(SPECIALS)]) != SPECIALS:
            raise AdaptAugError(
                f"a vocabulary must begin with {', '.join(SPECIALS)}, "
                f"got {', '.join(map(repr, self.words[: len(SPECIALS)]))}; "
                "in place of one, an Augmenter takes a Hugging Face tokenizer itself"
            )
        if len(set(self.words)) < len(self.words):
            twice = next(word for row, word in enumerate(self.words) if word in self.words[:row])
            raise AdaptAugError(f"a vocabulary must hold each word once, got {twice!r} twice")

    def __len__(self) -> int:
        """Number of ids V."""
        return len(self.words)

    def __reduce__(self) -> tuple[type["Vocabulary"], tuple[tuple[str, ...], bool]]:
        """Pickles the words alone, without what is derived from them, for worker processes."""
        return Vocabulary, (self.words, self.lowercase)

    def id(self, word: str) -> int:
        """The id of a word; `UNKNOWN` if it has none."""
        return self._ids.get(word.lower() if self.lowercase else word, UNKNOWN)

    def encode(
        self,
        sentences: Sequence[str] | Sequence[Sequence[str]],
        max_tokens: int = MAX_TOKENS,
        place: str = "the sentences",
    ) -> Tensor:
        """The ids of sentences.

        Args:
            sentences: N sentences as strings, or as lists of tokens, which keep one id each.
            max_tokens: tokens kept of each, at least 1.
            place: where they are, for error messages: "split 'train' of data set 'x'".

        Returns:
            int64 (N, L) in 0..V-1, padded on the right with `PAD` to the longest sentence kept.

        Raises:
            AdaptAugError: a sentence without a token.
        """
        ids = list(self._rows(sentences, max_tokens))
        empty = next((row for row, kept in enumerate(ids) if not kept), None)
        if empty is not None:
            raise AdaptAugError(
                f"a sentence needs at least one token, got none in row {empty} of {place}"
            )
        return padded(ids, PAD)

    def _rows(
        self, sentences: Sequence[str] | Sequence[Sequence[str]], max_tokens: int
    ) -> Iterator[list[int]]:
        """The ids of each sentence, cut to `max_tokens`."""
        if len(sentences) and isinstance(sentences[0], str):
            for encoding in self._tokenizer.encode_batch_fast(sentences):
                yield encoding.ids[:max_tokens]
        else:
            for tokens in sentences:
                yield [self.id(token) for token in tokens[:max_tokens]]

    @cached_property
    def _ids(self) -> dict[str, int]:
        """The ids of the words that a sentence may hold: all but `PAD` and `MASK`."""
        return {word: row for row, word in enumerate(self.words) if row not in (PAD, MASK)}

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return _tokenizer(self._ids, self.lowercase)


def build_vocabulary(
    sentences: Iterable[str] | Iterable[Sequence[str]],
    lowercase: bool = True,
    max_words: int = MAX_WORDS,
) -> Vocabulary:
    """The most frequent words of the training sentences; ties are broken alphabetically.

    Args:
        sentences: strings, or lists of tokens.
        lowercase: whether "Good" and "good" are one word.
        max_words: number of words to keep, special words not counted.
    """
    rows = list(sentences)
    tokenizer = _tokenizer({}, lowercase)
    if rows and not isinstance(rows[0], str):
        tokenizer.pre_tokenizer = None  # each token is one word, even with spaces or punctuation
        rows = list(chain.from_iterable(rows))
    trainer = WordLevelTrainer(vocab_size=max_words, show_progress=False)
    tokenizer.train_from_iterator(rows, trainer)
    ids = tokenizer.get_vocab()
    words = sorted(ids.keys() - set(SPECIALS), key=ids.__getitem__)
    return Vocabulary((*SPECIALS, *words), lowercase)


def padded(rows: Sequence[Sequence[int]], fill: int) -> Tensor:
    """Rows of integers as one tensor, int64 (N, L), padded on the right with `fill`."""
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    table = np.full((len(rows), lengths.max(initial=0)), fill, np.int64)
    flat = np.fromiter(chain.from_iterable(rows), np.int64, int(lengths.sum()))
    table[np.arange(table.shape[1]) < lengths[:, None]] = flat
    return torch.from_numpy(table)


def _tokenizer(ids: dict[str, int], lowercase: bool) -> Tokenizer:
    """A tokenizer that splits sentences into words and looks up their ids."""
    tokenizer = Tokenizer(WordLevel(ids, unk_token=SPECIALS[UNKNOWN]))
    if lowercase:
        tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = InTurn(
        [Split(Regex(_BREAK), "removed"), Split(Regex(_WORD), "removed", invert=True)]
    )
    return tokenizer
