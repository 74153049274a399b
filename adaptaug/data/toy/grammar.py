"""Sentences from a small random grammar: what the embedded text tasks are made of.

A grammar maps a symbol to its alternatives, one of which is drawn, each as likely as the others.
An alternative is a string of words and of symbols in braces. ``{~symbol}`` turns the polarity
over, and a symbol may have alternatives for one polarity only: "praise+" and "praise-".
"""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

Grammar = Mapping[str, Sequence[str]]

_SYMBOL = re.compile(r"\{(~?)(\w+)\}")


def expand(
    grammar: Grammar, symbol: str, positive: bool, draws: np.random.Generator
) -> list[tuple[str, str]]:
    """Draw what a symbol stands for.

    Args:
        grammar: the alternatives of every symbol.
        symbol: where to start.
        positive: the polarity of the whole.
        draws: every choice.

    Returns:
        The words, each with its tag in BIO form: an entity is what a symbol in capitals stands for,
        of the type that the symbol names.
    """
    alternatives = grammar.get(symbol) or grammar[f"{symbol}{'+' if positive else '-'}"]
    drawn: list[tuple[str, str]] = []
    for part in alternatives[int(draws.integers(len(alternatives)))].split():
        match = _SYMBOL.fullmatch(part)
        if match:
            turned, inner = match.groups()
            drawn += expand(grammar, inner, positive != bool(turned), draws)
        else:
            drawn.append((part, "O"))
    if symbol.isupper():
        return [(word, f"{'I' if at else 'B'}-{symbol}") for at, (word, _) in enumerate(drawn)]
    return drawn


def synonyms_of(groups: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """A lexicon of groups of words that mean the same, each group separated by spaces."""
    merged: dict[str, tuple[str, ...]] = {}
    for group in groups:
        words = group.split()
        for word in words:
            merged[word] = (*merged.get(word, ()), *(other for other in words if other != word))
    return merged
