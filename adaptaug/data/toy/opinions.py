"""The toy text task "opinions": is a generated review positive or negative?

It is hard to learn from a few hundred sentences: "not" or "never" reverses some clauses, a claim
before "but" says the opposite of the label, praise and blame each have many words, some of them
rare, and 6% of the labels are wrong. Logistic regression on the words that occur reaches 72%
accuracy with 200 training sentences and 83% with 2,000; a BiLSTM reaches 73% and 91%.
"""

from collections.abc import Sequence

import numpy as np

from adaptaug.data.examples import Source
from adaptaug.data.text import from_texts
from adaptaug.data.toy.grammar import Grammar, expand, synonyms_of

POOL_ROWS = 4000
TEST_ROWS = 600
WRONG_LABELS = 0.06
"""Share of labels that are flipped, in the pool and in the test split alike."""

_PRAISE = (
    "good fine decent solid nice",
    "great excellent superb splendid terrific",
    "charming lovely delightful wonderful enchanting",
    "funny amusing witty hilarious humorous",
    "clever smart intelligent brilliant sharp",
    "moving touching tender heartfelt poignant",
    "exciting thrilling gripping tense absorbing",
    "fresh original inventive creative imaginative",
)
_BLAME = (
    "bad poor weak inferior lousy",
    "awful terrible horrible dreadful atrocious",
    "boring dull tedious dreary tiresome",
    "stupid silly foolish dumb mindless",
    "slow sluggish plodding lifeless listless",
    "stale tired trite banal derivative",
    "ugly hideous crude garish clumsy",
    "annoying irritating grating maddening vexing",
)
_THINGS = (
    "film movie picture feature",
    "story plot tale narrative",
    "actor performer star lead",
    "dialogue script writing screenplay",
    "music score soundtrack song",
    "ending finale conclusion finish",
    "scene moment episode sequence",
    "director filmmaker writer author",
)
_SYNONYMS = {
    "very": "very really truly quite",
    "rather": "rather somewhat fairly pretty",
    "verdict+": "loved adored enjoyed admired",
    "verdict-": "hated loathed detested disliked",
    "long": "long lengthy extended prolonged",
    "new": "new recent latest current",
    "old": "old early former previous",
    "friend": "friend companion colleague neighbour",
    "watched": "watched saw viewed caught",
    "seemed": "seemed looked felt appeared",
}
_GROUPS = {"quality+": _PRAISE, "quality-": _BLAME, "thing": _THINGS}


def _weighted(groups: Sequence[str]) -> list[str]:
    """The words of all groups; in a group of n words, the first occurs n times, the last once."""
    words = [group.split() for group in groups]
    return [word for group in words for at, word in enumerate(group) for _ in group[at:]]


_GRAMMAR: Grammar = {
    "opinion": (
        "{lead} {clause} {tail}",
        "{lead} {clause} , {aside} {tail}",
        "{lead} {clause} and {claim} {tail}",
        "{lead} {clause} and {clause} {tail}",
        "{claim} , {aside} , and {clause}",
        "{clause} because {claim}",
        "{lead} {~claim} , but {clause} and {claim} {tail}",
        "{clause} because {claim} , even though {~claim}",
    ),
    "clause": ("{claim}", "{claim}", "{claim}", "{claim}", "{claim}", "{denial}"),
    "claim": (
        "the {which} {thing} {was} {degree} {quality}",
        "the {which} {thing} {was} {quality} and {quality}",
        "this is a {quality} , {quality} {thing}",
        "i {verdict} the {which} {thing}",
    ),
    "denial": (
        "the {which} {thing} {was} {never} {~quality}",
        "this is {never} a {~quality} {thing}",
        "nobody could call the {thing} {~quality}",
        "i never {~verdict} the {thing}",
    ),
    "lead": ("", "", "", "well ,", "to be fair ,", "in short ,", "i {watched} it {when} , and"),
    "tail": ("", "", "", "", "in the end", "all in all", "as my {friend} said", "{when}"),
    "aside": (
        "which my {friend} {watched} {when}",
        "made by a {new} {thing}",
        "like some {long} {old} {thing}",
        "as one {friend} put it",
    ),
    "which": ("", "", "{new}", "{old}", "{long}", "second", "whole"),
    "was": ("was", "is", "{seemed}"),
    "never": ("not", "never", "hardly", "far from"),
    "degree": ("", "", "{very}", "{rather}"),
    "when": ("last night", "on a plane", "with a {friend}", "at the weekend", "two years ago"),
    **{symbol: _weighted(groups) for symbol, groups in _GROUPS.items()},
    **{symbol: group.split() for symbol, group in _SYNONYMS.items()},
}


def opinions() -> Source:
    """A pool of 4,000 sentences and a test split of 600, half of them positive."""
    draws = np.random.default_rng(0)
    count = POOL_ROWS + TEST_ROWS
    texts = [
        " ".join(word for word, _ in expand(_GRAMMAR, "opinion", row % 2 == 1, draws))
        for row in range(count)
    ]
    wrong = draws.random(count) < WRONG_LABELS
    labels = [int(turned) ^ (row % 2) for row, turned in enumerate(wrong)]
    pool, test = slice(POOL_ROWS), slice(POOL_ROWS, None)
    return from_texts(
        texts[pool], labels[pool], texts[test], labels[test], "opinions", ("negative", "positive")
    )


def lexicon() -> dict[str, tuple[str, ...]]:
    """The synonyms among the words of the task."""
    return synonyms_of((*_PRAISE, *_BLAME, *_THINGS, *_SYNONYMS.values()))
