"""Metrics by hand, without padding, and predictions in order."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from adaptaug.data import Examples
from adaptaug.errors import AdaptAugError
from adaptaug.metrics import Scorer, accuracy, evaluate, f1, precision_recall_f1, predict

TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
TRUE = torch.tensor([[1, 2, 0, 3], [3, 4, 0, -100], [0, -100, -100, -100]])
GUESS = torch.tensor([[1, 2, 0, 3], [3, 0, 1, 1], [0, 1, 1, 1]])
IDS = torch.tensor([[5, 0, 0, 0], [6, 7, 0, 0], [8, 0, 0, 0], [1, 2, 3, 0], [9, 9, 0, 0]])


def test_accuracy_matches_hand_computation() -> None:
    assert accuracy(torch.tensor([0, 1, 2, 2]), torch.tensor([0, 1, 2, 0])) == 0.75
    assert accuracy(GUESS, TRUE) == pytest.approx(6 / 8)


def test_f1_of_classes_is_the_macro_mean() -> None:
    predicted, targets = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 0, 0, 1])
    # class 0: precision 1, recall 2/3; class 1: precision 1/2, recall 1
    assert f1(predicted, targets, ()) == pytest.approx((0.8 + 2 / 3) / 2)


def test_precision_and_recall_of_classes_are_macro_means() -> None:
    predicted, targets = torch.tensor([0, 0, 1, 1, 2]), torch.tensor([0, 0, 0, 1, 3])
    # precision 1, 1/2, 0 and none; recall 2/3, 1, none and 0; what is none counts as 0
    expected = (1.5 / 4, (5 / 3) / 4, (0.8 + 2 / 3) / 4)
    assert precision_recall_f1(predicted, targets, ()) == pytest.approx(expected)


def test_precision_and_recall_of_tags_count_whole_entities() -> None:
    assert precision_recall_f1(GUESS, TRUE, TAGS)[:2] == pytest.approx((2 / 4, 2 / 3))
    nothing = torch.zeros_like(TRUE)
    assert precision_recall_f1(nothing, TRUE, TAGS) == (0, 0, 0)


def test_f1_of_tags_counts_whole_entities() -> None:
    # right: PER and LOC of the first sentence; a LOC cut short and a PER made up are wrong
    assert f1(GUESS, TRUE, TAGS) == pytest.approx(2 * (2 / 4) * (2 / 3) / (2 / 4 + 2 / 3))
    assert f1(TRUE.clamp_min(0), TRUE, TAGS) == 1
    nothing = torch.zeros_like(TRUE)
    assert f1(nothing, TRUE, TAGS) == 0
    assert f1(nothing, nothing, TAGS) == 0


def test_scorer_is_accuracy_or_f1() -> None:
    predicted, targets = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 0, 0, 1])
    assert Scorer()(predicted, targets) == 0.75
    assert Scorer("f1")(predicted, targets) == f1(predicted, targets, ())
    with pytest.raises(AdaptAugError, match=r"metric must be one of .*, got 'bleu'"):
        Scorer("bleu")


class Half(nn.Module):
    """Logits (a, 1 - a) for a top left pixel a; dropout and norm do nothing in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.norm = nn.BatchNorm1d(2, affine=False)

    def forward(self, images: Tensor) -> Tensor:
        bright = images[:, 0, 0, 0]
        logits: Tensor = self.norm(self.dropout(torch.stack([bright, 1 - bright], 1)))
        return logits


def test_loss_and_score_match_hand_computation() -> None:
    inputs = torch.zeros(4, 1, 2, 2, dtype=torch.uint8)
    inputs[:2] = 255
    examples = Examples(inputs, torch.tensor([0, 1, 1, 1]))
    right, wrong = math.log(1 + math.exp(-1)), math.log(1 + math.exp(1))
    metrics = evaluate(Half(), examples)
    assert metrics.score == 0.75
    assert metrics.loss == pytest.approx((3 * right + wrong) / 4, rel=1e-4)
    # the batch size does not change the shape
    assert predict(Half(), inputs, batch_size=3).shape == (4, 2)


class Layout(nn.Module):
    """Notes whether its images are channels-last."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3)
        self.last: list[bool] = []

    def forward(self, images: Tensor) -> Tensor:
        self.last.append(not images.is_contiguous())
        logits: Tensor = self.conv(images).mean((2, 3))
        return logits


def test_images_are_laid_out_as_the_weights_of_the_model() -> None:
    model, images = Layout(), torch.rand(5, 3, 4, 4)
    expected = predict(model, images)
    model.to(memory_format=torch.channels_last)
    assert torch.allclose(predict(model, images), expected, atol=1e-6)
    assert model.last == [False, True]


class Sizes(nn.Module):
    """Notes the sizes of its batches; the logits are the images' first pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.sizes.append(len(images))
        return images[:, 0, 0, :2]


@pytest.mark.parametrize("sizes", [[10, 10, 10], [3, 1, 22, 4], [30], [8, 8], [16, 0, 3]])
def test_parts_are_predicted_as_if_they_were_joined(sizes: list[int]) -> None:
    images = torch.rand(sum(sizes), 1, 2, 2)
    joined, parts = Sizes(), Sizes()
    expected = predict(joined, images, batch_size=8)
    assert torch.equal(predict(parts, iter(images.split(sizes)), batch_size=8), expected)
    assert parts.sizes == joined.sizes


def test_batches_of_large_images_are_small() -> None:
    model = Sizes()
    assert predict(model, torch.zeros(60, 3, 224, 224, dtype=torch.uint8)).shape == (60, 2)
    assert model.sizes == [27, 27, 6]


def test_prediction_does_not_change_model_or_random_state() -> None:
    model = Half().train()
    model.norm.eval()  # frozen, as in fine-tuning
    state, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    predict(model, torch.zeros(4, 1, 2, 2))
    assert (model.training, model.dropout.training, model.norm.training) == (True, True, False)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    with pytest.raises(IndexError):
        predict(model, torch.zeros(4, 1, 0, 2))
    assert model.training


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


class Unsqueeze(nn.Module):
    """Ids as one channel of numbers."""

    def forward(self, ids: Tensor) -> Tensor:
        return ids.float()[:, None]


def test_predictions_are_in_the_order_of_the_sentences() -> None:
    logits = predict(Ends(), IDS, batch_size=2)
    assert logits[:, 0].tolist() == [1, 2, 1, 3, 2]
    # by length: rows 0 and 2, rows 1 and 4, row 3; each as wide as it must be
    assert logits[:, 1].tolist() == [1, 2, 1, 3, 2]
    assert torch.equal(predict(Each(), IDS, batch_size=2)[..., 0], IDS.float())


def test_model_that_reads_padding_gets_sentences_uncut() -> None:
    """Such as a CNN over words: its kernel may be wider than a sentence cut to its length."""
    kernel = nn.Conv1d(1, 2, 4)
    with torch.no_grad():  # whole numbers, so that no order of adding them makes a difference
        kernel.weight.copy_(torch.arange(8.0).view(2, 1, 4))
        kernel.bias.zero_()
    model = nn.Sequential(Unsqueeze(), kernel, nn.Flatten())
    assert torch.equal(predict(model, IDS, batch_size=2), model(IDS))
