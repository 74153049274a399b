"""How the project represents a data set: `Examples`, a `Source` and a `Split`."""

import hashlib
import logging
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from adaptaug.data.tags import check_bio
from adaptaug.data.vocabulary import IGNORED, PAD, Vocabulary
from adaptaug.errors import AdaptAugError
from adaptaug.utils.types import Modality

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled images or sentences, held whole on one device."""

    inputs: Tensor
    """Images: uint8 (N, C, H, W), pixels in 0..255. Sentences: int64 (N, L), ids in 0..V-1, at
    least one token each, padded on the right with `PAD`."""
    targets: Tensor
    """int64 (N,), class indices in 0..K-1; in tagging (N, L), `IGNORED` at padding."""

    @property
    def modality(self) -> Modality:
        """Kind of data, derived from the shapes of the tensors."""
        if self.inputs.ndim == 4:
            return "image"
        return "text" if self.targets.ndim == 1 else "tagging"

    def __len__(self) -> int:
        """Number of examples N."""
        return self.targets.shape[0]

    def __getitem__(self, index: Tensor) -> "Examples":
        """The rows at `index`: int64 (n,) or bool (N,), on any device."""
        index = index.to(self.targets.device)
        return Examples(self.inputs[index], self.targets[index])

    def to(self, device: torch.device | str) -> "Examples":
        """The same examples on `device`."""
        return Examples(self.inputs.to(device), self.targets.to(device))


@dataclass(frozen=True, eq=False)
class Source:
    """A data set before it is split; build one with `make_source`, which checks it."""

    name: str
    """Name as given to `load`: a built-in data set, a hub id or a folder."""
    train: Examples
    """The pool from which training and reward-validation rows are drawn."""
    test: Examples
    """The data set's own test split."""
    classes: tuple[str, ...]
    """Class names; the position is the label. In tagging the tags: "O", "B-PER", "I-PER"."""
    vocabulary: Vocabulary | None = None
    """The vocabulary of the ids, of V words; None for images."""

    @property
    def modality(self) -> Modality:
        """Kind of data: images, sentences or tagged sentences."""
        return self.train.modality

    @property
    def num_classes(self) -> int:
        """Number of classes K."""
        return len(self.classes)

    @property
    def channels(self) -> int:
        """Image channels: 1 (grayscale) or 3 (RGB)."""
        return self.train.inputs.shape[1]

    @property
    def size(self) -> tuple[int, int]:
        """Image height and width in pixels."""
        height, width = self.train.inputs.shape[2:]
        return height, width


@dataclass(frozen=True, eq=False)
class Split:
    """Three disjoint sets of examples; nothing is ever selected on `test`."""

    train: Examples
    """Training examples of the child."""
    validation: Examples
    """Reward-validation: the reward and the probes are measured on these examples."""
    test: Examples
    """Final test: reports are measured on these examples."""
    num_classes: int
    """Number of classes K, the same in all three."""


def make_source(
    name: str,
    train: Examples,
    test: Examples,
    classes: Sequence[str] | None = None,
    vocabulary: Vocabulary | None = None,
    test_part: str = "test",
) -> Source:
    """Checks that two sets of examples form one data set.

    Args:
        name: name of the data set.
        train: the pool; see `Examples`.
        test: the final test examples; images of the same (C, H, W), sentences of any L.
        classes: class names; without them, "0" to the largest label in `train`.
        vocabulary: vocabulary of the sentences; None for images.
        test_part: name of the test split, for error messages.

    Raises:
        AdaptAugError: an empty split, image shapes that differ between the splits, channels
            other than 1 or 3, an id outside 0..V-1, a sentence without a token, padding elsewhere
            than on the right, fewer than two classes, a label outside 0..K-1 or, without
            `classes`, above the number of rows, or tags that are not in BIO form.
    """
    places = [f"split '{part}' of data set '{name}'" for part in ("train", test_part)]
    splits = list(zip(places, (train, test), strict=True))
    for place, examples in splits:
        if len(examples) == 0:
            raise AdaptAugError(f"a split needs at least one row, got 0 in {place}")
    if vocabulary is None:
        _check_images(train, test, name)
    else:
        for place, examples in splits:
            check_tokens(examples, place, len(vocabulary))
    if classes is None:
        rule = "without class names, labels must be smaller than the number of rows"
        _raise_first(train.targets >= len(train), train.targets, rule, places[0])
        classes = [str(label) for label in range(int(train.targets.max()) + 1)]
    if len(classes) < 2:
        raise AdaptAugError(
            f"a data set needs at least 2 classes, got {len(classes)} in data set '{name}'"
        )
    source = Source(name, train, test, tuple(classes), vocabulary)
    for place, examples in splits:
        check_labels(examples.targets, len(classes), place)
        if source.modality == "tagging":
            check_bio(examples.targets, source.classes, place)
    return source


