"""Quality measures on samples whose quality is known."""

import pytest
import torch
from torch import Tensor, nn

from adaptaug.data import Examples, load
from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.sample_quality import distinct, quality, train_classifier
from adaptaug.metrics import evaluate
from adaptaug.training.task import Task


class Brightness(nn.Module):
    """Predicts class 1 for bright images, more confidently the brighter they are."""

    def forward(self, images: Tensor) -> Tensor:
        score = 20 * (images.mean(dim=(1, 2, 3)) - 0.5)
        return torch.stack([-score, score], 1)


def pictures(seed: int) -> Examples:
    """Dark images of class 0 and bright ones of class 1, with noise."""
    draws, targets = torch.Generator().manual_seed(seed), torch.arange(300) % 2
    noise = torch.randint(128, (300, 1, 8, 8), generator=draws)
    return Examples((noise + 127 * targets[:, None, None, None]).byte(), targets)


def test_other_real_images_have_the_quality_of_real_images() -> None:
    result = quality(pictures(2), pictures(0), pictures(1), Brightness(), 2)
    assert result["recognised"] == result["recognised_real"] == 1.0
    assert result["confidence"] == pytest.approx(result["confidence_real"], abs=0.01)
    assert result["nearest_ratio"] == pytest.approx(1, abs=0.02)
    assert result["copied"] == pytest.approx(0.01, abs=0.03)
    assert result["diversity"] == pytest.approx(1, abs=0.02)


def test_copies_of_training_images_are_counted() -> None:
    train = pictures(0)
    result = quality(train[torch.arange(50)], train, pictures(1), Brightness(), 2)
    assert result["nearest_ratio"] == pytest.approx(0, abs=1e-3)
    assert result["copied"] == 1.0


def test_wrong_labels_and_samples_between_classes_are_counted() -> None:
    real = pictures(1)
    swapped = Examples(real.inputs, 1 - real.targets)
    assert quality(swapped, pictures(0), real, Brightness(), 2)["recognised"] == 0.0
    grey = Examples(torch.full((8, 1, 8, 8), 127).byte(), torch.arange(8) % 2)
    result = quality(grey, pictures(0), real, Brightness(), 2)
    assert result["confidence"] == pytest.approx(0.5, abs=0.03)
    assert result["diversity"] == pytest.approx(0, abs=1e-3)


def test_no_samples_are_refused() -> None:
    with pytest.raises(AdaptAugError, match="at least one of them, got 0"):
        quality(pictures(0)[torch.arange(0)], pictures(0), pictures(1), Brightness(), 2)


def test_distinct_words_and_pairs_match_hand_computation() -> None:
    ids = torch.tensor([[5, 6, 5, 6], [5, 7, 0, 0], [8, 0, 0, 0]])
    assert distinct(ids, 1) == pytest.approx(4 / 7)
    assert distinct(ids, 2) == pytest.approx(3 / 4)  # 56, 65, 56 and 57
    assert distinct(ids[:, :1], 2) == 0.0


def test_distinctness_is_measured_on_sentences() -> None:
    class Even(nn.Module):
        def forward(self, ids: Tensor) -> Tensor:
            return nn.functional.one_hot(ids[:, 0] % 2, 2) * 9.0

    ids = torch.tensor([[4, 9, 8], [5, 9, 8], [4, 6, 7], [5, 6, 7]])
    train = Examples(ids, torch.tensor([0, 1, 0, 1]))
    same = Examples(ids[:1].expand(4, 3), torch.tensor([0, 0, 1, 1]))
    result = quality(same, train, train, Even(), 2)
    assert result["recognised"] == 0.5
    assert result["distinct_1"] == pytest.approx(3 / 12)
    assert result["distinct_1_real"] == pytest.approx(6 / 12)
    assert result["distinct_2_real"] == pytest.approx(6 / 8)


def test_classifier_is_trained_on_real_examples() -> None:
    task = Task(n_train=300, steps=150, n_validation=200, width=8, rows=(600, 1200))
    classifier = train_classifier(task, 0)
    assert evaluate(classifier, load("digits").test).score > 0.85
    words = Task(dataset="opinions", n_train=20, n_validation=20, child="bilstm", width=2, steps=1)
    train_classifier(words, 0)


def test_tagged_sentences_are_refused() -> None:
    task = Task(dataset="mentions", n_train=20, n_validation=20, child="tagger", width=2, steps=1)
    with pytest.raises(AdaptAugError, match="one label each, got tagging data from 'mentions'"):
        train_classifier(task, 0)
