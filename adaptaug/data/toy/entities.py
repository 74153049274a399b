"""Made-up tasks on tagged sentences, one for each seed: "entities?seed=17".

A seed draws the family, hence the rule that makes the tags, and all that makes a task easy or hard:
see `DRAWS`. In about half of the tasks, tags of the pool are wrong or missing, or a child of the
usual budgets sees most words that matter too rarely to learn them. Tags of the test split are
right, and none of its sentences is in the pool.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from adaptaug.data.examples import Source
from adaptaug.data.tags import tag_names
from adaptaug.data.text import from_tagged
from adaptaug.data.toy.entity_families import FAMILIES, Family, Mention
from adaptaug.data.toy.sentence_recipe import (
    Draw,
    SentenceRecipe,
    draw_recipe,
    generator,
    logarithmic,
    one_of,
    real,
    some_fillers,
    sometimes,
    whole,
)
from adaptaug.data.toy.words import Words, interleave, unseen

POOL_ROWS = 3000
TEST_ROWS = 1000
TYPES = ("PER", "LOC", "ORG", "EVENT")

DRAWS: dict[str, Draw] = {
    "family": one_of(dict.fromkeys(FAMILIES, 1.0)),
    "classes": whole(2, len(TYPES)),
    "words": logarithmic(2, 40),
    "fillers": logarithmic(40, 1000),
    "fewest": whole(3, 8),
    "spread": whole(6, 24),
    "exponent": real(0.0, 1.2),
    "synonyms": one_of({"within": 0.5, "across": 0.3, "fillers": 0.2}),
    "coverage": real(0.3, 1.0),
    "typos": sometimes(0.5, real(0.01, 0.12)),
    "wrong": sometimes(0.4, real(0.05, 0.35)),
    "silent": sometimes(0.5, real(0.05, 0.5)),
    "cues": whole(6, 10),
    "names": logarithmic(5, 500),
    "mentions": whole(2, 4),
    "longest": whole(1, 3),
}
"""What a seed draws, in this order."""


@dataclass(frozen=True)
class EntityTask:
    """One made-up task; `seed` fixes its words and rows."""

    seed: int
    """The seed."""
    recipe: SentenceRecipe
    """What the task is like; `of_seed` draws it."""

    @classmethod
    def of_seed(cls, seed: int) -> "EntityTask":
        """The task of a seed."""
        return cls(seed, draw_recipe(DRAWS, seed))

    @property
    def family(self) -> Family:
        """How words make mentions."""
        return FAMILIES[self.recipe.family]

    @cached_property
    def words(self) -> Words:
        """The words by meaning."""
        recipe, names, others = self.recipe, *self._meanings()
        sizes = [recipe.names] * names + [recipe.words] * others
        draws = generator(self.seed, "words")
        return Words(sizes, recipe.fillers, recipe.exponent, draws, names)

    def tags(self, sentence: Sequence[str]) -> list[str]:
        """The tags in BIO form that the words of a sentence say."""
        return _tagged(self.family.rule(self.words.read(sentence), self.recipe), len(sentence))

    def lexicon(self) -> dict[str, tuple[str, ...]]:
        """The task's synonyms; names have none."""
        names, others = self._meanings()
        draws = generator(self.seed, "lexicon")
        lexical = range(names, names + others)
        return self.words.lexicon(self.recipe.synonyms, lexical, self.recipe.coverage, draws)

    def truth(self) -> dict[str, bool]:
        """Whether each op keeps the tags true; see `truth`."""
        breaks = self.recipe.synonyms == "across" and self._meanings()[1] > 0
        return {**self.family.keeps, "synonym_outside": not breaks}

    def source(self, pool: int = POOL_ROWS, test: int = TEST_ROWS) -> Source:
        """The data set: `pool` sentences to train on, and at most `test` in the test split."""
        draws = generator(self.seed, "rows")
        rows = [self._row(draws) for _ in range(pool + 2 * test)]
        mentions = [self.family.rule(row, self.recipe) for row in rows]
        mentions[:pool] = [self._mistaken(found, draws) for found in mentions[:pool]]
        tags = [_tagged(found, len(row)) for found, row in zip(mentions, rows, strict=True)]
        tokens = self.words.write(rows, self.recipe.typos, draws)
        tests = unseen(tokens, pool, test)
        test_tokens, test_tags = [tokens[at] for at in tests], [tags[at] for at in tests]
        name, names = f"entities?seed={self.seed}", tag_names(TYPES[: self.recipe.classes])
        return from_tagged(
            tokens[:pool], tags[:pool], test_tokens, test_tags, name, names, tell=False
        )

    def _meanings(self) -> tuple[int, int]:
        """Number of meanings of names, and of others besides fillers."""
        return self.family.names(self.recipe.classes), self.family.others(self.recipe.classes)

    def _row(self, draws: np.random.Generator) -> list[int]:
        """The meanings of a sentence."""
        recipe, count = self.recipe, 0
        if draws.random() >= recipe.silent:
            count = int(draws.integers(1, recipe.mentions + 1))
        types = draws.integers(recipe.classes, size=count).tolist()
        chunks = self.family.plant(types, recipe, draws)
        return interleave(chunks, some_fillers(recipe, draws), draws)

    def _mistaken(self, mentions: Sequence[Mention], draws: np.random.Generator) -> list[Mention]:
        """The mentions as given in the pool: some of another type, and as many not at all."""
        wrong, classes = self.recipe.wrong, self.recipe.classes
        given: list[Mention] = []
        for start, stop, kind in mentions:
            luck = draws.random()
            if luck < wrong / 2:
                given.append((start, stop, (kind + int(draws.integers(1, classes))) % classes))
            elif luck >= wrong:
                given.append((start, stop, kind))
        return given


def _tagged(mentions: Sequence[Mention], length: int) -> list[str]:
    """The tags of a sentence with these mentions."""
    tags = ["O"] * length
    for start, stop, kind in mentions:
        tags[start:stop] = [f"I-{TYPES[kind]}"] * (stop - start)
        tags[start] = f"B-{TYPES[kind]}"
    return tags


def entities(seed: int) -> Source:
    """The data set of a seed: a pool of 3,000 tagged sentences and a test split of 1,000."""
    return EntityTask.of_seed(seed).source()


def lexicon(seed: int) -> dict[str, tuple[str, ...]]:
    """The synonyms of a seed's task, which keep its tags true or not: see `truth`."""
    return EntityTask.of_seed(seed).lexicon()


def truth(seed: int) -> dict[str, bool]:
    """Whether each op at full strength keeps the tags of a seed's task true, by the op's name.

    Known by construction: the tags are a function of the words, `EntityTask.tags`. Of all words
    that are in a mention, by the op's tags or by that function of the op's words, the two differ
    for fewer than a twelfth where an op keeps tags, and for more than a seventh where it breaks
    them, at magnitude 1, with words and mentions to insert taken from sentences with true tags. In
    between it is a matter of degree, and the op is absent.
    """
    return EntityTask.of_seed(seed).truth()
