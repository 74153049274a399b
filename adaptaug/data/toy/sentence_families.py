"""Families of labelled made-up sentences: how a class is put into words, and how it is read.

A sentence is a list of meanings (see `adaptaug.data.toy.words`). A family's `plant` draws the
meanings that make a sentence of a class. Its `rule` reads the class off any sentence, an augmented
one included, or finds none. Meanings are numbered as each family says; those not mentioned are
fillers. K is the number of classes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np

from adaptaug.data.toy.sentence_recipe import SentenceRecipe, some_fillers
from adaptaug.data.toy.words import FILLER, Chunks


def _any_number(_label: int, recipe: SentenceRecipe, draws: np.random.Generator) -> int:
    return some_fillers(recipe, draws)


@dataclass(frozen=True)
class Family:
    """One way in which words make a label."""

    meanings: Callable[[SentenceRecipe], int]
    """Number of meanings besides fillers."""
    plant: Callable[[int, SentenceRecipe, np.random.Generator], Chunks]
    """Draws the meanings of a sentence of a class."""
    rule: Callable[[Sequence[int], SentenceRecipe], int | None]
    """Reads the class of a sentence; None if its words do not say it."""
    keeps: Mapping[str, bool]
    """Whether an op keeps labels, by its name: the ops that need no lexicon. Empty if labels are
    random, else without those ops of which it is a matter of degree."""
    insertion: Mapping[str, bool] = field(default_factory=dict)
    """Whether insertion keeps labels, by the kind of lexicon; likewise."""
    fillers: Callable[[int, SentenceRecipe, np.random.Generator], int] = _any_number
    """Draws the number of fillers of a sentence of a class."""
    closed: int = 0
    """The last so many meanings have few words, none with a synonym: words such as "not"."""
    weight: float = 1.0
    """Relative frequency among tasks."""


def _one(label: int, recipe: SentenceRecipe, draws: np.random.Generator) -> Chunks:
    """One word of one of the class's topics, t with t mod K the class."""
    return [(int(draws.integers(recipe.modes)) * recipe.classes + label,)]


