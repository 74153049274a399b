"""Generated samples for people: pictures in a grid, sentences in words."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.utils import make_grid

from adaptaug.data.examples import Examples
from adaptaug.data.vocabulary import PAD, Vocabulary


def sample_grid(samples: Examples, num_classes: int, columns: int = 10, side: int = 48) -> Tensor:
    """Images in a grid with a row for each class; for `Board.image`, or a PNG.

    Args:
        samples: uint8 images, or floats in [0, 1], with labels; a bank's, or real ones.
        num_classes: classes K.
        columns: images of each class, the first ones; fewer leave white places.
        side: pixels that the shorter side of an image is zoomed to, at least.

    Returns:
        uint8 (3, height, width), to be saved with `torchvision.io.write_png`.
    """
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
    """Sentences in words: for each class's name its first `count` samples.

    Args:
        samples: ids (N, L) with labels; a bank's, or real ones.
        vocabulary: the words of the ids.
        classes: names of the classes, by label.
        count: sentences of each class.
    """
    return {
        name: [
            " ".join(vocabulary.words[word] for word in row if word != PAD)
            for row in samples.inputs[samples.targets == label][:count].tolist()
        ]
        for label, name in enumerate(classes)
    }
