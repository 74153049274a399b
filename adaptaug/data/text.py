"""Makes a source from sentences with one label each, or with a tag for each token."""

import operator
from collections.abc import Sequence, Sized

import numpy as np
import torch
from torch import Tensor

from adaptaug.data.examples import Examples, Source, make_source, tell_duplicates
from adaptaug.data.tags import tag_parts
from adaptaug.data.vocabulary import (
    IGNORED,
    MAX_TOKENS,
    MAX_WORDS,
    Vocabulary,
    build_vocabulary,
    padded,
)
from adaptaug.errors import AdaptAugError

Labels = Sequence[int] | Tensor
Tags = Sequence[Sequence[str | int]]


def from_texts(
    texts: Sequence[str],
    labels: Labels,
    test_texts: Sequence[str],
    test_labels: Labels,
    name: str = "texts",
    classes: Sequence[str] | None = None,
    max_tokens: int = MAX_TOKENS,
    max_words: int = MAX_WORDS,
    test_part: str = "test",
    tell: bool = True,
) -> Source:
    """Makes a source from labelled sentences; case is ignored.

    Args:
        texts: N sentences of the pool; the vocabulary is built from them.
        labels: their N labels, integers in 0..K-1.
        test_texts: sentences of the test split.
        test_labels: their labels.
        name: name of the data set.
        classes: K class names; by default "0" to the largest label.
        max_tokens: tokens kept of each sentence; the tail is cut.
        max_words: words that the vocabulary keeps, the most frequent ones.
        test_part: what the test split is called in errors.
        tell: whether to warn of sentences of the test split that are in the pool too.

    Raises:
        AdaptAugError: a sentence that is no string or without a token, labels that are not
            integers in 0..K-1 or not as many as the sentences, or an empty split.
    """
    vocabulary: Vocabulary | None = None
    parts: list[Examples] = []
    for part, rows, given in (("train", texts, labels), (test_part, test_texts, test_labels)):
        place = f"split '{part}' of data set '{name}'"
        _check_strings(rows, "every row must hold a sentence as a string", place)
        targets = _label_tensor(given, len(rows), place)
        vocabulary = vocabulary or build_vocabulary(rows, max_words=max_words)
        parts.append(Examples(vocabulary.encode(rows, max_tokens, place), targets))
    if tell:
        tell_duplicates(name, texts, test_texts)
    return make_source(name, parts[0], parts[1], classes, vocabulary, test_part)


def from_tagged(
    tokens: Sequence[Sequence[str]],
    tags: Tags,
    test_tokens: Sequence[Sequence[str]],
    test_tags: Tags,
    name: str = "tagged",
    classes: Sequence[str] | None = None,
    max_tokens: int = MAX_TOKENS,
    max_words: int = MAX_WORDS,
    test_part: str = "test",
    tell: bool = True,
) -> Source:
    """Makes a source from sentences with a tag for each token; case is kept.

    Args:
        tokens: N sentences of the pool as lists of tokens; the vocabulary is built from them.
        tags: their tags in BIO form, "O", "B-TYPE", "I-TYPE", or positions in `classes`.
        test_tokens: sentences of the test split.
        test_tags: their tags.
        name: name of the data set.
        classes: the K tags; by default those of the pool, "O" first, then by type.
        max_tokens: tokens kept of each sentence; the tail is cut.
        max_words: words that the vocabulary keeps, the most frequent ones.
        test_part: what the test split is called in errors.
        tell: whether to warn of sentences of the test split that are in the pool too.

    Raises:
        AdaptAugError: a sentence without a token, a token that is no string, tags that are not as
            many as the tokens, not among the classes or not in BIO form, or an empty split.
    """
    splits = [
        (f"split 'train' of data set '{name}'", tokens, tags),
        (f"split '{test_part}' of data set '{name}'", test_tokens, test_tags),
    ]
    for place, rows, given in splits:
        _check_tokens(rows, given, place)
    if classes is None:
        classes = _tags_of(tags, splits[0][0])
    if len(set(classes)) < len(classes):
        raise AdaptAugError(f"classes must name each tag once, got {', '.join(classes)}")
    index: dict[str | int, int] = {tag: label for label, tag in enumerate(classes)}
    index |= {label: label for label in range(len(classes))}
    vocabulary: Vocabulary | None = None
    parts: list[Examples] = []
    for place, rows, given in splits:
        targets = [
            _tag_labels(row_tags, index, f"row {row} of {place}")[:max_tokens]
            for row, row_tags in enumerate(given)
        ]
        vocabulary = vocabulary or build_vocabulary(rows, False, max_words)
        ids = vocabulary.encode(rows, max_tokens, place)
        parts.append(Examples(ids, padded(targets, IGNORED)))
    if tell:
        tell_duplicates(name, map(tuple, tokens), map(tuple, test_tokens))
    return make_source(name, parts[0], parts[1], classes, vocabulary, test_part)


