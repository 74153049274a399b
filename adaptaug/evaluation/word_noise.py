"""Seeded noise in sentences: a share of the words is replaced, dropped or masked.

This is the counterpart of the corruptions of images, with five severities per kind. In tagging
words must keep their places and tags, so they are only masked or made unknown.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from adaptaug.data.vocabulary import MASK, SPECIALS, UNKNOWN
from adaptaug.errors import AdaptAugError
from adaptaug.ops.tokens import chosen, deleted
from adaptaug.utils.types import Modality

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5)
"""Probability that a word is changed, at severities 1 to 5."""


@dataclass(frozen=True)
class WordNoise:
    """A row of the table of word noise."""

    modalities: tuple[Modality, ...]
    """Modalities to which this noise applies."""
    function: Callable[[Tensor, Tensor, int, Generator], Tensor]
    """Maps ids (B, L), a mask (B, L) of the words to change, the vocabulary size and a generator to
    new ids (B, L)."""


def _replace(ids: Tensor, mask: Tensor, vocabulary_size: int, generator: Generator) -> Tensor:
    """Replaces masked words by words drawn uniformly from the vocabulary."""
    first = len(SPECIALS)
    words = torch.randint(first, vocabulary_size, ids.shape, generator=generator, device=ids.device)
    return torch.where(mask, words, ids)


WORD_NOISE: dict[str, WordNoise] = {
    "replace": WordNoise(("text",), _replace),
    "drop": WordNoise(("text",), lambda ids, mask, size, draws: deleted(ids, mask, draws)),
    "mask": WordNoise(
        ("text", "tagging"), lambda ids, mask, size, draws: torch.where(mask, MASK, ids)
    ),
    "unknown": WordNoise(
        ("tagging",), lambda ids, mask, size, draws: torch.where(mask, UNKNOWN, ids)
    ),
}
"""The kinds by name: words become random words, are deleted, or become `MASK` or `UNKNOWN`."""


def disturb(
    ids: Tensor, name: str, severity: int, vocabulary_size: int, generator: Generator
) -> Tensor:
    """Changes each word of each sentence with the severity's probability.

    Args:
        ids: int64 (B, L) in 0..V-1, padded on the right with `PAD`; not modified.
        name: one of `WORD_NOISE`.
        severity: 1 to 5.
        vocabulary_size: V, above the number of special ids.
        generator: source of all random draws, on the ids' device.

    Returns:
        New ids (B, L) with at least one word per row.

    Raises:
        AdaptAugError: an unknown name or severity, or a vocabulary without words.
    """
    if name not in WORD_NOISE:
        raise AdaptAugError(f"word noise must be one of {sorted(WORD_NOISE)}, got {name!r}")
    if not 1 <= severity <= len(SHARES):
        raise AdaptAugError(f"severity must lie in 1..{len(SHARES)}, got {severity} for {name!r}")
    if vocabulary_size <= len(SPECIALS):
        raise AdaptAugError(
            f"word noise needs a vocabulary of more than {len(SPECIALS)} ids, got {vocabulary_size}"
        )
    share = torch.full((len(ids),), SHARES[severity - 1], device=ids.device)
    mask = chosen(ids, share, generator)
    return WORD_NOISE[name].function(ids, mask, vocabulary_size, generator)


def cells(modality: Modality) -> dict[str, tuple[str, int]]:
    """(kind, severity) by a name such as "drop/3", for every kind of the modality."""
    return {
        f"{name}/{severity}": (name, severity)
        for name, row in WORD_NOISE.items()
        if modality in row.modalities
        for severity in range(1, len(SHARES) + 1)
    }


def disturbed(
    ids: Tensor, modality: Modality, vocabulary_size: int, seed: int
) -> Iterator[tuple[str, Tensor]]:
    """Yields (name, disturbed ids) for each of `cells`; see `disturb`."""
    for cell, (name, severity) in cells(modality).items():
        generator = Generator(ids.device).manual_seed(seed)
        yield cell, disturb(ids, name, severity, vocabulary_size, generator)
