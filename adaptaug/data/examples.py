"""What the rest of the project sees of a data set: examples, a source, a split."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from adaptaug.errors import AdaptAugError


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled images, held whole on one device."""

    inputs: Tensor
    """uint8 (N, C, H, W), pixels in 0..255."""
    targets: Tensor
    """int64 (N,), class indices in 0..K-1."""

    def __len__(self) -> int:
        """Number of examples N."""
        return self.targets.shape[0]

    def __getitem__(self, index: Tensor) -> "Examples":
        """The rows that ``index`` names: int64 (n,) or bool (N,), on any device."""
        index = index.to(self.targets.device)
        return Examples(self.inputs[index], self.targets[index])

    def to(self, device: torch.device | str) -> "Examples":
        """The same examples on ``device``."""
        return Examples(self.inputs.to(device), self.targets.to(device))


@dataclass(frozen=True, eq=False)
class Source:
    """A data set before it is split; build one with `make_source`, which checks it."""

    name: str
    """What `load` calls it: an embedded name, a hub id or a folder."""
    train: Examples
    """The pool from which training and reward-validation rows are drawn."""
    test: Examples
    """The data set's own test split."""
    classes: tuple[str, ...]
    """Class names; the position is the label."""

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
    """Three disjoint sets of examples; nothing is ever selected on ``test``."""

    train: Examples
    """What the child learns from."""
    validation: Examples
    """Reward-validation: what the reward and the probes are measured on."""
    test: Examples
    """Final test: what reports are measured on."""
    num_classes: int
    """Number of classes K, the same in all three."""


def make_source(
    name: str, train: Examples, test: Examples, classes: Sequence[str] | None = None
) -> Source:
    """Check that two sets of examples form one data set.

    Args:
        name: what to call it.
        train: the pool; inputs uint8 (N, C, H, W), targets int64 (N,).
        test: the final test examples, of the same (C, H, W).
        classes: class names; without them, "0" to the largest label in ``train``.

    Raises:
        AdaptAugError: an empty split, image shapes that differ between the splits, channels
            other than 1 or 3, fewer than two classes, or a label outside 0..K-1.
    """
    for part, examples in (("train", train), ("test", test)):
        if len(examples) == 0:
            raise AdaptAugError(
                f"a split needs at least one row, got 0 in split '{part}' of data set '{name}'"
            )
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
    if classes is None:
        classes = [str(label) for label in range(int(train.targets.max()) + 1)]
    if len(classes) < 2:
        raise AdaptAugError(
            f"a data set needs at least 2 classes, got {len(classes)} in data set '{name}'"
        )
    for part, examples in (("train", train), ("test", test)):
        check_labels(examples.targets, len(classes), f"split '{part}' of data set '{name}'")
    return Source(name, train, test, tuple(classes))


def check_labels(targets: Tensor, num_classes: int, place: str) -> None:
    """Raise AdaptAugError at the first of the labels, int64 (N,), that is not in 0..K-1."""
    wrong = ((targets < 0) | (targets >= num_classes)).nonzero()
    if len(wrong):
        row = int(wrong[0])
        raise AdaptAugError(
            f"labels must lie in 0..{num_classes - 1}, got {int(targets[row])} "
            f"in row {row} of {place}"
        )
