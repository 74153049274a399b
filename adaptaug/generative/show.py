"""Displays samples: images as a grid, sentences as words."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from adaptaug.data.examples import Examples
from adaptaug.data.vocabulary import PAD, Vocabulary
from adaptaug.utils.optional import needs


def sample_grid(samples: Examples, num_classes: int, columns: int = 10, side: int = 48) -> Tensor:
    """Images in a grid with one row per class; for `Board.image`, or a PNG.

    Args:
        samples: generated or real images, uint8 or float in [0, 1], with labels.
        num_classes: number of classes K.
        columns: images per class, the first ones; white tiles fill up a class with fewer.
        side: least number of pixels of an image's shorter side, after zooming.

    Returns:
        uint8 (3, height, width), to be saved with `torchvision.io.write_png`.

    Raises:
        AdaptAugError: torchvision is not installed.
    """
    with needs("search", "a grid of samples"):
        from torchvision.utils import make_grid
    inputs = samples.inputs.cpu()
    if inputs.dtype != torch.uint8:
        inputs = (inputs * 255).round().to(torch.uint8)
    tiles = inputs.new_full((num_classes, columns, *inputs.shape[1:]), 255)
    for label, row in enumerate(tiles):
        of_class = inputs[samples.targets.cpu() == label][:columns]
        row[: len(of_class)] = of_class
    zoom = -(-side // min(inputs.shape[2:]))
    large = interpolate(tiles.flatten(0, 1).float(), scale_factor=float(zoom), mode="nearest")
    grid: Tensor = make_grid(large, nrow=columns, padding=2, pad_value=255).to(torch.uint8)
    return grid


def sample_texts(
    samples: Examples, vocabulary: Vocabulary, classes: Sequence[str], count: int = 5
) -> dict[str, list[str]]:
    """Sentences as words: for each class name, its first `count` samples.

    Args:
        samples: generated or real sentences, int64 ids (N, L), with labels.
        vocabulary: the vocabulary of the ids.
        classes: class names, by label.
        count: maximum number of sentences per class.
    """
    return {
        name: [
            " ".join(vocabulary.words[word] for word in row if word != PAD)
            for row in samples.inputs[samples.targets == label][:count].tolist()
        ]
        for label, name in enumerate(classes)
    }
