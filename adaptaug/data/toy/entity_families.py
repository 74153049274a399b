"""Families of tagged made-up sentences: how mentions of entities are put into words, and read.

A sentence is a list of meanings (see `adaptaug.data.toy.words`). A family's `plant` draws the
meanings of a sentence, its `rule` reads the type and the extent of every mention in any sentence,
an augmented one included. Names come first among the meanings. T is the number of types.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from adaptaug.data.toy.sentence_recipe import SentenceRecipe
from adaptaug.data.toy.words import FILLER, Chunks

Mention = tuple[int, int, int]
"""First position, position after the last, type in 0..T-1."""


@dataclass(frozen=True)
class Family:
    """One way in which words make mentions."""

    names: Callable[[int], int]
    """Number of meanings of names, given T."""
    others: Callable[[int], int]
    """Number of further meanings, besides fillers."""
    plant: Callable[[Sequence[int], SentenceRecipe, np.random.Generator], Chunks]
    """Draws the meanings of a sentence with mentions of these types."""
    rule: Callable[[Sequence[int], SentenceRecipe], list[Mention]]
    """Reads the mentions of a sentence."""
    keeps: Mapping[str, bool]
    """Whether an op keeps the tags true, by its name, without `synonym_outside`; ops of which it is
    a matter of degree are absent."""


def _extent(recipe: SentenceRecipe, draws: np.random.Generator) -> int:
    """Number of words of a mention."""
    return 1 + int(draws.integers(recipe.longest))


def _runs(said: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First position and position after the last of every run of one meaning."""
    start = 0
    for at in range(1, len(said) + 1):
        if at == len(said) or said[at] != said[start]:
            yield start, at
            start = at


def _named(types: Sequence[int], recipe: SentenceRecipe, draws: np.random.Generator) -> Chunks:
    """Names of the type."""
    return [(*(kind,) * _extent(recipe, draws), FILLER) for kind in types]


def _gazetteer(said: Sequence[int], recipe: SentenceRecipe) -> list[Mention]:
    """A run of names of one type."""
    return [
        (start, stop, said[start]) for start, stop in _runs(said) if _is_name(said[start], recipe)
    ]


def _is_name(meaning: int, recipe: SentenceRecipe) -> bool:
    return 0 <= meaning < recipe.classes


def _in_parts(types: Sequence[int], recipe: SentenceRecipe, draws: np.random.Generator) -> Chunks:
    """A first word (meanings 0..T-1) and last words (T..2T-1) of the type."""
    return [(kind, *(recipe.classes + kind,) * _extent(recipe, draws), FILLER) for kind in types]


def _parts(said: Sequence[int], recipe: SentenceRecipe) -> list[Mention]:
    """A first word, and the last words of its type right after it."""
    mentions: list[Mention] = []
    for at, kind in enumerate(said):
        if _is_name(kind, recipe):
            mentions.append((at, at + 1, kind))
        elif mentions and mentions[-1][1:] == (at, kind - recipe.classes):
            mentions[-1] = (mentions[-1][0], at + 1, kind - recipe.classes)
    return mentions


def _announced(types: Sequence[int], recipe: SentenceRecipe, draws: np.random.Generator) -> Chunks:
    """A word that announces the type (meanings 1..T), then names (0)."""
    return [(1 + kind, *(0,) * _extent(recipe, draws), FILLER) for kind in types]


def _context(said: Sequence[int], _recipe: SentenceRecipe) -> list[Mention]:
    """A run of names; the word before it gives the type, and without one it is no mention."""
    return [
        (start, stop, said[start - 1] - 1)
        for start, stop in _runs(said)
        if said[start] == 0 and start > 0 and said[start - 1] > 0
    ]


def _unmarked(types: Sequence[int], recipe: SentenceRecipe, draws: np.random.Generator) -> Chunks:
    """Names (meaning 0), whatever the type."""
    return [(*(0,) * _extent(recipe, draws), FILLER) for _ in types]


def _order(said: Sequence[int], recipe: SentenceRecipe) -> list[Mention]:
    """The j-th run of names is of type j mod T."""
    runs = [run for run in _runs(said) if said[run[0]] == 0]
    return [(start, stop, at % recipe.classes) for at, (start, stop) in enumerate(runs)]


def _on_topic(types: Sequence[int], recipe: SentenceRecipe, draws: np.random.Generator) -> Chunks:
    """Names (meaning 0), and many words (1..T) that speak for the first of the types."""
    chunks: Chunks = [(1 + kind,) for kind in types[:1] for _ in range(recipe.cues)]
    chunks += _unmarked(types, recipe, draws)
    return [chunks[at] for at in draws.permutation(len(chunks))]


def _topic(said: Sequence[int], _recipe: SentenceRecipe) -> list[Mention]:
    """Runs of names; all are of the type for which most words speak."""
    words = Counter(meaning - 1 for meaning in said if meaning > 0).most_common(1)
    runs = [run for run in _runs(said) if said[run[0]] == 0]
    return [(start, stop, words[0][0]) for start, stop in runs if words]


_PLACES = (2, 0, 1, 3, 4)
"""Place in the frame of the words with meanings 0..T-1, T..2T-1 and so on."""


def _framed(types: Sequence[int], recipe: SentenceRecipe, _draws: np.random.Generator) -> Chunks:
    """Five words, each of which tells type and place of the mention, the middle one."""
    by_place = np.argsort(_PLACES).tolist()
    return [tuple(role * recipe.classes + kind for role in by_place) for kind in types]


def _frame(said: Sequence[int], recipe: SentenceRecipe) -> list[Mention]:
    """One word, in the middle of a frame of which any word tells it, and most words the type."""
    votes: dict[int, Counter[int]] = {}
    for at, meaning in enumerate(said):
        if meaning != FILLER:
            role, kind = divmod(meaning, recipe.classes)
            votes.setdefault(at + 2 - _PLACES[role], Counter())[kind] += 1
    return [
        (at, at + 1, count.most_common(1)[0][0])
        for at, count in sorted(votes.items())
        if 0 <= at < len(said)
    ]


def _one(_types: int) -> int:
    return 1


def _none(_types: int) -> int:
    return 0


def _each(types: int) -> int:
    return types


_MENTION = {"mention": True, "masking": False}
_INSIDE = {"labelwise": True, "segments": True}

FAMILIES: dict[str, Family] = {
    "gazetteer": Family(_each, _none, _named, _gazetteer, _MENTION | _INSIDE),
    "parts": Family(
        lambda types: 2 * types, _none, _in_parts, _parts,
        _MENTION | {"labelwise": True, "segments": False},
    ),
    "context": Family(
        _one, _each, _announced, _context, _MENTION | {"labelwise": False, "segments": False}
    ),
    "order": Family(_one, _none, _unmarked, _order, _MENTION | _INSIDE),
    "topic": Family(_one, _each, _on_topic, _topic, _MENTION | {"segments": True}),
    "frame": Family(
        _each, lambda types: 4 * types, _framed, _frame,
        {"mention": True, "masking": True, "labelwise": False, "segments": False},
    ),
}  # fmt: skip
"""How words make mentions, by name: one line each."""
