"""A user's held-out data as `Examples`: tensors, arrays, a Dataset of pairs or dicts, a loader."""

from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from adaptaug.augmenter.batch_check import as_tensor, check_pixels
from adaptaug.augmenter.normalisation import Normalisation
from adaptaug.data.batches import joined
from adaptaug.data.examples import Examples
from adaptaug.data.from_user import to_examples
from adaptaug.data.vocabulary import IGNORED
from adaptaug.errors import AdaptAugError

HeldOut = tuple[Tensor, Tensor] | Dataset[Any] | DataLoader[Any] | Examples
"""The forms of an `Augmenter`'s argument `held_out`; NumPy arrays may stand for tensors."""

_INPUTS = ("pixel_values", "input_ids", "image", "img", "images")
_TARGETS = ("labels", "label", "fine_label", "target", "targets")
"""Names of the input and of the label in rows that are dicts; the first that is there is taken."""


def own_examples(data: HeldOut, place: str, norm: Normalisation | None) -> Examples:
    """Checks a user's examples and converts them to `Examples`; ignored labels are left out.

    Args:
        data: what `to_examples` takes; a Dataset whose rows are dicts, as `datasets.Dataset`; or a
            DataLoader, which is read once.
        place: name of the argument, for error messages.
        norm: what was done to floating-point images; None if they are pixels in [0, 1].

    Raises:
        AdaptAugError: as `to_examples`; a row or batch has no input or no label under a known name;
            or pixels lie outside [0, 1].
    """
    if isinstance(data, DataLoader):
        data = _of_loader(data, place)
    elif _has_rows(data):
        data = _Rows(data, place, norm)
    if isinstance(data, tuple) and len(data) == 2:
        inputs, targets = (
            _values(part, what, place) if isinstance(part, Tensor | np.ndarray) else part
            for part, what in zip(data, ("inputs", "targets"), strict=True)
        )
        data = _pixels(inputs, place, norm), targets
    examples = to_examples(data, place)
    known = examples.targets != IGNORED
    if examples.targets.ndim > 1 or known.all():
        return examples
    if not known.any():
        raise AdaptAugError(f"some example must have a label, got {IGNORED} for all in {place}")
    return examples[known]


def _values(part: Tensor | np.ndarray, what: str, place: str) -> Tensor:
    """A tensor whose values can be read."""
    values = as_tensor(part, what, place)
    if values.is_meta:
        raise AdaptAugError(f"{what} must have values, got a tensor on device meta in {place}")
    return values


def _has_rows(data: object) -> bool:
    """Whether it is a map-style data set, of torch or of `datasets`."""
    if isinstance(data, Examples | Tensor | np.ndarray | str | bytes | list | tuple | dict):
        return False
    return hasattr(data, "__getitem__") and hasattr(data, "__len__")


def _pixels(inputs: Any, place: str, norm: Normalisation | None) -> Any:
    """Images (N, C, H, W) without their normalisation, in [0, 1]; anything else unchanged."""
    if not isinstance(inputs, Tensor) or inputs.ndim != 4:
        return inputs
    images = inputs if norm is None else norm.undone(inputs, place)
    check_pixels(images, place)
    return images


class _Rows(Dataset[Any]):
    """Rows of a map-style data set as (image, label): dicts too, and images normalised or not."""

    def __init__(self, rows: Any, place: str, norm: Normalisation | None) -> None:
        self._rows, self._place, self._norm = rows, place, norm

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Any:
        row = self._rows[index]
        if isinstance(row, Mapping):
            image, *label = _columns(row, self._place)
            row = _channels_first(image) if isinstance(image, np.ndarray) else image, *label
        if isinstance(row, tuple | list) and row and isinstance(row[0], Tensor):
            row = _pixels(row[0][None], f"image {index} of {self._place}", self._norm)[0], *row[1:]
        return row


def _columns(row: Mapping[str, Any], place: str) -> tuple[Any, Any]:
    """The input and the label in a row or a batch that is a dict."""
    for names in (_INPUTS, _TARGETS):
        if not any(name in row for name in names):
            raise AdaptAugError(
                f"rows of {place} must have one of the columns {', '.join(names)}, "
                f"got {', '.join(map(str, row))}"
            )
    image, label = (
        next(row[name] for name in names if name in row) for names in (_INPUTS, _TARGETS)
    )
    return image, label


def _channels_first(image: np.ndarray) -> Tensor:
    """An array (H, W), (H, W, C) or (C, H, W) as a tensor (C, H, W)."""
    if image.ndim == 2:
        image = image[None]
    elif image.shape[0] not in (1, 3) and image.shape[-1] in (1, 3):
        image = np.moveaxis(image, -1, 0)
    return torch.from_numpy(np.array(image, order="C"))  # may be read-only


def _of_loader(loader: DataLoader[Any], place: str) -> tuple[Tensor, Tensor]:
    """All batches of a loader as one; torch's random state is as before afterwards."""
    with torch.random.fork_rng([]):
        batches = [_pair(batch, place) for batch in loader]
    if not batches:
        raise AdaptAugError(f"at least one example is needed, got 0 in {place}")
    shapes = {tuple(inputs.shape[1:]) for inputs, _ in batches if inputs.ndim == 4}
    if len(shapes) > 1:
        raise AdaptAugError(f"images of {place} must have one shape, got {sorted(shapes)}")
    if shapes:
        inputs, targets = (torch.cat(parts) for parts in zip(*batches, strict=True))
        return inputs, targets
    whole = reduce(joined, (Examples(*batch) for batch in batches))  # pads the sentences
    return whole.inputs, whole.targets


def _pair(batch: Any, place: str) -> tuple[Tensor, Tensor]:
    """Inputs and targets of a loader's batch."""
    if isinstance(batch, Mapping):
        batch = _columns(batch, place)
    parts = list(batch) if isinstance(batch, Iterable) else [batch]
    if len(parts) != 2 or not all(isinstance(part, Tensor) for part in parts):
        kinds = ", ".join(type(part).__name__ for part in parts[:4])
        raise AdaptAugError(f"batches of {place} must be two tensors, got {kinds}")
    return parts[0], parts[1]
