"""Similarity of labelled examples before any training, for nearest neighbours and kernels.

Similarities are cosines in [-1, 1], and so are blind to length: of an image's contrast, of a
sentence. Images are compared by what a small convolutional network sees first: the strength of
edges in eight directions, pooled (histograms of oriented gradients, Dalal and Triggs, 2005), pixels
at low resolution, and colours less their brightness. Sentences are compared by hashed words and
pairs of words, weighted by how rare they are (the hashing trick, Weinberger et al., 2009); tokens
by their window of three words.
"""

import math
from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from adaptaug.data.vocabulary import PAD

Features = Callable[[Tensor], Tensor]
"""Maps inputs (N, ...) to unit vectors (N, D)."""

_SIDE = 16
"""Images are averaged to at most this many pixels a side."""
_CELLS, _PIXELS = 4, 8
"""Cells a side over which edges and colours are averaged; pixels a side at low resolution."""
_DIRECTIONS = 8
_SHIFT = 1 / 8
"""Shift, as a fraction of the side, at which a clean image is still the same neighbour."""
_BUCKETS = 2048
"""Number of hash buckets, half of them for pairs."""


class Similarity(NamedTuple):
    """Similarity of M inputs to N clean examples, and of the inputs to each other."""

    tolerant: Tensor
    """(M, N): for images, to the most similar of nine shifts of each clean example, so that a small
    shift makes no difference."""
    strict: Tensor
    """(M, N): to each clean example as it is."""
    among: Tensor
    """(M, M): of the inputs to each other."""


class Reference:
    """Clean examples that others are compared with."""

    def __init__(self, inputs: Tensor) -> None:
        """Takes the clean examples.

        Args:
            inputs: images, float32 (N, C, H, W) in [0, 1]; or sentences, or `windows` of tokens,
                int64 ids (N, L).
        """
        images = inputs.ndim == 4
        self._prepare: Features = _shrunk if images else _hashed
        inputs = self._prepare(inputs)
        self._features: Features = _image_features(inputs) if images else _word_features(inputs)
        copies = _shifted(inputs) if images else [inputs]
        self._clean = torch.stack([self._features(copy) for copy in copies])  # (S, N, D)

    def compare(self, inputs: Tensor) -> Similarity:
        """Compares inputs (M, ...) with the clean examples."""
        features = self._features(self._prepare(inputs))
        similarity = features @ self._clean.transpose(1, 2)  # (S, M, N)
        unshifted = similarity[len(similarity) // 2]
        return Similarity(similarity.amax(0), unshifted, features @ features.T)


def windows(ids: Tensor, at: Tensor) -> Tensor:
    """The word before, at and after one position (N,) of each sentence (N, L): ids (N, 3)."""
    place = at[:, None] + torch.arange(3, device=ids.device)
    # A word stands for another one at each place of the window.
    words = functional.pad(ids, (1, 1), value=PAD).gather(1, place)
    return torch.where(words == PAD, PAD, 3 * words + torch.arange(3, device=ids.device))


def _shrunk(images: Tensor) -> Tensor:
    """Images averaged to at most _SIDE pixels a side."""
    return functional.adaptive_avg_pool2d(images, _at_most(images, _SIDE))


def _shifted(images: Tensor) -> list[Tensor]:
    """Nine copies of images, moved by -_SHIFT, 0 or _SHIFT along each side, with zeros outside."""
    height, width = images.shape[2:]
    down, right = (max(1, round(side * _SHIFT)) for side in (height, width))
    wide = functional.pad(images, (right, right, down, down))
    return [
        wide[:, :, top : top + height, left : left + width]
        for top, left in product((0, down, 2 * down), (0, right, 2 * right))
    ]


def _image_features(clean: Tensor) -> Features:
    """Edges, pixels and, unless images are gray, colours, each less its mean over clean images."""
    parts = (_edges, _pixels, _colours) if clean.shape[1] == 3 else (_edges, _pixels)
    means = [part(clean).mean(0) for part in parts]

    def features(images: Tensor) -> Tensor:
        centred = [part(images) - mean for part, mean in zip(parts, means, strict=True)]
        joined: Tensor = torch.cat([functional.normalize(part) for part in centred], 1)
        return joined / math.sqrt(len(parts))

    return features


def _edges(images: Tensor) -> Tensor:
    """Root of the mean strength of edges in eight directions, in 4 x 4 cells, as unit vectors."""
    angle = torch.arange(_DIRECTIONS, device=images.device) * (2 * math.pi / _DIRECTIONS)
    differences = images.new_zeros(_DIRECTIONS, 1, 3, 3)
    differences[:, 0, 1, 2], differences[:, 0, 1, 0] = angle.cos(), -angle.cos()
    differences[:, 0, 2, 1], differences[:, 0, 0, 1] = angle.sin(), -angle.sin()
    planes = functional.pad(images, (1, 1, 1, 1), mode="replicate").flatten(0, 1)[:, None]
    edges = functional.conv2d(planes, differences).relu_()  # (N * C, 8, H, W)
    cells = functional.adaptive_avg_pool2d(edges, _at_most(images, _CELLS))
    return functional.normalize(cells.view(*images.shape[:2], -1).sum(1).sqrt())


def _pixels(images: Tensor) -> Tensor:
    """Images at low resolution, less their mean, as unit vectors."""
    pixels = functional.adaptive_avg_pool2d(images, _at_most(images, _PIXELS)).flatten(1)
    return functional.normalize(pixels - pixels.mean(1, keepdim=True))


def _colours(images: Tensor) -> Tensor:
    """Mean colours of 4 x 4 cells, less their brightness, as unit vectors."""
    cells = functional.adaptive_avg_pool2d(images, _at_most(images, _CELLS))
    return functional.normalize((cells - cells.mean(1, keepdim=True)).flatten(1))


def _at_most(images: Tensor, side: int) -> tuple[int, int]:
    """Height and width of images, neither above `side`."""
    return min(side, images.shape[2]), min(side, images.shape[3])


def _hashed(ids: Tensor) -> Tensor:
    """Which hash buckets the words and pairs of words of ids (N, L) fall in: 0 or 1 (N, D)."""
    half = _BUCKETS // 2
    pairs = (ids[:, :-1] * 1_000_003 + ids[:, 1:]).where(ids[:, 1:] != PAD, PAD)
    words = torch.cat([_bucket(ids, half), _bucket(pairs, half) + half], 1)
    found = torch.zeros(len(ids), _BUCKETS, device=ids.device)
    return found.scatter_reduce_(1, words, torch.cat([ids, pairs], 1).ne(PAD).float(), "amax")


def _bucket(values: Tensor, count: int) -> Tensor:
    """A hash of each value, in 0..count - 1 (Knuth's multiplicative method)."""
    return (values * 2_654_435_761 % 2**32) // (2**32 // count)


def _word_features(clean: Tensor) -> Features:
    """Buckets weighted by inverse document frequency, as unit vectors."""
    rarity = torch.log((1 + len(clean)) / (1 + clean.sum(0)))
    return lambda found: functional.normalize(found * rarity)
