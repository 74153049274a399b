"""Binds the ops of an `Augmenter` to the data that they use: tables of words, generated samples.

`adaptaug.training.setup` does the same for a search, whose data are already checked.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from adaptaug.augmenter.encodings import Encodings
from adaptaug.data.examples import Examples, check_labels, check_tokens
from adaptaug.data.from_user import to_examples
from adaptaug.data.lexicon import Lexicon, load_lexicon
from adaptaug.data.tags import check_bio
from adaptaug.data.vocabulary import IGNORED, Vocabulary
from adaptaug.errors import AdaptAugError
from adaptaug.ops import OpSpace, build_tables
from adaptaug.ops.word_space import make_word_space
from adaptaug.utils.types import Modality

logger = logging.getLogger(__name__)


def bind(
    op_space: OpSpace,
    first: Examples,
    num_classes: int,
    place: str,
    *,
    vocabulary: Vocabulary | None,
    encodings: Encodings | None = None,
    lexicon: str | Path | Lexicon | None,
    train: tuple[Tensor, Tensor] | Examples | None,
    classes: Sequence[str],
    seed: int,
) -> OpSpace:
    """The op space bound to all that its ops need for such data.

    Args:
        op_space: the ops.
        first: examples of the user's data: the held-out data, the training set or a batch.
        num_classes: number of classes or tags, K.
        place: where these examples are, for error messages.
        vocabulary: see `Augmenter`, as for all other arguments.
        encodings: those of a tokenizer, in place of a vocabulary; `first` and `train` are codes.
        lexicon: see `Augmenter`.
        train: see `Augmenter`.
        classes: see `Augmenter`.
        seed: see `Augmenter`.

    Raises:
        AdaptAugError: an argument that the ops need is missing, or does not fit the examples.
    """
    if encodings is not None:
        return _on_words(op_space, first, num_classes, encodings, lexicon, train, classes)
    if vocabulary is not None:
        tagged = _tagged(first, place, vocabulary, train, classes, num_classes)
        op_space = _with_tables(op_space, tagged, vocabulary, lexicon, classes)
    if any(op.fit is not None for op in op_space.ops):
        op_space = _fitted(op_space, first, place, train, num_classes, seed, classes, vocabulary)
    return op_space


def _tagged(
    first: Examples,
    place: str,
    vocabulary: Vocabulary,
    train: tuple[Tensor, Tensor] | Examples | None,
    classes: Sequence[str],
    num_classes: int,
) -> Examples:
    """The checked examples from which ops take tokens and mentions; none for untagged sentences."""
    if first.modality != "tagging":
        return Examples(first.inputs[:0], first.targets[:0])
    _check_names(train, classes, num_classes)
    assert train is not None
    examples = to_examples(train, "train").to(first.inputs.device)
    _check_tagged(examples)
    check_tokens(examples, "train", len(vocabulary))
    check_labels(examples.targets, num_classes, "train")
    check_bio(examples.targets, classes, "train")
    check_bio(first.targets, classes, place)
    return examples


def _check_names(train: object, classes: Sequence[str], num_classes: int) -> None:
    """Refuses tagging without a training set, or without a name for each of the model's tags."""
    if train is None or not classes:
        raise AdaptAugError(
            "tagging needs train=(ids, tags), from which ops take tokens and mentions, and the "
            f"names of the tags in classes, got {len(classes)} names"
            f"{' and no train' if train is None else ''}"
        )
    if not len(classes) == len(set(classes)) == num_classes:
        raise AdaptAugError(
            f"classes must name each of the model's {num_classes} tags, "
            f"got {len(set(classes))} different names"
        )


def _check_tagged(train: Examples) -> None:
    """Refuses a training set whose sentences have one label each."""
    if train.modality != "tagging":
        raise AdaptAugError(
            "train must be ids (N, L) and tags (N, L), "
            f"got {tuple(train.inputs.shape)} and {tuple(train.targets.shape)}"
        )


def _on_words(
    op_space: OpSpace,
    first: Examples,
    num_classes: int,
    encodings: Encodings,
    lexicon: str | Path | Lexicon | None,
    train: tuple[Tensor, Tensor] | Examples | None,
    classes: Sequence[str],
) -> OpSpace:
    """The op space on the words of a tokenizer."""
    examples = Examples(first.inputs[:0], first.targets[:0])
    if first.modality == "tagging":
        _check_names(train, classes, num_classes)
        assert isinstance(train, Examples)
        examples = train.to(first.inputs.device)
        _check_tagged(examples)
        known = examples.targets.where(examples.targets != IGNORED, 0)
        check_labels(known, num_classes, "train")
    synonyms = _synonyms(op_space, lexicon, first.modality)
    return make_word_space(op_space, encodings.vocabulary, synonyms, examples, classes)


def _synonyms(
    op_space: OpSpace, lexicon: str | Path | Lexicon | None, modality: Modality
) -> Lexicon | None:
    """The lexicon; without one, a warning names the ops that stay off."""
    synonyms = load_lexicon(str(lexicon)) if isinstance(lexicon, str | Path) else lexicon
    missing = [op.name for op in op_space.ops if op.needs_lexicon and modality in op.modalities]
    if synonyms is None and missing:
        logger.warning("without a lexicon these ops stay off: %s", ", ".join(missing))
    return synonyms


def _fitted(
    op_space: OpSpace,
    first: Examples,
    place: str,
    train: tuple[Tensor, Tensor] | Examples | None,
    num_classes: int,
    seed: int,
    classes: Sequence[str],
    vocabulary: Vocabulary | None,
) -> OpSpace:
    """The op space with the samples of its ops that generate, whose training data are checked."""
    if train is None:
        names = [op.name for op in op_space.ops if op.fit is not None]
        raise AdaptAugError(
            "ops that generate samples need train=(inputs, labels), the training set, "
            f"got none for {names}"
        )
    examples = to_examples(train, "train").to(first.inputs.device)
    if examples.modality != first.modality:
        raise AdaptAugError(
            f"train must be {first.modality} data as {place}, got {examples.modality} data"
        )
    ours, theirs = examples.inputs.shape[1:], first.inputs.shape[1:]
    if examples.modality == "image" and ours != theirs:
        raise AdaptAugError(
            f"train must have images of {place}'s shape {tuple(theirs)}, got {tuple(ours)}"
        )
    if vocabulary is not None:
        check_tokens(examples, "train", len(vocabulary))
    check_labels(examples.targets, num_classes, "train")
    return op_space.fitted(examples, num_classes, seed, tuple(classes), vocabulary)


def _with_tables(
    op_space: OpSpace,
    tagged: Examples,
    vocabulary: Vocabulary,
    lexicon: str | Path | Lexicon | None,
    classes: Sequence[str],
) -> OpSpace:
    """The op space with the tables of its token ops."""
    modality = tagged.modality
    synonyms = _synonyms(op_space, lexicon, modality)
    return op_space.on(build_tables(vocabulary, synonyms, tagged, classes, modality))
