"""Checks and converts a user's own data: tensors, and PyTorch `Dataset` objects of images."""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from adaptaug.data.examples import (
    Examples,
    Source,
    check_same_classes,
    check_tokens,
    image_keys,
    make_source,
    tell_duplicates,
)
from adaptaug.data.images import Layout, decode, upright
from adaptaug.errors import AdaptAugError

Array = Tensor | np.ndarray
"""A tensor, or a NumPy array, which is taken as a tensor without a copy."""


def from_tensors(
    inputs: Array,
    targets: Array,
    test_inputs: Array,
    test_targets: Array,
    name: str = "tensors",
    classes: Sequence[str] | None = None,
) -> Source:
    """Makes a source from images and labels in tensors or NumPy arrays.

    Args:
        inputs: images of the pool (N, C, H, W), uint8 in 0..255 or floating point in [0, 1].
        targets: their labels (N,), any integer type, in 0..K-1.
        test_inputs: images of the test split (M, C, H, W).
        test_targets: their labels (M,).
        name: name of the data set.
        classes: K class names; by default "0" to the largest label.

    Returns:
        The source; uint8 inputs are not copied.

    Raises:
        AdaptAugError: neither tensors nor arrays, wrong shape or type, NaN or infinite pixels,
            floating-point pixels outside [0, 1], labels outside 0..K-1, or lengths that differ.
    """
    parts: list[Examples] = []
    for part, images, labels in (
        ("train", inputs, targets),
        ("test", test_inputs, test_targets),
    ):
        place = f"split '{part}' of data set '{name}'"
        pair = _tensor(images, "inputs", place), _tensor(labels, "targets", place)
        parts.append(checked_examples(*pair, place))
    return _source(name, parts, classes)


def from_dataset(
    train: Dataset[Any],
    test: Dataset[Any],
    name: str = "dataset",
    classes: Sequence[str] | None = None,
) -> Source:
    """Makes a source from two map-style Datasets of `(image, label)`; each row is read once.

    Args:
        train: the pool; an image is a PIL image, which EXIF may turn, or a tensor (C, H, W) as in
            `from_tensors`.
        test: the test split.
        name: name of the data set.
        classes: class names; by default `train.classes` if it exists, as in torchvision, else "0"
            to the largest label.

    Raises:
        AdaptAugError: as `from_tensors`, images of mixed type, size or mode, a row that cannot be
            read, or classes, as `train` and `test` name them, that differ.
    """
    named = [_class_names(dataset) for dataset in (train, test)]
    if named[0] is not None and named[1] is not None:
        check_same_classes(named[0], named[1], name)
    layout: Layout | None = None
    parts: list[Examples] = []
    for part, dataset in (("train", train), ("test", test)):
        place = f"split '{part}' of data set '{name}'"
        examples, layout = _decoded(dataset, place, layout, upright)
        parts.append(examples)
    return _source(name, parts, named[0] if classes is None else classes)


def _source(name: str, parts: list[Examples], classes: Sequence[str] | None) -> Source:
    """The source of a training and a test split."""
    source = make_source(name, parts[0], parts[1], classes)
    tell_duplicates(name, *(image_keys(part.inputs) for part in parts))
    return source


def _class_names(dataset: Any) -> list[str] | None:
    """The class names of a Dataset, or of the one that it is a subset of; None if it has none."""
    while not hasattr(dataset, "classes") and hasattr(dataset, "dataset"):
        dataset = dataset.dataset
    names = getattr(dataset, "classes", None)
    return [str(label) for label in names] if isinstance(names, Sequence | np.ndarray) else None


def to_examples(data: Examples | Dataset[Any] | tuple[Array, Array], place: str) -> Examples:
    """Checks a user's examples and converts them to `Examples`.

    Args:
        data: `Examples`; a pair (images, labels) as in `from_tensors`; a pair (ids, labels or tags)
            as in `Examples`; or a Dataset of images as in `from_dataset`.
        place: name of the argument, for error messages: "held_out".

    Raises:
        AdaptAugError: `data` is of another type, there is no example, or one breaks a rule of
            `from_tensors`, `from_dataset` or `Examples`.
    """
    if isinstance(data, tuple) and len(data) == 2:
        inputs, targets = _tensor(data[0], "inputs", place), _tensor(data[1], "targets", place)
        examples = _checked(inputs, targets, place)
    elif isinstance(data, Examples):
        examples = _checked(data.inputs, data.targets, place)
    elif _is_dataset(data):
        examples, _ = _decoded(data, place)
    else:
        kind = f"a tuple of {len(data)}" if isinstance(data, tuple) else type(data).__name__
        raise AdaptAugError(f"{place} must be (inputs, targets), Examples or a Dataset, got {kind}")
    if len(examples) == 0:
        raise AdaptAugError(f"at least one example is needed, got 0 in {place}")
    return examples


def _is_dataset(data: object) -> bool:
    """Whether it is a Dataset, or an object of a user's class that can be read like one."""
    if isinstance(data, Tensor | np.ndarray | str | bytes | list | tuple | dict):
        return False
    return isinstance(data, Dataset) or (hasattr(data, "__len__") and hasattr(data, "__getitem__"))


def _tensor(values: Any, what: str, place: str) -> Tensor:
    """The values as a tensor; arrays are not copied."""
    try:
        return torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise AdaptAugError(
            f"{what} must be a tensor or a NumPy array of numbers, "
            f"got {type(values).__name__} in {place}"
        ) from error


