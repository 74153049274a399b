"""Distances between examples: they show copies of training examples and samples that are alike."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from adaptaug.data.batches import to_float
from adaptaug.data.examples import Examples
from adaptaug.data.vocabulary import PAD

_ROWS = 512
"""Rows compared at a time."""
_MOST = 200
"""Maximum number of examples of a class from which its mean distance is computed."""


def _of_images(first: Tensor, second: Tensor) -> Tensor:
    """Root mean square difference of pixels, in [0, 1]: (N, M)."""
    one, other = to_float(first).flatten(1), to_float(second).flatten(1)
    return torch.cdist(one, other) / math.sqrt(one.shape[1])


def _of_sentences(first: Tensor, second: Tensor) -> Tensor:
    """Jaccard distance of the sets of words, in [0, 1]: (N, M)."""
    words = int(max(first.max(), second.max())) + 1
    one, other = _bags(first, words), _bags(second, words)
    common = one @ other.T
    union = one.sum(1)[:, None] + other.sum(1) - common
    return torch.sub(1, common / union.clamp(min=1))


def _bags(ids: Tensor, words: int) -> Tensor:
    """Which words each row of ids (N, L) holds: float32 (N, words) of 0 and 1."""
    bags = torch.zeros(len(ids), words, device=ids.device).scatter_(1, ids, 1.0)
    bags[:, PAD] = 0
    return bags


_DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "image": _of_images,
    "text": _of_sentences,
}


def nearest(examples: Examples, others: Examples) -> Tensor:
    """Each example's distance to the nearest of the others, float32 (N,) in [0, 1].

    Args:
        examples: N images, or sentences with one label each.
        others: the same kind of data.
    """
    between = _DISTANCES[examples.modality]
    parts = []
    for part in examples.inputs.split(_ROWS):
        lowest = [between(part, other).min(1).values for other in others.inputs.split(_ROWS)]
        parts.append(torch.stack(lowest).min(0).values)
    return torch.cat(parts)


def within_classes(examples: Examples, num_classes: int) -> Tensor:
    """Mean distance between two examples of each class, float32 (K,); NaN for fewer than two."""
    between = _DISTANCES[examples.modality]
    means = torch.full((num_classes,), torch.nan)
    for label in range(num_classes):
        inputs = examples.inputs[examples.targets == label]
        inputs = inputs[:: max(1, len(inputs) // _MOST)][:_MOST]
        if len(inputs) > 1:
            pairs = len(inputs) * (len(inputs) - 1)
            square = between(inputs, inputs)
            # cdist is not exactly 0 from an image to itself.
            means[label] = float(square.sum() - square.diagonal().sum()) / pairs
    return means
