"""Checks of what a user passes to an `Augmenter` when it is made: numbers, model, examples."""

from numbers import Integral

import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from adaptaug.augmenter.model_view import ModelView
from adaptaug.controllers import Controller
from adaptaug.data.examples import Examples, check_tokens
from adaptaug.data.vocabulary import Vocabulary
from adaptaug.errors import AdaptAugError
from adaptaug.metrics import predict
from adaptaug.policy.observation import HELD_OUT_FEATURES
from adaptaug.utils.compiling import uncompiled


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


def count_classes(view: ModelView, examples: Examples, place: str) -> int:
    """Number of classes K, read from the model's logits of one example.

    Sets `view.probabilities` if the model returns probabilities.

    Args:
        view: the model.
        examples: at least one example.
        place: where they are, for error messages.

    Raises:
        AdaptAugError: the model fails on the example, or does not return logits for 2 classes or
            more.
    """
    devices = [examples.inputs.device] if examples.inputs.is_cuda else []
    with torch.random.fork_rng(devices), uncompiled():
        try:
            logits = predict(view, examples.inputs[:1])
        except AdaptAugError:
            raise
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise AdaptAugError(
                f"the model must take a batch of shape {tuple(examples.inputs[:1].shape)}, as "
                f"{place} has them, got {type(error).__name__}: {error}"
            ) from error
    if len(logits) != 1 or logits.shape[-1] < 2:
        form = "(B, L, K)" if examples.modality == "tagging" else "(B, K)"
        raise AdaptAugError(
            f"the model must return logits {form} for 2 classes or more, got {tuple(logits.shape)}"
        )
    sums = logits.sum(-1)
    view.probabilities = bool((logits >= 0).all() and (sums - 1).abs().max() < 1e-3)
    return logits.shape[-1]


def check_seed(seed: int | None) -> None:
    """Refuses what is no seed of a `torch.Generator`; None stands for torch's own."""
    if seed is not None and not (isinstance(seed, Integral) and 0 <= seed < 2**63 - 1):
        raise AdaptAugError(f"seed must be a whole number from 0 to 2**63 - 2, got {seed!r}")


def check_process() -> None:
    """Refuses a call in a worker of a DataLoader, whose copy never sees new magnitudes.

    Raises:
        AdaptAugError: this process is a worker.
    """
    worker = get_worker_info()
    if worker is not None:
        raise AdaptAugError(
            "an Augmenter must be called in the main process, on the batches that the DataLoader "
            f"returns, got a call in DataLoader worker {worker.id}, which has a copy of it"
        )


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
            "vocabulary must be one that build_vocabulary makes, or a tokenizer, "
            f"got {type(vocabulary).__name__}"
        )
    if (vocabulary is None) != (examples.modality == "image"):
        given = "no vocabulary" if vocabulary is None else f"a vocabulary of {len(vocabulary)} ids"
        raise AdaptAugError(
            "vocabulary goes with sentences, given as ids (N, L), "
            f"got {given} for {place} of shape {tuple(examples.inputs.shape)}"
        )
    if vocabulary is not None:
        check_tokens(examples, place, len(vocabulary))
