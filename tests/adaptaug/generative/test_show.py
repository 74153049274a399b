"""Samples as a grid of images and as texts, class by class."""

import torch

from adaptaug.data import Examples
from adaptaug.data.vocabulary import Vocabulary
from adaptaug.generative.show import sample_grid, sample_texts


def test_grid_has_a_row_for_each_class() -> None:
    inputs = torch.tensor([10, 200, 20], dtype=torch.uint8)[:, None, None, None]
    samples = Examples(inputs.expand(3, 1, 8, 8), torch.tensor([0, 1, 0]))
    grid = sample_grid(samples, 2, columns=2, side=16)
    assert grid.dtype == torch.uint8
    assert grid.shape == (3, 2 * 18 + 2, 2 * 18 + 2)
    middles = grid[0, 10::18, 10::18]
    assert middles.tolist() == [[10, 20], [200, 255]]  # the last place is empty
    floats = Examples(samples.inputs / 255, samples.targets)
    assert torch.equal(sample_grid(floats, 2, columns=2, side=16), grid)


def test_texts_are_listed_by_class() -> None:
    vocabulary = Vocabulary(("[PAD]", "[UNK]", "[MASK]", "a", "film"))
    samples = Examples(torch.tensor([[3, 4], [4, 0], [1, 4]]), torch.tensor([1, 1, 1]))
    texts = sample_texts(samples, vocabulary, ("bad", "good"), count=2)
    assert texts == {"bad": [], "good": ["a film", "film"]}
