"""Batches of sentences: cut to the longest, joined, and predicted in any order."""

import pytest
import torch
from torch import Tensor, nn

from adaptaug.data import Examples
from adaptaug.data.batches import cut, flat, in_batches, joined
from adaptaug.metrics import predict

IDS = torch.tensor([[5, 0, 0, 0], [6, 7, 0, 0], [8, 0, 0, 0], [1, 2, 3, 0], [9, 9, 0, 0]])
TAGS = (IDS % 2).where(IDS > 0, -100)
LABELS = torch.arange(5)
IMAGES = torch.zeros(5, 1, 4, 4, dtype=torch.uint8)


class Ends(nn.Module):
    """Logits (B, 2): how many words a sentence has, and how wide the batch is."""

    ignores_padding = True

    def forward(self, ids: Tensor) -> Tensor:
        counts = (ids > 0).sum(1)
        return torch.stack([counts, torch.full_like(counts, ids.shape[1])], 1).float()


class Each(nn.Module):
    """Logits (B, L, 1): the ids."""

    ignores_padding = True

    def forward(self, ids: Tensor) -> Tensor:
        return ids[..., None].float()


def test_the_kind_of_data_is_in_the_shapes() -> None:
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


def test_batches_of_images_are_plain_parts() -> None:
    assert [len(images) for images, _ in in_batches(IMAGES, LABELS, 2)] == [2, 2, 1]


def test_cut() -> None:
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


class Unsqueeze(nn.Module):
    """Ids as one channel of numbers."""

    def forward(self, ids: Tensor) -> Tensor:
        return ids.float()[:, None]


def test_predictions_come_in_the_order_of_the_sentences() -> None:
    logits = predict(Ends(), IDS, batch_size=2)
    assert logits[:, 0].tolist() == [1, 2, 1, 3, 2]
    # by length: rows 0 and 2, rows 1 and 4, row 3; each as wide as it must be
    assert logits[:, 1].tolist() == [1, 2, 1, 3, 2]
    assert torch.equal(predict(Each(), IDS, batch_size=2)[..., 0], IDS.float())


def test_a_model_that_sees_padding_gets_sentences_as_they_are() -> None:
    """Such as a CNN over words: a wide kernel does not fit a short sentence that is cut."""
    kernel = nn.Conv1d(1, 2, 4)
    with torch.no_grad():  # whole numbers, so that no order of adding them makes a difference
        kernel.weight.copy_(torch.arange(8.0).view(2, 1, 4))
        kernel.bias.zero_()
    model = nn.Sequential(Unsqueeze(), kernel, nn.Flatten())
    assert torch.equal(predict(model, IDS, batch_size=2), model(IDS))


def test_flat_puts_tokens_side_by_side() -> None:
    logits, tags = flat(torch.zeros(5, 4, 3), TAGS)
    assert logits.shape == (20, 3)
    assert torch.equal(tags, TAGS.flatten())
    same = torch.zeros(5, 3)
    assert flat(same, LABELS) == (same, LABELS)
