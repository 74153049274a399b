"""Checks of every batch that an `Augmenter` is called with."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from adaptaug.augmenter.checks import check_device
from adaptaug.data.batches import hard
from adaptaug.data.examples import Examples, check_labels, check_tokens
from adaptaug.data.from_user import to_examples
from adaptaug.data.tags import check_bio
from adaptaug.data.vocabulary import IGNORED
from adaptaug.errors import AdaptAugError
from adaptaug.utils.types import Modality

_SUM_TOLERANCE = 0.02
"""How far a label distribution's sum may be from 1, as half precision rounds it."""


def as_tensor(values: object, what: str, place: str) -> Tensor:
    """A tensor, or a NumPy array as one.

    Raises:
        AdaptAugError: the values are something else, such as a list of boxes.
    """
    if isinstance(values, np.ndarray) and values.dtype.kind in "biuf":
        return torch.from_numpy(np.array(values, order="C"))  # may be read-only
    if not isinstance(values, Tensor):
        kind = type(values).__name__
    elif values.layout != torch.strided or values.is_complex():
        kind = f"{values.layout} {values.dtype}"
    else:
        return values
    raise AdaptAugError(
        f"{what} must be a dense tensor or a NumPy array of real numbers, got {kind} in {place}"
    )


def check_pixels(images: Tensor, place: str) -> None:
    """Refuses floating-point images (N, C, H, W) that are not finite or lie outside [0, 1].

    Raises:
        AdaptAugError: the first such pixel.
    """
    if not images.is_floating_point():
        return
    for rule, wrong in (
        ("pixels must be finite", ~images.isfinite()),
        ("floating-point pixels must lie in [0, 1]", (images < 0) | (images > 1)),
    ):
        if wrong.any():
            row = int(wrong.flatten(1).any(dim=1).nonzero()[0])
            value = float(images[row][wrong[row]][0])
            raise AdaptAugError(
                f"{rule}, got {value:g} in row {row} of {place}; "
                "if the images are normalised, pass mean= and std="
            )


def check_distributions(targets: Tensor, place: str) -> None:
    """Refuses label distributions (B, K) that are not finite, are negative or do not sum to 1.

    Raises:
        AdaptAugError: the first such row.
    """
    sums = targets.float().sum(1)
    for rule, value, wrong in (
        ("be finite", sums, ~sums.isfinite()),
        ("not be negative", targets.amin(1), (targets < 0).any(1)),
        ("sum to 1", sums, (sums - 1).abs() > _SUM_TOLERANCE),
    ):
        if wrong.any():
            row = int(wrong.nonzero()[0])
            raise AdaptAugError(
                f"label distributions must {rule}, "
                f"got {float(value[row]):g} in row {row} of {place}"
            )


def known(examples: Examples) -> Examples:
    """The examples with class 0 for labels (N,) that are ignored; tags (N, L) unchanged."""
    if examples.targets.ndim == 2:
        return examples
    return Examples(examples.inputs, examples.targets.where(examples.targets != IGNORED, 0))


@dataclass(frozen=True)
class BatchCheck:
    """Checks that batches fit the model and the first examples of an `Augmenter`."""

    device: torch.device
    """Device of the model."""
    modality: Modality
    """Modality of the first examples."""
    shape: tuple[int, ...]
    """Shape of one of them: (C, H, W), or (L,)."""
    first: str
    """Where the first examples are, for errors: 'held_out', 'train' or 'batch 0'."""
    num_classes: int
    """Number of classes or tags, K."""
    vocabulary_size: int | None
    """Number of ids V; None for images."""
    classes: tuple[str, ...]
    """Names of the tags; read only in tagging."""

    def __call__(self, inputs: Tensor, targets: Tensor, step: int) -> None:
        """Checks the device, the shapes and the values of a batch.

        On a GPU the values are checked in batch 0 only, because reading them synchronises.

        Raises:
            AdaptAugError: the batch does not fit; see `Augmenter.__call__`.
        """
        place = f"batch {step}"
        check_device(inputs, self.device, place)
        self._check_shapes(inputs, targets, place)
        if step == 0 or (inputs.device.type == "cpu" and not self._in_range(inputs, targets)):
            self._check_values(inputs, targets, place)

    def _check_values(self, inputs: Tensor, targets: Tensor, place: str) -> None:
        """Checks pixels or ids, and labels, distributions or tags."""
        if targets.is_floating_point():
            check_distributions(targets, place)
        if self.modality == "image":
            check_pixels(inputs, place)
        examples = known(to_examples((inputs, hard(targets)), place))
        check_labels(examples.targets, self.num_classes, place)
        if self.vocabulary_size is not None:
            check_tokens(examples, place, self.vocabulary_size)
        if self.modality == "tagging":
            check_bio(examples.targets, self.classes, place)

    def _in_range(self, inputs: Tensor, targets: Tensor) -> bool:
        """Fast range check for images; False for sentences, which always take the full check."""
        if len(inputs) == 0:
            return True
        if self.modality != "image":
            return False
        (low, high), (first, last) = inputs.aminmax(), targets.aminmax()
        brightest = 1 if inputs.is_floating_point() else 255
        if targets.is_floating_point():  # comparisons with NaN are false
            sums = targets.float().sum(1)
            fitting = bool(first >= 0 and (sums - 1).abs().max() <= _SUM_TOLERANCE)
        else:
            fitting = bool(first >= 0 and last < self.num_classes)
        return fitting and bool(low >= 0 and high <= brightest)

    def _check_shapes(self, inputs: Tensor, targets: Tensor, place: str) -> None:
        size = len(inputs) if inputs.ndim else 0
        shape = self.shape if self.modality == "image" else tuple(inputs.shape[1:])
        soft = self.modality == "image" and targets.is_floating_point() and targets.ndim == 2
        fitting: dict[Modality, tuple[int, ...]] = {
            "image": (size, self.num_classes) if soft else (size,),
            "text": (size,),
            "tagging": tuple(inputs.shape),
        }
        if (
            inputs.ndim != len(self.shape) + 1
            or inputs.shape[1:] != shape
            or targets.shape != fitting[self.modality]
        ):
            raise AdaptAugError(
                f"a batch must be {self._expected()}, "
                f"got {tuple(inputs.shape)} and {tuple(targets.shape)} in {place}"
            )
        if self.modality == "image" and not (
            inputs.is_floating_point() or inputs.dtype == torch.uint8
        ):
            raise AdaptAugError(
                f"pixels must be uint8 or floating point in [0, 1], got {inputs.dtype} in {place}"
            )
        if targets.dtype == torch.bool or (targets.is_floating_point() and not soft):
            raise AdaptAugError(f"labels must be integers, got {targets.dtype} in {place}")

    def _expected(self) -> str:
        """Describes a batch that fits, for the error."""
        rules: dict[Modality, str] = {
            "image": f"images (B, {', '.join(map(str, self.shape))}), as in {self.first}, "
            f"and targets (B,) or (B, {self.num_classes})",
            "text": "ids (B, L) and targets (B,)",
            "tagging": "ids (B, L) and tags (B, L)",
        }
        return rules[self.modality]
