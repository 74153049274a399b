"""How examples of every modality reach a model: as floats, in a good layout, without much padding.

Images are uint8 (N, C, H, W) or floats in [0, 1]. Sentences are ids, int64 (N, L), padded on the
right with 0; the longest of a batch sets its length, so that short sentences cost little.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from adaptaug.data import Examples
from adaptaug.data.vocabulary import IGNORED, PAD

Batch = tuple[Tensor, Tensor]
"""Inputs and targets."""


def to_float(inputs: Tensor) -> Tensor:
    """uint8 images (B, C, H, W) as floats in [0, 1]; float images and ids as they are."""
    return inputs.float().div_(255) if inputs.dtype == torch.uint8 else inputs


def channels_last(inputs: Tensor) -> Tensor:
    """Images in the layout in which a CPU trains a small CNN half as fast again; ids as given."""
    return inputs.contiguous(memory_format=torch.channels_last) if inputs.ndim == 4 else inputs


def in_batches(inputs: Tensor, targets: Tensor, size: int) -> list[Batch]:
    """Inputs and targets in batches of `size`, each cut to its longest sentence."""
    batches = zip(inputs.split(size), targets.split(size), strict=True)
    if inputs.ndim == 4:
        return list(batches)
    return [
        (ids[:, :length], labels[:, :length] if labels.ndim == 2 else labels)
        for (ids, labels), length in zip(batches, _longest(inputs, size), strict=True)
    ]


def cut(examples: Examples, max_tokens: int | None) -> Examples:
    """Sentences without their tokens beyond `max_tokens`; anything else as it is."""
    if max_tokens is None or examples.inputs.ndim == 4:
        return examples
    targets = examples.targets
    return Examples(
        examples.inputs[:, :max_tokens], targets[:, :max_tokens] if targets.ndim == 2 else targets
    )


def joined(first: Examples, second: Examples) -> Examples:
    """The examples of both, padded to the longer sentence of the two."""
    pairs = [(first.inputs, second.inputs, PAD), (first.targets, second.targets, IGNORED)]
    return Examples(*(torch.cat(_even(one, other, fill)) for one, other, fill in pairs))


def flat(logits: Tensor, targets: Tensor) -> Batch:
    """Logits (B, L, K) of tokens and their tags (B, L) as (B L, K) and (B L,); others as given."""
    return (logits.flatten(0, 1), targets.flatten()) if logits.ndim == 3 else (logits, targets)


@torch.no_grad()
def predict(model: nn.Module, inputs: Tensor, batch_size: int = 256) -> Tensor:
    """Logits (N, K), or (N, L, K) of a tagger, for images or sentences (N, ...).

    The model is put in evaluation mode; it and each of its modules are left in the mode that they
    were in. A model whose `ignores_padding` is true, as our children's is, gets sentences by
    length, with little padding; any other gets them as they are.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        if inputs.ndim == 2 and getattr(model, "ignores_padding", False):
            return _predict_by_length(model, inputs, batch_size)
        return torch.cat(
            [model(channels_last(to_float(part))) for part in inputs.split(batch_size)]
        )
    finally:
        for module, mode in modes:
            module.training = mode


def _predict_by_length(model: nn.Module, ids: Tensor, batch_size: int) -> Tensor:
    order = (ids != PAD).sum(1).argsort(stable=True)
    ordered = ids[order]
    lengths = _longest(ordered, batch_size)
    parts = zip(ordered.split(batch_size), lengths, strict=True)
    logits = [model(part[:, :length]) for part, length in parts]
    if logits[0].ndim == 3:
        missing = [ids.shape[1] - length for length in lengths]
        logits = [pad(one, (0, 0, 0, more)) for one, more in zip(logits, missing, strict=True)]
    return torch.cat(logits)[order.argsort()]


def _longest(ids: Tensor, size: int) -> Sequence[int]:
    """Tokens of the longest sentence in every part of `size` rows, in one reading of the device."""
    lengths: list[int] = torch.stack([(p != PAD).sum(1).max() for p in ids.split(size)]).tolist()
    return lengths


def _even(first: Tensor, second: Tensor, fill: int) -> list[Tensor]:
    """Both (N, L) of one length, filled on the right; tensors of other shapes as they are."""
    if first.ndim != 2:
        return [first, second]
    length = max(first.shape[1], second.shape[1])
    return [pad(one, (0, length - one.shape[1]), value=fill) for one in (first, second)]