def _tags_of(tags: Tags, place: str) -> list[str]:
    """All tags that occur: "O" first, then by type, "B" before "I"."""
    first_row: dict[str, int] = {}
    for row, row_tags in enumerate(tags):
        for tag in row_tags:
            first_row.setdefault(str(tag), row)
    keys = {tag: tag_parts(tag, f"row {row} of {place}")[::-1] for tag, row in first_row.items()}
    return sorted(keys, key=keys.__getitem__)


def _check_strings(values: Sequence[object], rule: str, place: str, unit: str = "row") -> None:
    """Raises AdaptAugError at the first value that is no string."""
    wrong = next((at for at, value in enumerate(values) if not isinstance(value, str)), None)
    if wrong is not None:
        kind = type(values[wrong]).__name__
        raise AdaptAugError(f"{rule}, got {kind} in {unit} {wrong} of {place}")


def _label_tensor(labels: Labels, count: int, place: str) -> Tensor:
    """The labels of a split, int64 (N,)."""
    if len(labels) != count:
        raise AdaptAugError(
            f"every sentence needs one label, got {len(labels)} for {count} in {place}"
        )
    indices: list[int] = []
    for row, label in enumerate(labels):
        try:
            indices.append(int(np.int64(operator.index(label))))  # unlike int(), refuses 1.5
        except (TypeError, OverflowError) as error:
            raise AdaptAugError(
                f"labels must be integers, got {label!r} in row {row} of {place}"
            ) from error
    return torch.tensor(indices, dtype=torch.int64)


def _check_tokens(tokens: Sequence[Sequence[str]], tags: Tags, place: str) -> None:
    """Raises AdaptAugError unless there are rows, each a list of strings with as many tags."""
    if len(tokens) == 0:
        raise AdaptAugError(f"a split needs at least one row, got 0 in {place}")
    if len(tokens) != len(tags):
        raise AdaptAugError(
            f"every sentence needs its tags, got {len(tags)} lists of tags for {len(tokens)} "
            f"sentences in {place}"
        )
    for row, (sentence, row_tags) in enumerate(zip(tokens, tags, strict=True)):
        where = f"row {row} of {place}"
        if isinstance(sentence, str) or not isinstance(sentence, Sequence):
            raise AdaptAugError(
                f"a sentence must be a list of tokens, got {type(sentence).__name__} in {where}"
            )
        if isinstance(row_tags, str) or not isinstance(row_tags, Sized):
            raise AdaptAugError(
                f"a sentence's tags must be a list, got {type(row_tags).__name__} in {where}"
            )
        if len(sentence) != len(row_tags):
            raise AdaptAugError(
                f"every token needs one tag, got {len(row_tags)} tags for {len(sentence)} tokens "
                f"in {where}"
            )
        _check_strings(sentence, "tokens must be strings", where, "token")


def _tag_labels(tags: Sequence[str | int], index: dict[str | int, int], where: str) -> list[int]:
    """The class indices of a row's tags."""
    try:
        return [index[tag] for tag in tags]
    except KeyError as error:
        known = ", ".join(str(tag) for tag in index if isinstance(tag, str))
        raise AdaptAugError(
            f"a tag must be one of {known}, got '{error.args[0]}' in {where}"
        ) from error
