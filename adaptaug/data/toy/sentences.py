"""Made-up tasks on labelled sentences, one for each seed: "sentences?seed=17".

A seed draws the family, hence the rule that makes the labels, and all that makes a task easy or
hard: see `DRAWS`. In about half of the tasks, labels of the pool are wrong or say nothing of the
sentence, or a child of the usual budgets sees most words that matter too rarely to learn them.
Labels of the test split are right, and none of its sentences is in the pool.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from adaptaug.data.examples import Source
from adaptaug.data.text import from_texts
from adaptaug.data.toy.sentence_families import FAMILIES, Family
from adaptaug.data.toy.sentence_recipe import (
    Draw,
    SentenceRecipe,
    draw_recipe,
    generator,
    logarithmic,
    one_of,
    real,
    sometimes,
    whole,
)
from adaptaug.data.toy.words import Words, interleave, unseen

POOL_ROWS = 3000
TEST_ROWS = 1000

DRAWS: dict[str, Draw] = {
    "family": one_of({name: family.weight for name, family in FAMILIES.items()}),
    "classes": logarithmic(2, 6),
    "words": logarithmic(2, 50),
    "fillers": logarithmic(40, 1000),
    "fewest": whole(3, 8),
    "spread": whole(6, 24),
    "exponent": real(0.0, 1.2),
    "synonyms": one_of({"within": 0.5, "across": 0.3, "fillers": 0.2}),
    "coverage": real(0.3, 1.0),
    "typos": sometimes(0.5, real(0.01, 0.12)),
    "wrong": sometimes(0.4, real(0.05, 0.35)),
    "silent": sometimes(0.3, real(0.05, 0.3)),
    "cues": whole(8, 14),
    "modes": whole(1, 4),
    "skew": sometimes(0.5, real(0.0, 2.0)),
}
"""What a seed draws, in this order."""

_FEW = 3
"""Most words of a closed meaning."""


@dataclass(frozen=True)
class SentenceTask:
    """One made-up task; `seed` fixes its words and rows."""

    seed: int
    """The seed."""
    recipe: SentenceRecipe
    """What the task is like; `of_seed` draws it."""

    @classmethod
    def of_seed(cls, seed: int) -> "SentenceTask":
        """The task of a seed."""
        return cls(seed, draw_recipe(DRAWS, seed))

    @property
    def family(self) -> Family:
        """How words make a label."""
        return FAMILIES[self.recipe.family]

    @cached_property
    def words(self) -> Words:
        """The words by meaning."""
        recipe, closed = self.recipe, self.family.closed
        sizes = [recipe.words] * (self.family.meanings(recipe) - closed)
        sizes += [min(recipe.words, _FEW)] * closed
        draws = generator(self.seed, "words")
        return Words(sizes, recipe.fillers, recipe.exponent, draws)

    def label(self, sentence: Sequence[str]) -> int | None:
        """The class that the words of a sentence say, or None if they do not say one."""
        return self.family.rule(self.words.read(sentence), self.recipe)

    def lexicon(self) -> dict[str, tuple[str, ...]]:
        """The task's synonyms."""
        lexical = range(self.family.meanings(self.recipe) - self.family.closed)
        draws = generator(self.seed, "lexicon")
        return self.words.lexicon(self.recipe.synonyms, lexical, self.recipe.coverage, draws)

    def truth(self) -> dict[str, bool]:
        """Whether each op keeps the labels; see `truth`."""
        if not self.family.keeps:
            return {}
        kind = self.recipe.synonyms if self.family.meanings(self.recipe) else "fillers"
        found = {"synonym": kind != "across", **self.family.keeps}
        insertion = self.family.insertion.get(kind)
        return found if insertion is None else found | {"insertion": insertion}

    def source(self, pool: int = POOL_ROWS, test: int = TEST_ROWS) -> Source:
        """The data set: `pool` sentences to train on, and at most `test` in the test split."""
        draws = generator(self.seed, "rows")
        count, classes = pool + 2 * test, self.recipe.classes
        labels = draws.choice(classes, count, p=self._shares())
        in_pool = np.arange(count) < pool
        silent = in_pool & (draws.random(count) < self.recipe.silent)
        rows = [
            self._row(*row, draws) for row in zip(labels.tolist(), silent.tolist(), strict=True)
        ]
        wrong = in_pool & (draws.random(count) < self.recipe.wrong)
        labels[wrong] += draws.integers(1, classes, int(wrong.sum()))
        given = (labels % classes).tolist()
        written = self.words.write(rows, self.recipe.typos, draws)
        texts = [" ".join(words) for words in written]
        tests = unseen(written, pool, test)
        test_texts, test_labels = [texts[at] for at in tests], [given[at] for at in tests]
        name, names = f"sentences?seed={self.seed}", [str(label) for label in range(classes)]
        return from_texts(
            texts[:pool], given[:pool], test_texts, test_labels, name, names, tell=False
        )

    def _row(self, label: int, silent: bool, draws: np.random.Generator) -> list[int]:
        """The meanings of a sentence of a class, or of a silent one."""
        if silent:
            label = int(draws.integers(self.recipe.classes))
        fillers = self.family.fillers(label, self.recipe, draws)
        chunks = [] if silent else self.family.plant(label, self.recipe, draws)
        return interleave(chunks, fillers, draws)

    def _shares(self) -> list[float]:
        """The shares of the classes."""
        classes = self.recipe.classes
        weights = [math.exp(-self.recipe.skew * k / (classes - 1)) for k in range(classes)]
        return [weight / sum(weights) for weight in weights]


def sentences(seed: int) -> Source:
    """The data set of a seed: a pool of 3,000 sentences and a test split of 1,000."""
    return SentenceTask.of_seed(seed).source()


def lexicon(seed: int) -> dict[str, tuple[str, ...]]:
    """The synonyms of a seed's task, which keep its labels or not: see `truth`."""
    return SentenceTask.of_seed(seed).lexicon()


def truth(seed: int) -> dict[str, bool]:
    """Whether each op at full strength keeps the labels of a seed's task, by the op's name.

    Known by construction: the label is a function of the words, `SentenceTask.label`. An op keeps
    it if that function gives the same label after the op as before, but for few sentences: fewer
    than a twelfth at magnitude 1. It breaks it if the label is another, or can no longer be told,
    in more than a seventh. In between it is a matter of degree, and the op is absent. So are ops
    that combine others ("eda"), and all ops if labels are random.
    """
    return SentenceTask.of_seed(seed).truth()
