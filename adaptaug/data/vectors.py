"""Pretrained word vectors in GloVe's text format: a word and its D numbers on each line."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from adaptaug.data.lines import read_lines
from adaptaug.data.vocabulary import Vocabulary
from adaptaug.errors import AdaptAugError


def load_vectors(path: str | Path, vocabulary: Vocabulary) -> tuple[Tensor, Tensor]:
    """Loads the vectors of a vocabulary's words; only those are parsed.

    A word that is in the file in lower case only gets that vector. The first line of word2vec's
    format (number of words and D) is skipped, and so are "words" that contain a space, of which
    GloVe has a few.

    Args:
        path: the file, plain or gzipped (.gz).
        vocabulary: the vocabulary, of V words.

    Returns:
        The vectors, float32 (V, D), 0 for words that the file lacks, and which words it has,
        bool (V,).

    Raises:
        AdaptAugError: no such file, a line with a wrong number of values or a value that is not a
            finite number, or a file without any word of the vocabulary.
    """
    wanted = set(vocabulary.words) | {word.lower() for word in vocabulary.words}
    vectors: dict[str, np.ndarray] = {}
    size = 0
    for line, place in read_lines(path, "word vectors"):
        word, *values = line.rstrip(" ").split(" ", 1)
        count = values[0].count(" ") + 1 if values else 0
        if not size and count == 1 and word.isdigit() and values[0].isdigit():
            continue
        size = size or count
        if count > size and not all(map(_is_number, values[0].split(" ")[: count - size])):
            continue
        if count != size or not size:
            raise AdaptAugError(
                f"every line of word vectors must have a word and {size or 'its'} values, "
                f"got {count} values in {place}"
            )
        if word in wanted:
            vectors.setdefault(word, _parsed(values[0], place))
    table = torch.zeros(len(vocabulary), size)
    found = torch.zeros(len(vocabulary), dtype=torch.bool)
    for row, word in enumerate(vocabulary.words):
        vector = vectors.get(word, vectors.get(word.lower()))
        if vector is not None:
            table[row], found[row] = torch.from_numpy(vector), True
    if not found.any():
        raise AdaptAugError(
            f"word vectors must include some word of the vocabulary, got none of {len(vocabulary)} "
            f"in file '{path}'"
        )
    return table, found


def _parsed(values: str, place: str) -> np.ndarray:
    """The numbers of a line, float32 (D,)."""
    try:
        vector = np.array(values.split(" "), dtype=np.float32)
    except ValueError as error:
        raise AdaptAugError(f"word vectors must be numbers ({error}) in {place}") from error
    if not np.isfinite(vector).all():
        raise AdaptAugError(f"word vectors must be finite, got {values[:40]!r} in {place}")
    return vector


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