def _decoded(
    dataset: Dataset[Any],
    place: str,
    layout: Layout | None = None,
    seen: Callable[[Image.Image], Image.Image] = lambda image: image,
) -> tuple[Examples, Layout | None]:
    """All examples of a map-style data set, and the layout of its images if they are PIL images.

    `seen` turns PIL images. Those of held-out data stay as the training, which gets them too, sees
    them.
    """
    images, targets = _read(dataset, place)
    if all(isinstance(image, Image.Image) for image in images):
        inputs, layout, _ = decode(lambda row: seen(images[row]), len(images), place, layout)
    else:
        inputs = _stack(images, place)
    return checked_examples(inputs, targets, place), layout


def checked_examples(inputs: Tensor, targets: Tensor, place: str) -> Examples:
    """Checks one split's images and labels and converts them to uint8 and int64."""
    if inputs.ndim != 4:
        raise AdaptAugError(
            f"images must have shape (N, C, H, W), got {tuple(inputs.shape)} in {place}"
        )
    if targets.ndim != 1 or len(targets) != len(inputs):
        raise AdaptAugError(
            f"labels must have shape ({len(inputs)},), one for each image, "
            f"got {tuple(targets.shape)} in {place}"
        )
    _check_integers(targets, "labels", place)
    return Examples(_to_bytes(inputs, place), targets.to(inputs.device, torch.int64))


def _checked(inputs: Tensor, targets: Tensor, place: str) -> Examples:
    """Checks images, or token ids if the inputs have two dimensions."""
    check = _checked_ids if inputs.ndim == 2 else checked_examples
    return check(inputs, targets, place)


def _checked_ids(ids: Tensor, targets: Tensor, place: str) -> Examples:
    """Checks token ids and their labels or tags and converts them to int64."""
    shapes = (tuple(ids.shape[:1]), tuple(ids.shape))
    if tuple(targets.shape) not in shapes:
        raise AdaptAugError(
            f"targets must have shape {shapes[0]}, a label for each sentence, or {shapes[1]}, "
            f"a tag for each token, got {tuple(targets.shape)} in {place}"
        )
    _check_integers(ids, "token ids", place)
    _check_integers(targets, "labels", place)
    examples = Examples(ids.to(torch.int64), targets.to(ids.device, torch.int64))
    check_tokens(examples, place)
    return examples


def _check_integers(values: Tensor, what: str, place: str) -> None:
    """Raises AdaptAugError if a tensor is floating point, complex or bool."""
    if values.is_floating_point() or values.is_complex() or values.dtype == torch.bool:
        raise AdaptAugError(f"{what} must be integers, got {values.dtype} in {place}")


def _to_bytes(inputs: Tensor, place: str) -> Tensor:
    """Pixels (N, C, H, W) to uint8; floating point in [0, 1] is rounded to 1/255."""
    if inputs.dtype == torch.uint8:
        return inputs.contiguous()
    if not inputs.is_floating_point():
        raise AdaptAugError(
            f"pixels must be uint8 or floating point in [0, 1], got {inputs.dtype} in {place}"
        )
    for rule, wrong in (
        ("pixels must be finite", ~inputs.isfinite()),
        ("floating-point pixels must lie in [0, 1]", (inputs < 0) | (inputs > 1)),
    ):
        if wrong.any():
            row = int(wrong.flatten(1).any(dim=1).nonzero()[0])
            value = float(inputs[row][wrong[row]][0])
            raise AdaptAugError(f"{rule}, got {value:g} in row {row} of {place}")
    return (inputs * 255).round().to(torch.uint8).contiguous()


def _read(dataset: Dataset[Any], place: str) -> tuple[list[Any], Tensor]:
    """All images and labels, int64 (N,), of a map-style data set."""
    if not hasattr(dataset, "__len__"):
        raise AdaptAugError(
            f"a Dataset must have a length, got {type(dataset).__name__} for {place}"
        )
    images: list[Any] = []
    labels: list[int] = []
    for row in range(len(dataset)):
        try:
            example = dataset[row]
        except Exception as error:
            files = getattr(dataset, "samples", None)  # torchvision's convention
            where = f"row {row}, file '{files[row][0]}'," if files else f"row {row}"
            raise AdaptAugError(
                f"a Dataset must be able to read every row, got {type(error).__name__} in {where} "
                f"of {place} ({error})"
            ) from error
        try:
            image, label = example
            labels.append(operator.index(label))  # unlike int(), refuses 1.5
        except (TypeError, ValueError) as error:
            raise AdaptAugError(
                "a Dataset's rows must be (image, integer label), "
                f"got another kind in row {row} of {place} ({error})"
            ) from error
        images.append(image)
    if not images:
        raise AdaptAugError(f"a split needs at least one row, got 0 in {place}")
    return images, torch.tensor(labels, dtype=torch.int64)


def _stack(images: list[Any], place: str) -> Tensor:
    """Stacks tensors, which must have one shape and type, into one batch."""
    kinds = [_kind(image) for image in images]
    for row, (image, kind) in enumerate(zip(images, kinds, strict=True)):
        if not isinstance(image, Tensor | Image.Image):
            raise AdaptAugError(
                f"a Dataset's images must be tensors or PIL images, got {kind} "
                f"in row {row} of {place}"
            )
        if kind != kinds[0]:
            raise AdaptAugError(
                "images of a data set must all have one size and type, "
                f"got {kinds[0]} in row 0 and {kind} in row {row} of {place}"
            )
    return torch.stack(images)


def _kind(image: object) -> str:
    """Shape and type of an image in words: all images of a Dataset must share them."""
    if isinstance(image, Tensor):
        return f"{image.dtype} {tuple(image.shape)}"
    return type(image).__name__