def _many(label: int, recipe: SentenceRecipe, draws: np.random.Generator) -> Chunks:
    """Many words of one of the class's topics, and at most an eighth as many of other classes."""
    strays = int(draws.integers(recipe.cues // 8 + 1))
    return _mixed(label, recipe.cues - strays, strays, recipe, draws)


def _few(label: int, recipe: SentenceRecipe, draws: np.random.Generator) -> Chunks:
    """Three to five words, of which a bare majority speaks for the class."""
    count = int(draws.integers(3, 6))
    return _mixed(label, count // 2 + 1, count - count // 2 - 1, recipe, draws)


def _mixed(
    label: int, own: int, strays: int, recipe: SentenceRecipe, draws: np.random.Generator
) -> Chunks:
    """Words of one topic of the class, and words of other classes, in random order."""
    cues = _one(label, recipe, draws) * own
    for _ in range(strays):
        other = (label + int(draws.integers(1, recipe.classes))) % recipe.classes
        cues += _one(other, recipe, draws)
    return [cues[at] for at in draws.permutation(len(cues))]


def _majority(said: Sequence[int], recipe: SentenceRecipe) -> int | None:
    """The class with the most words."""
    counts = [0] * recipe.classes
    for meaning in said:
        if meaning != FILLER:
            counts[meaning % recipe.classes] += 1
    best = max(counts)
    return counts.index(best) if counts.count(best) == 1 else None


def _orders(recipe: SentenceRecipe) -> list[tuple[int, ...]]:
    """The orders of two words, or of three if there are more than two classes, by class."""
    return list(permutations(range(_anchors(recipe))))


def _anchors(recipe: SentenceRecipe) -> int:
    return 2 if recipe.classes == 2 else 3


def _in_order(label: int, recipe: SentenceRecipe, _draws: np.random.Generator) -> Chunks:
    return [(meaning,) for meaning in _orders(recipe)[label]]


def _order(said: Sequence[int], recipe: SentenceRecipe) -> int | None:
    """The order in which the words occur for the first time."""
    first = tuple(dict.fromkeys(meaning for meaning in said if meaning != FILLER))
    known = _orders(recipe)[: recipe.classes]
    return known.index(first) if first in known else None


def _then_others(label: int, recipe: SentenceRecipe, draws: np.random.Generator) -> Chunks:
    """A word of the class, then one each of one to three other classes."""
    others = (label + draws.permutation(np.arange(1, recipe.classes))) % recipe.classes
    count = int(draws.integers(1, min(recipe.classes, 4)))
    return [(label,), *((other,) for other in others[:count].tolist())]


def _opening(said: Sequence[int], _recipe: SentenceRecipe) -> int | None:
    """The class of the first word that has one."""
    return next((meaning for meaning in said if meaning != FILLER), None)


def _maybe_negated(label: int, recipe: SentenceRecipe, draws: np.random.Generator) -> Chunks:
    """A word, in half of the sentences with "not" before it, else with "not" somewhere else."""
    negator = recipe.classes
    if draws.random() < 0.5:
        return [(negator, (label - 1) % recipe.classes)]
    chunks: Chunks = [(label,), (negator, FILLER)]
    return chunks if draws.random() < 0.5 else chunks[::-1]


def _negation(said: Sequence[int], recipe: SentenceRecipe) -> int | None:
    """The class of the only kind of word; "not" just before a word makes it the next class."""
    count = recipe.classes
    read = {
        (meaning + (at > 0 and said[at - 1] == count)) % count
        for at, meaning in enumerate(said)
        if 0 <= meaning < count
    }
    return read.pop() if len(read) == 1 else None


def _with_negators(label: int, recipe: SentenceRecipe, draws: np.random.Generator) -> Chunks:
    """A word, and "not" anywhere in half of the sentences."""
    word, negator = (label,), (recipe.classes,)
    if draws.random() < 0.5:
        return [word]
    word = ((label - 1) % recipe.classes,)
    return [word, negator] if draws.random() < 0.5 else [negator, word]


def _parity(said: Sequence[int], recipe: SentenceRecipe) -> int | None:
    """The class of the only kind of word, moved on by one for each "not", wherever it is."""
    read = {meaning for meaning in said if 0 <= meaning < recipe.classes}
    return (read.pop() + said.count(recipe.classes)) % recipe.classes if len(read) == 1 else None


def _marked(label: int, _recipe: SentenceRecipe, draws: np.random.Generator) -> Chunks:
    """One marker (meaning 0) more than the number of the class, and up to two decoys (1)."""
    said = draws.permutation([0] * (label + 1) + [1] * int(draws.integers(3)))
    return [(meaning,) for meaning in said.tolist()]


def _count(said: Sequence[int], recipe: SentenceRecipe) -> int | None:
    """The number of markers, less one; the last class is open."""
    return min(said.count(0), recipe.classes) - 1 if 0 in said else None


def _two(label: int, recipe: SentenceRecipe, draws: np.random.Generator) -> Chunks:
    """A word of the kinds 0..K-1 and one of the kinds K..2K-1; their sum gives the class."""
    first = int(draws.integers(recipe.classes))
    chunks: Chunks = [(first,), (recipe.classes + (label - first) % recipe.classes,)]
    return chunks if draws.random() < 0.5 else chunks[::-1]


def _pair(said: Sequence[int], recipe: SentenceRecipe) -> int | None:
    kinds = sorted({meaning for meaning in said if meaning != FILLER})
    one_of_each = len(kinds) == 2 and kinds[0] < recipe.classes <= kinds[1]
    return sum(kinds) % recipe.classes if one_of_each else None


def _nothing(_label: int, _recipe: SentenceRecipe, _draws: np.random.Generator) -> Chunks:
    return []


def _no_rule(_said: Sequence[int], _recipe: SentenceRecipe) -> int | None:
    return None


_SHORT = 6
"""Length of the shortest sentence of the first class, less the recipe's least number of fillers."""


def _step(recipe: SentenceRecipe) -> int:
    """Number of lengths that make one class."""
    return 2 + recipe.spread // 6


def _as_long(label: int, recipe: SentenceRecipe, draws: np.random.Generator) -> int:
    step = _step(recipe)
    return _SHORT + recipe.fewest + label * step + int(draws.integers(step))


def _length(said: Sequence[int], recipe: SentenceRecipe) -> int | None:
    """The class of lengths, all of which are equally wide."""
    label = (len(said) - _SHORT - recipe.fewest) // _step(recipe)
    return label if 0 <= label < recipe.classes else None


def _topics(recipe: SentenceRecipe) -> int:
    return recipe.modes * recipe.classes


def _classes(recipe: SentenceRecipe) -> int:
    return recipe.classes


def _and_negator(recipe: SentenceRecipe) -> int:
    return recipe.classes + 1


_ALL_KEEP = {"swap": True, "deletion": True, "masking": True}
_ALL_BREAK = dict.fromkeys(_ALL_KEEP, False)
_ONLY_SWAP = _ALL_BREAK | {"swap": True}
_PADS = {"fillers": True}
_ECHOES = {"fillers": True, "within": True}

FAMILIES: dict[str, Family] = {
    "topic": Family(_topics, _many, _majority, _ALL_KEEP, _ECHOES, weight=3.0),
    "vote": Family(_topics, _few, _majority, {"swap": True}, _PADS, weight=2.0),
    "keyword": Family(_topics, _one, _majority, _ONLY_SWAP, _ECHOES),
    "order": Family(_anchors, _in_order, _order, _ALL_BREAK, _PADS),
    "opening": Family(_classes, _then_others, _opening, _ALL_BREAK, _PADS),
    "negation": Family(_and_negator, _maybe_negated, _negation, _ALL_BREAK, closed=1),
    "parity": Family(_and_negator, _with_negators, _parity, _ONLY_SWAP, _ECHOES, closed=1),
    "count": Family(lambda _: 2, _marked, _count, _ONLY_SWAP, _PADS),
    "pair": Family(lambda recipe: 2 * recipe.classes, _two, _pair, _ONLY_SWAP, _ECHOES, weight=0.5),
    "length": Family(
        lambda _: 0, _nothing, _length, {"swap": True, "deletion": False, "masking": True},
        {"fillers": False}, _as_long,
    ),
    "noise": Family(lambda _: 0, _nothing, _no_rule, {}, weight=0.4),
}  # fmt: skip
"""How words make a label, by name: one line each."""
