"""Draws sentences from a small random grammar, for the toy data sets.

A grammar maps a symbol to its alternatives, of which one is drawn, all with equal probability. An
alternative is a string of words and of symbols in braces. `{~symbol}` reverses the polarity. A
symbol may have separate alternatives for each polarity: "praise+" and "praise-".
"""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

Grammar = Mapping[str, Sequence[str]]

_SYMBOL = re.compile(r"\{(~?)(\w+)\}")


def expand(
    grammar: Grammar, symbol: str, positive: bool, draws: np.random.Generator
) -> list[tuple[str, str]]:
    """Expands a symbol into words, drawing one alternative for each symbol in it.

    Args:
        grammar: the alternatives of every symbol.
        symbol: the symbol to expand.
        positive: its polarity.
        draws: draws every alternative.

    Returns:
        The words, each with its tag in BIO form. The words of a symbol in capitals are an entity,
        whose type is the symbol's name.
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
    """A lexicon from groups of synonyms; a group is a string of words separated by spaces."""
    merged: dict[str, tuple[str, ...]] = {}
    for group in groups:
        words = group.split()
        for word in words:
            merged[word] = (*merged.get(word, ()), *(other for other in words if other != word))
    return merged
