"""Made-up words with meanings, of which the families of made-up sentences are written.

A meaning is a whole number. A family's rule reads the label of a sentence off the meanings of its
words alone, so that words of one meaning are interchangeable. Words have six letters, a consonant
and a vowel in turn. A typo doubles one of them, which tells it from every other word.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain, islice, pairwise

import numpy as np

from adaptaug.data.toy.grammar import synonyms_of

FILLER = -1
"""The meaning of words that have no bearing on any label."""
Chunks = list[tuple[int, ...]]
"""Meanings in the order in which they occur; fillers go between chunks, not into them."""

_SYLLABLES = [f"{consonant}{vowel}" for consonant in "bdgklmnprstvz" for vowel in "aeiou"]
_LETTERS = 6
_DOUBLED = re.compile(r"(.)\1")
_SMALLEST_GROUP = 2
_LARGEST_GROUP = 4


class Words:
    """The words of one task, by meaning."""

    def __init__(
        self,
        sizes: Sequence[int],
        fillers: int,
        exponent: float,
        draws: np.random.Generator,
        names: int = 0,
    ) -> None:
        """Coins the words.

        Args:
            sizes: number of words of each meaning 0, 1, 2 and so on.
            fillers: number of words of the meaning `FILLER`.
            exponent: the word of rank r in its meaning, from 1 up, occurs in proportion to
                r ** -exponent; 0 makes all equally frequent, 1 is Zipf's law.
            draws: draws the words.
            names: words of the first `names` meanings begin with a capital.
        """
        counts = [fillers, *sizes]
        coined = _coined(sum(counts), draws)
        bounds = pairwise(accumulate(counts, initial=0))
        self.by_meaning = {
            meaning: [
                word.capitalize() if 0 <= meaning < names else word for word in coined[start:stop]
            ]
            for meaning, (start, stop) in enumerate(bounds, start=FILLER)
        }
        self._exponent = exponent
        self._meanings = {
            word: meaning for meaning, words in self.by_meaning.items() for word in words
        }

    def write(
        self, rows: Iterable[Sequence[int]], typos: float, draws: np.random.Generator
    ) -> list[list[str]]:
        """Draws a word for each meaning of each row; a share `typos` of them is misspelled."""
        rows = list(rows)
        meanings = np.fromiter(chain.from_iterable(rows), np.int64)
        written = np.empty(len(meanings), object)
        for meaning, words in self.by_meaning.items():
            at = np.flatnonzero(meanings == meaning)
            weights = np.arange(1.0, len(words) + 1) ** -self._exponent
            written[at] = draws.choice(np.array(words, object), len(at), p=weights / weights.sum())
        for place in np.flatnonzero(draws.random(len(written)) < typos).tolist():
            letter, word = int(draws.integers(1, _LETTERS)), written[place]
            written[place] = word[:letter] + word[letter - 1 :]
        ends = accumulate(map(len, rows), initial=0)
        return [written[start:stop].tolist() for start, stop in pairwise(ends)]

    def read(self, sentence: Sequence[str]) -> list[int]:
        """The meaning of each word, misspelled or not; `FILLER` for words of another origin."""
        return [self._meanings.get(_DOUBLED.sub(r"\1", word), FILLER) for word in sentence]

    def lexicon(
        self, kind: str, lexical: Sequence[int], coverage: float, draws: np.random.Generator
    ) -> dict[str, tuple[str, ...]]:
        """Groups the words into synonyms.

        Args:
            kind: "fillers" (no other words have synonyms), "within" (words of one meaning are
                synonyms) or "across" (synonyms of a word have the meanings next to its own).
            lexical: the meanings, in order, whose words may have synonyms.
            coverage: share of the groups of fillers that are kept.
            draws: draws the groups.
        """
        of_fillers = _groups(self.by_meaning[FILLER], draws)
        kept = draws.random(len(of_fillers)) < coverage
        kept[0] = True  # a lexicon must not be empty
        groups: list[Sequence[str]] = [
            group for group, keep in zip(of_fillers, kept, strict=True) if keep
        ]
        if kind == "within":
            for meaning in lexical:
                groups += _groups(self.by_meaning[meaning], draws)
        elif kind == "across":
            for one, other in pairwise(lexical):
                groups += zip(self.by_meaning[one], self.by_meaning[other], strict=True)
        return synonyms_of(" ".join(group) for group in groups)


def interleave(chunks: Chunks, fillers: int, draws: np.random.Generator) -> list[int]:
    """The chunks, each kept whole and in the order given, with fillers at random between them."""
    order = draws.permutation(np.arange(len(chunks) + fillers) < len(chunks))
    following = iter(chunks)
    return [meaning for is_chunk in order for meaning in (next(following) if is_chunk else _FILL)]


_FILL = (FILLER,)


def unseen(sentences: Sequence[list[str]], pool: int, count: int) -> list[int]:
    """Positions of the first `count` sentences after the pool that do not occur in the pool."""
    known = set(map(tuple, sentences[:pool]))
    new = (at for at in range(pool, len(sentences)) if tuple(sentences[at]) not in known)
    return list(islice(new, count))


def _coined(count: int, draws: np.random.Generator) -> list[str]:
    """Different words of three syllables each."""
    base = len(_SYLLABLES)
    numbers = draws.choice(base**3, count, replace=False)
    return [
        "".join(_SYLLABLES[number // base**place % base] for place in range(3))
        for number in numbers.tolist()
    ]


def _groups(words: Sequence[str], draws: np.random.Generator) -> list[list[str]]:
    """The words in random groups of 2 to 4; one group of all if there are fewer than 4."""
    left: list[str] = draws.permutation(np.array(words, object)).tolist()
    groups: list[list[str]] = []
    while len(left) > _SMALLEST_GROUP + 1:
        size = int(draws.integers(_SMALLEST_GROUP, _LARGEST_GROUP + 1))
        size = min(size, len(left) - _SMALLEST_GROUP)
        groups.append(left[:size])
        left = left[size:]
    return [*groups, left]