def check_same_classes(
    classes: Sequence[str], others: Sequence[str], name: str, part: str = "test"
) -> None:
    """Checks that a label means the same in the splits "train" and `part`.

    Raises:
        AdaptAugError: the classes of `part` are others, or have another order.
    """
    if list(classes) == list(others):
        return
    only = [f"'{label}' only in 'train'" for label in classes if label not in others]
    only += [f"'{label}' only in '{part}'" for label in others if label not in classes]
    raise AdaptAugError(
        "all splits must have the same classes in the same order, got "
        + ", ".join(only or [f"another order in '{part}'"])
        + f" of data set '{name}'"
    )


def image_keys(images: Tensor) -> Iterator[bytes]:
    """A digest of each image: equal ones, uint8 (C, H, W), have the same."""
    for image in images.cpu().numpy():
        yield hashlib.blake2b(image.tobytes(), digest_size=16).digest()


def tell_duplicates(name: str, train: Iterable[Hashable], test: Iterable[Hashable]) -> None:
    """Warns of test examples that are training examples too, given all examples or their keys."""
    pool, keys = set(train), list(test)
    rows = [row for row, key in enumerate(keys) if key in pool]
    if rows:
        logger.warning(
            "data set '%s': %d of %d test examples are training examples too, the first in row %d "
            "of the test split: scores on it are too high", name, len(rows), len(keys), rows[0],
        )  # fmt: skip


def check_tokens(examples: Examples, place: str, vocabulary_size: int | None = None) -> None:
    """Raises AdaptAugError unless sentences and their labels or tags have the form of `Examples`.

    Args:
        examples: int64 ids (N, L), targets (N,) or (N, L).
        place: where they are, for error messages.
        vocabulary_size: V; None leaves large ids unchecked.
    """
    ids, targets = examples.inputs, examples.targets
    _raise_first(ids < 0, ids, "ids must not be negative", place)
    if vocabulary_size is not None:
        rule = f"ids must lie in 0..{vocabulary_size - 1}, the vocabulary"
        _raise_first(ids >= vocabulary_size, ids, rule, place)
    padding = ids == PAD
    empty = padding.all(dim=1).nonzero()
    if len(empty):
        raise AdaptAugError(
            f"a sentence needs at least one token, got only padding in row {int(empty[0])} "
            f"of {place}"
        )
    rule = f"padding (id {PAD}) must stand on the right only, with no word after it"
    _raise_first(padding[:, :-1] & ~padding[:, 1:], ids, rule, place)
    if targets.ndim == 2:
        rule = f"tags must be {IGNORED} at padding and only there"
        _raise_first((targets == IGNORED) != padding, targets, rule, place)


def check_labels(targets: Tensor, num_classes: int, place: str) -> None:
    """Raises AdaptAugError at the first label, int64 (N,), or tag, (N, L), outside 0..K-1."""
    wrong = (targets < 0) | (targets >= num_classes)
    if targets.ndim == 2:
        wrong &= targets != IGNORED
    _raise_first(wrong, targets, f"labels must lie in 0..{num_classes - 1}", place)


def _raise_first(wrong: Tensor, values: Tensor, rule: str, place: str) -> None:
    """Raises AdaptAugError with the first wrong value, in row order, and where it is."""
    found = wrong.nonzero()
    if len(found):
        row, *token = found[0].tolist()
        where = f"row {row}, token {token[0]}" if token else f"row {row}"
        raise AdaptAugError(f"{rule}, got {int(values[row, *token])} in {where} of {place}")


def _check_images(train: Examples, test: Examples, name: str) -> None:
    """Raises AdaptAugError unless both splits have images of one shape, of 1 or 3 channels."""
    shape, test_shape = tuple(train.inputs.shape[1:]), tuple(test.inputs.shape[1:])
    if shape != test_shape:
        raise AdaptAugError(
            "images must have one shape (channels, height, width) in all splits, "
            f"got {shape} in 'train' and {test_shape} in 'test' of data set '{name}'"
        )
    if shape[0] not in (1, 3):
        raise AdaptAugError(
            f"images must have 1 or 3 channels, got {shape[0]} in data set '{name}'"
        )
