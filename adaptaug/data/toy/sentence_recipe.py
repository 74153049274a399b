"""What a seed draws for a made-up task on sentences, one row of a table for each property."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Draw = Callable[[np.random.Generator], Any]


@dataclass(frozen=True)
class SentenceRecipe:
    """The properties of one made-up task on sentences, with one label each or with tags."""

    family: str
    """Which rule makes the labels."""
    classes: int
    """Number of classes K; in tagging, of types of entities."""
    words: int
    """Words of each meaning that bears on the label: the more, the rarer each of them."""
    fillers: int
    """Words that do not bear on any label."""
    fewest: int
    """Least number of fillers in a sentence."""
    spread: int
    """Largest number of fillers in a sentence, less the least."""
    exponent: float
    """How unequal the frequencies of words are: 0 not at all, 1 as in Zipf's law."""
    synonyms: str
    """Which words the lexicon groups: "fillers", "within" meanings or "across"; see `Words`."""
    coverage: float
    """Share of the fillers' groups that the lexicon has."""
    typos: float
    """Share of misspelled words."""
    wrong: float
    """Share of wrong labels in the pool; in tagging, of mentions with a wrong type or none."""
    silent: float
    """Text: share of the pool's sentences that hold nothing but fillers, with a random label.
    Tagging: share of all sentences that hold no mention."""
    cues: int
    """Words that speak for the class, in the families "topic"."""
    modes: int = 1
    """Text: topics of each class, in the families "topic" and "keyword"."""
    skew: float = 0.0
    """Text: class k occurs in proportion to exp(-skew * k / (K - 1))."""
    names: int = 0
    """Tagging: words of each kind of name."""
    mentions: int = 1
    """Tagging: largest number of mentions in a sentence."""
    longest: int = 1
    """Tagging: largest number of words in a mention."""


def draw_recipe(table: Mapping[str, Draw], seed: int) -> SentenceRecipe:
    """Draws every property in the order of the table."""
    draws = generator(seed, "recipe")
    return SentenceRecipe(**{name: draw(draws) for name, draw in table.items()})


def generator(seed: int, stream: str) -> np.random.Generator:
    """The generator of one stream of a task's draws: "recipe", "words", "lexicon" or "rows"."""
    return np.random.default_rng((seed, _STREAMS.index(stream)))


_STREAMS = ("recipe", "words", "lexicon", "rows")


def some_fillers(recipe: SentenceRecipe, draws: np.random.Generator) -> int:
    """The number of fillers in a sentence; as in real text, long sentences are rare."""
    return recipe.fewest + int((recipe.spread + 1) * draws.random() ** _RARELY_LONG)


_RARELY_LONG = 3


def whole(low: int, high: int) -> Draw:
    """Whole numbers, both ends included."""
    return lambda draws: int(draws.integers(low, high + 1))


def logarithmic(low: int, high: int) -> Draw:
    """Whole numbers whose logarithm is uniform, both ends included."""
    return lambda draws: round(math.exp(draws.uniform(math.log(low), math.log(high))))


def real(low: float, high: float) -> Draw:
    """Real numbers."""
    return lambda draws: float(draws.uniform(low, high))


def sometimes(chance: float, draw: Draw) -> Draw:
    """With this probability what `draw` draws, else 0."""
    return lambda draws: draw(draws) if draws.random() < chance else 0.0


def one_of(weights: Mapping[str, float]) -> Draw:
    """A name, in proportion to its weight."""
    names, total = list(weights), sum(weights.values())
    shares = [weight / total for weight in weights.values()]
    return lambda draws: names[int(draws.choice(len(names), p=shares))]
