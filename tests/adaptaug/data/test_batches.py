"""Batches: as long as their longest sentence, cut, joined, flattened, and bytes as floats."""

import pytest
import torch
from torch import Tensor

from adaptaug.data import Examples
from adaptaug.data.batches import cut, flat, in_batches, joined, to_float

IDS = torch.tensor([[5, 0, 0, 0], [6, 7, 0, 0], [8, 0, 0, 0], [1, 2, 3, 0], [9, 9, 0, 0]])
TAGS = (IDS % 2).where(IDS > 0, -100)
LABELS = torch.arange(5)
IMAGES = torch.zeros(5, 1, 4, 4, dtype=torch.uint8)


def test_modality_follows_from_the_shapes() -> None:
    assert Examples(IMAGES, LABELS).modality == "image"
    assert Examples(IDS, LABELS).modality == "text"
    assert Examples(IDS, TAGS).modality == "tagging"


@pytest.mark.parametrize("targets", [LABELS, TAGS])
def test_batches_are_as_long_as_their_longest_sentence(targets: Tensor) -> None:
    batches = in_batches(IDS, targets, 2)
    assert [ids.tolist() for ids, _ in batches] == [
        [[5, 0], [6, 7]],
        [[8, 0, 0], [1, 2, 3]],
        [[9, 9]],
    ]
    again = [wanted.tolist() for _, wanted in batches]
    if targets is TAGS:
        assert again == [[[1, -100], [0, 1]], [[0, -100, -100], [1, 0, 1]], [[1, 1]]]
    else:
        assert again == [[0, 1], [2, 3], [4]]


def test_images_are_split_into_batches_in_order() -> None:
    assert [len(images) for images, _ in in_batches(IMAGES, LABELS, 2)] == [2, 2, 1]


def test_cut_shortens_sentences_and_tags_but_not_images() -> None:
    short = cut(Examples(IDS, TAGS), 2)
    assert short.inputs.shape == short.targets.shape == (5, 2)
    assert cut(Examples(IDS, LABELS), 2).targets is LABELS
    whole = Examples(IDS, TAGS)
    assert cut(whole, None) is whole
    images = Examples(IMAGES, LABELS)
    assert cut(images, 2) is images


def test_joined_examples_are_padded_to_the_longer() -> None:
    both = joined(Examples(IDS[:1, :1], TAGS[:1, :1]), Examples(IDS[3:4, :3], TAGS[3:4, :3]))
    assert both.inputs.tolist() == [[5, 0, 0], [1, 2, 3]]
    assert both.targets.tolist() == [[1, -100, -100], [1, 0, 1]]
    assert len(joined(Examples(IMAGES, LABELS), Examples(IMAGES, LABELS))) == 10


def test_flat_merges_sentences_and_tokens() -> None:
    logits, tags = flat(torch.zeros(5, 4, 3), TAGS)
    assert logits.shape == (20, 3)
    assert torch.equal(tags, TAGS.flatten())
    same = torch.zeros(5, 3)
    assert flat(same, LABELS) == (same, LABELS)


def test_bytes_become_floats_in_0_to_1() -> None:
    images = torch.tensor([0, 51, 255], dtype=torch.uint8)
    assert to_float(images).tolist() == pytest.approx([0, 0.2, 1])
    assert images.tolist() == [0, 51, 255]
    floats = torch.rand(3)
    assert to_float(floats) is floats
