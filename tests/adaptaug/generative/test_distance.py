"""Distances within classes, by hand."""

import pytest
import torch

from adaptaug.data import Examples
from adaptaug.generative.distance import nearest, within_classes


def images(*levels: int) -> torch.Tensor:
    return torch.tensor(levels, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 8, 8)


def test_distance_of_images_matches_hand_computation() -> None:
    examples = Examples(images(0, 51, 255), torch.tensor([0, 0, 1]))
    others = Examples(images(255, 102), torch.tensor([1, 0]))
    assert nearest(examples, others).tolist() == pytest.approx([0.4, 0.2, 0.0], abs=1e-6)
    spread = within_classes(examples, 3)
    assert float(spread[0]) == pytest.approx(0.2)
    assert spread[1:].isnan().all()  # one example, and none


def test_distance_of_sentences_matches_hand_computation() -> None:
    ids = torch.tensor([[5, 6, 7, 0], [7, 6, 5, 5], [5, 8, 0, 0]])
    examples = Examples(ids, torch.zeros(3, dtype=torch.int64))
    # The first two hold the same words; the third has one of four in common with either.
    others = Examples(ids[2:], examples.targets[2:])
    assert nearest(examples, others).tolist() == pytest.approx([0.75, 0.75, 0.0])
    assert within_classes(examples, 1).tolist() == pytest.approx([0.5])
