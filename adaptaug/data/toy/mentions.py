"""The toy tagging task "mentions": persons, places and companies in generated news.

It is hard to learn from a few hundred sentences: some names are shared by persons, places and
companies, so that only the context tells them apart, and many names are rare.
"""

import numpy as np

from adaptaug.data.examples import Source
from adaptaug.data.tags import tag_names
from adaptaug.data.text import from_tagged
from adaptaug.data.toy.grammar import Grammar, expand, synonyms_of

POOL_ROWS = 2000
TEST_ROWS = 400

_NAMES = {
    "first": "Anna Boris Carla David Elena Frank Greta Hugo Irene Jonas Karin Luis Maria Nils Olga",
    "surname": "Adler Brandt Conti Duarte Ekman Fischer Garcia Hansen Keller Lopez Moreau Novak",
    "place": "Aalborg Bergen Cordoba Dresden Ferrara Geneva Hobart Izmir Kyoto Malaga Oslo Porto",
    "firm": "Acme Borealis Cyberdyne Delphi Everest Fabrikon Globex Helios Initech Lumina",
    "shared": "Lincoln Austin Jordan Hamilton Florence Sydney Chester Lancaster Preston Carson",
}
"""The shared ones are names of persons, of places and of companies."""
_SYNONYMS = {
    "said": "said stated announced declared",
    "visited": "visited toured saw inspected",
    "bought": "bought acquired purchased obtained",
    "met": "met joined greeted welcomed",
    "opened": "opened founded launched started",
    "lately": "yesterday today recently lately",
    "office": "office branch site plant",
    "meeting": "meeting conference summit gathering",
    "large": "large big huge sizeable",
}
_GRAMMAR: Grammar = {
    "sentence": (
        "{PER} {said} {lately} that {ORG} {bought} a {large} {office} in {LOC} .",
        "{ORG} {opened} a {large} {office} in {LOC} {lately} .",
        "{PER} {met} {PER} at a {meeting} in {LOC} .",
        "{lately} {PER} of {ORG} {visited} {LOC} .",
        "{PER} {visited} {LOC} and {LOC} {lately} .",
        "{ORG} {bought} {ORG} , {PER} {said} .",
        "{LOC} {met} the {meeting} of {ORG} .",
        "the {meeting} {opened} {lately} , {PER} {said} .",
        "a {large} {office} {opened} in {LOC} .",
    ),
    "PER": ("{first} {last}", "{first} {last}", "{last}", "{first} {first} {last}"),
    "LOC": ("{place}", "{place}", "New {place}", "Port {shared}", "{shared}"),
    "ORG": ("{firm}", "{firm} {form}", "{last} {form}", "{shared}", "{place} Bank"),
    "last": ("{surname}", "{surname}", "{shared}"),
    "form": ("Ltd", "Group", "Holdings", "and Sons"),
    **{symbol: words.split() for symbol, words in (_NAMES | _SYNONYMS).items()},
}


def mentions() -> Source:
    """A pool of 2,000 sentences and a test split of 400, with the types PER, LOC and ORG."""
    draws = np.random.default_rng(0)
    rows = [expand(_GRAMMAR, "sentence", True, draws) for _ in range(POOL_ROWS + TEST_ROWS)]
    tokens = [[word for word, _ in row] for row in rows]
    tags = [[tag for _, tag in row] for row in rows]
    pool, test = slice(POOL_ROWS), slice(POOL_ROWS, None)
    return from_tagged(
        tokens[pool],
        tags[pool],
        tokens[test],
        tags[test],
        "mentions",
        tag_names(("PER", "LOC", "ORG")),
    )


def lexicon() -> dict[str, tuple[str, ...]]:
    """The synonyms among the words outside entities."""
    return synonyms_of(_SYNONYMS.values())
