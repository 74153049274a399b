"""EDA as its authors wrote it: sentence by sentence, on strings (Wei and Zou, 2019).

It follows `code/eda.py` of github.com/jasonwei20/eda_nlp. Differences: synonyms come from a lexicon
in memory instead of WordNet, which would be far slower; stop words are a set; it has its own random
generator; and each technique makes one sentence.
"""

import random
import re
from collections.abc import Callable

from adaptaug.data.lexicon import Lexicon
from adaptaug.ops.stop_words import STOP_WORDS

ALPHA = 0.1
"""Fraction of the words that a technique changes (at least one); the probability of a deletion."""
_KEPT = "qwertyuiopasdfghjklzxcvbnm "

Technique = Callable[[list[str], int, Lexicon, random.Random], list[str]]
"""Maps words, the number of changes, a lexicon and a generator to new words."""


def eda(sentence: str, lexicon: Lexicon, source: random.Random) -> list[str]:
    """Augments a sentence by each of the four techniques: four sentences."""
    words = [word for word in only_letters(sentence).split(" ") if word]
    changes = max(1, int(ALPHA * len(words)))
    augmented = [technique(words, changes, lexicon, source) for technique in TECHNIQUES.values()]
    return [only_letters(" ".join(words)) for words in augmented]


def only_letters(line: str) -> str:
    """Lower case, with a space in place of every character that is no letter from a to z."""
    line = line.replace("’", "").replace("'", "")  # noqa: RUF001 - a typographic apostrophe
    line = line.replace("-", " ").replace("\t", " ").replace("\n", " ").lower()
    clean = ""
    for character in line:
        clean += character if character in _KEPT else " "
    clean = re.sub(" +", " ", clean)
    return clean.removeprefix(" ")


def synonym_replacement(
    words: list[str], changes: int, lexicon: Lexicon, source: random.Random
) -> list[str]:
    """Replaces `changes` different words by synonyms, at all their positions."""
    new = words.copy()
    candidates = list({word for word in words if word not in STOP_WORDS})
    source.shuffle(candidates)
    replaced = 0
    for candidate in candidates:
        synonyms = lexicon.get(candidate)
        if synonyms:
            synonym = source.choice(synonyms)
            new = [synonym if word == candidate else word for word in new]
            replaced += 1
        if replaced >= changes:
            break
    return " ".join(new).split(" ")


def random_insertion(
    words: list[str], changes: int, lexicon: Lexicon, source: random.Random
) -> list[str]:
    """Inserts `changes` synonyms of random words at random places; each gets ten attempts."""
    new = words.copy()
    for _ in range(changes):
        for _ in range(10):
            synonyms = lexicon.get(new[source.randint(0, len(new) - 1)])
            if synonyms:
                new.insert(source.randint(0, len(new) - 1), synonyms[0])
                break
    return new


def random_swap(
    words: list[str], changes: int, _lexicon: Lexicon, source: random.Random
) -> list[str]:
    """Swaps two random words, `changes` times."""
    new = words.copy()
    for _ in range(changes):
        first = source.randint(0, len(new) - 1)
        for _ in range(4):
            second = source.randint(0, len(new) - 1)
            if second != first:
                new[first], new[second] = new[second], new[first]
                break
    return new


def random_deletion(
    words: list[str], _changes: int, _lexicon: Lexicon, source: random.Random
) -> list[str]:
    """Deletes each word with probability `ALPHA`; at least one stays."""
    if len(words) == 1:
        return words
    new = [word for word in words if source.uniform(0, 1) > ALPHA]
    return new or [words[source.randint(0, len(words) - 1)]]


TECHNIQUES: dict[str, Technique] = {
    "synonym": synonym_replacement,
    "insertion": random_insertion,
    "swap": random_swap,
    "deletion": random_deletion,
}
"""Each technique by the name of AdaptAug's op that does the same."""
