"""Turns examples into batches for a model: float pixels, channels-last layout, little padding.

Images are uint8 (N, C, H, W) or floats in [0, 1]. Sentences are ids, int64 (N, L), padded on the
right with 0. A batch is as long as its longest sentence, so that short sentences cost little.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from adaptaug.data import Examples
from adaptaug.data.vocabulary import IGNORED, PAD

Batch = tuple[Tensor, Tensor]
"""Inputs and targets."""


def to_float(inputs: Tensor) -> Tensor:
    """uint8 images (B, C, H, W) as floats in [0, 1]; float images and ids unchanged."""
    return inputs.float().div_(255) if inputs.dtype == torch.uint8 else inputs


def channels_last(inputs: Tensor) -> Tensor:
    """Images in channels-last layout: a CPU trains a small CNN 1.5 times as fast; ids unchanged."""
    return inputs.contiguous(memory_format=torch.channels_last) if inputs.ndim == 4 else inputs


def in_batches(inputs: Tensor, targets: Tensor, size: int) -> list[Batch]:
    """Inputs and targets in batches of `size`, each cut to its longest sentence."""
    batches = zip(inputs.split(size), targets.split(size), strict=True)
    if inputs.ndim == 4:
        return list(batches)
    return [
        (ids[:, :length], labels[:, :length] if labels.ndim == 2 else labels)
        for (ids, labels), length in zip(batches, longest_sentences(inputs, size), strict=True)
    ]


def cut(examples: Examples, max_tokens: int | None) -> Examples:
    """Sentences cut to their first `max_tokens` tokens, unless that is None; images unchanged."""
    if max_tokens is None or examples.inputs.ndim == 4:
        return examples
    targets = examples.targets
    return Examples(
        examples.inputs[:, :max_tokens], targets[:, :max_tokens] if targets.ndim == 2 else targets
    )


def joined(first: Examples, second: Examples) -> Examples:
    """All examples of both sets as one; sentences are padded to the longer length of the two."""
    pairs = [(first.inputs, second.inputs, PAD), (first.targets, second.targets, IGNORED)]
    return Examples(*(torch.cat(_even(one, other, fill)) for one, other, fill in pairs))


def flat(logits: Tensor, targets: Tensor) -> Batch:
    """Logits (B, L, K) of tokens and tags (B, L) as (B·L, K) and (B·L,); others unchanged."""
    return (logits.flatten(0, 1), targets.flatten()) if logits.ndim == 3 else (logits, targets)


def longest_sentences(ids: Tensor, size: int) -> Sequence[int]:
    """Length of the longest sentence in each batch of `size` rows; reads from the device once."""
    lengths: list[int] = torch.stack([(p != PAD).sum(1).max() for p in ids.split(size)]).tolist()
    return lengths


def representative(targets: Tensor, count: int, seed: int) -> Tensor:
    """Draws rows in which each class has its share, as data may be ordered by class.

    Args:
        targets: int64 (N,) classes, or (N, L) tags, whose rows are drawn without regard to tags.
        count: rows to draw.
        seed: seeds the draw.

    Returns:
        int64 (min(count, N),) on the targets' device; all rows in their order if N <= count.
    """
    if len(targets) <= count:
        return torch.arange(len(targets), device=targets.device)
    rows = torch.randperm(len(targets), generator=torch.Generator().manual_seed(seed))
    if targets.ndim == 1:
        _, classes, sizes = targets.cpu()[rows].unique(return_inverse=True, return_counts=True)
        by_class = classes.argsort(stable=True)
        first = (sizes.cumsum(0) - sizes)[classes[by_class]]  # where its class begins
        rank = torch.empty_like(rows)  # of a row among those of its class
        rank[by_class] = torch.arange(len(rows)) - first
        rows = rows[((rank + 0.5) / sizes[classes]).argsort(stable=True)]
    return rows[:count].to(targets.device)


def _even(first: Tensor, second: Tensor, fill: int) -> list[Tensor]:
    """Both (N, L) padded on the right with `fill` to one length; other shapes unchanged."""
    if first.ndim != 2:
        return [first, second]
    length = max(first.shape[1], second.shape[1])
    return [pad(one, (0, length - one.shape[1]), value=fill) for one in (first, second)]


def hard(targets: torch.Tensor) -> torch.Tensor:
    """Classes (B,) unchanged; label distributions (B, K) as their most likely class (B,)."""
    soft = targets.is_floating_point() and targets.ndim == 2
    return targets.argmax(1) if soft else targets
