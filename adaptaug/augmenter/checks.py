"""Checks of what a user passes to an `Augmenter`: numbers, examples, and every batch."""

from dataclasses import dataclass
from numbers import Integral

import torch
from torch import Tensor, nn

from adaptaug.controllers import Controller
from adaptaug.data.batches import hard
from adaptaug.data.examples import Examples, check_labels, check_tokens
from adaptaug.data.from_user import to_examples
from adaptaug.data.tags import check_bio
from adaptaug.data.vocabulary import Vocabulary
from adaptaug.errors import AdaptAugError
from adaptaug.metrics import predict
from adaptaug.policy.observation import HELD_OUT_FEATURES
from adaptaug.utils.types import Modality


def check_counts(**counts: int | None) -> None:
    """Refuses values that are not whole numbers of at least 1; None stands for a default."""
    for name, value in counts.items():
        if value is not None and not (isinstance(value, Integral) and value >= 1):
            raise AdaptAugError(f"{name} must be a whole number of at least 1, got {value!r}")


def check_without_held_out(controller: Controller) -> None:
    """Refuses a controller that cannot do without held-out data.

    Raises:
        AdaptAugError: the controller reads features that need held-out data.
    """
    if controller.needs_held_out and {*controller.features} & {*HELD_OUT_FEATURES}:
        raise AdaptAugError(
            f"the controller {type(controller).__name__} reads the loss on held-out data, so "
            "held_out must be labelled examples that are not trained on, got None"
        )


def check_device(inputs: Tensor, device: torch.device, place: str) -> None:
    """Refuses a batch that is on another device than the model.

    Raises:
        AdaptAugError: the devices differ.
    """
    if inputs.device != device:
        raise AdaptAugError(
            f"{'images' if inputs.ndim == 4 else 'ids'} must be on {device}, as the model when the "
            f"Augmenter was made, got {inputs.device} in {place}"
        )


def count_classes(model: nn.Module, examples: Examples) -> int:
    """Number of classes K, read from the model's logits of one example.

    Raises:
        AdaptAugError: the model does not return logits for 2 classes or more.
    """
    with torch.random.fork_rng([examples.inputs.device] if examples.inputs.is_cuda else []):
        logits = predict(model, examples.inputs[:1])
    dimensions, form = (3, "(B, L, K)") if examples.modality == "tagging" else (2, "(B, K)")
    if logits.ndim != dimensions or logits.shape[-1] < 2:
        raise AdaptAugError(
            f"the model must return logits {form} for 2 classes or more, got {tuple(logits.shape)}"
        )
    return logits.shape[-1]


def check_vocabulary(examples: Examples, vocabulary: Vocabulary | None, place: str) -> None:
    """Checks that sentences, and no images, come with a vocabulary that fits them.

    Args:
        examples: images or sentences.
        vocabulary: what the user passed as the words of the ids.
        place: where the examples are, for error messages.

    Raises:
        AdaptAugError: the vocabulary is missing, not needed, or has too few ids.
    """
    if not isinstance(vocabulary, Vocabulary | None):
        raise AdaptAugError(
            f"vocabulary must be one that build_vocabulary makes, got {type(vocabulary).__name__}"
        )
    if (vocabulary is None) != (examples.modality == "image"):
        given = "no vocabulary" if vocabulary is None else f"a vocabulary of {len(vocabulary)} ids"
        raise AdaptAugError(
            "vocabulary goes with sentences, given as ids (N, L), "
            f"got {given} for {place} of shape {tuple(examples.inputs.shape)}"
        )
    if vocabulary is not None:
        check_tokens(examples, place, len(vocabulary))


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
            examples = to_examples((inputs, hard(targets)), place)
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
        (low, high), (first, last) = inputs.aminmax(), hard(targets).aminmax()
        brightest = 1 if inputs.is_floating_point() else 255
        return bool(low >= 0 and high <= brightest and first >= 0 and last < self.num_classes)

    def _check_shapes(self, inputs: Tensor, targets: Tensor, place: str) -> None:
        size = len(inputs) if inputs.ndim else 0
        shape = self.shape if self.modality == "image" else tuple(inputs.shape[1:])
        fitting: dict[Modality, list[tuple[int, ...]]] = {
            "image": [(size,), (size, self.num_classes)],
            "text": [(size,)],
            "tagging": [tuple(inputs.shape)],
        }
        if (
            inputs.ndim != len(self.shape) + 1
            or inputs.shape[1:] != shape
            or targets.shape not in fitting[self.modality]
        ):
            raise AdaptAugError(
                f"a batch must be {self._expected()}, "
                f"got {tuple(inputs.shape)} and {tuple(targets.shape)} in {place}"
            )

    def _expected(self) -> str:
        """Describes a batch that fits, for the error."""
        rules: dict[Modality, str] = {
            "image": f"images (B, {', '.join(map(str, self.shape))}), as in {self.first}, "
            f"and targets (B,) or (B, {self.num_classes})",
            "text": "ids (B, L) and targets (B,)",
            "tagging": "ids (B, L) and tags (B, L)",
        }
        return rules[self.modality]
