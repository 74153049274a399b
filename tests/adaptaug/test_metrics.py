"""Scores worked out by hand, padding left out."""

import pytest
import torch

from adaptaug.errors import AdaptAugError
from adaptaug.metrics import Scorer, accuracy, f1, precision_recall_f1

TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
TRUE = torch.tensor([[1, 2, 0, 3], [3, 4, 0, -100], [0, -100, -100, -100]])
GUESS = torch.tensor([[1, 2, 0, 3], [3, 0, 1, 1], [0, 1, 1, 1]])


def test_accuracy_by_hand() -> None:
    assert accuracy(torch.tensor([0, 1, 2, 2]), torch.tensor([0, 1, 2, 0])) == 0.75
    assert accuracy(GUESS, TRUE) == pytest.approx(6 / 8)


def test_f1_of_classes_is_their_mean() -> None:
    predicted, targets = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 0, 0, 1])
    # class 0: precision 1, recall 2/3; class 1: precision 1/2, recall 1
    assert f1(predicted, targets, ()) == pytest.approx((0.8 + 2 / 3) / 2)


def test_precision_and_recall_of_classes_are_means_too() -> None:
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


def test_a_scorer_is_one_of_them() -> None:
    predicted, targets = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 0, 0, 1])
    assert Scorer()(predicted, targets) == 0.75
    assert Scorer("f1")(predicted, targets) == f1(predicted, targets, ())
    with pytest.raises(AdaptAugError, match=r"metric must be one of .*, got 'bleu'"):
        Scorer("bleu")
