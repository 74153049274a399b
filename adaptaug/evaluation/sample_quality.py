"""Quality of generated samples: correct labels, realism, variety, and no copies.

A classifier trained on real examples predicts the class of a sample, with a confidence.
To find copies, the distance of samples to the nearest training example is compared with that of
held-out real examples (Meehan et al., 2020, in its simplest form). The variety of words is measured
by distinct-n (Li et al., 2016).
"""

import torch
from torch import Tensor, nn

from adaptaug.data.examples import Examples
from adaptaug.data.vocabulary import PAD
from adaptaug.errors import AdaptAugError
from adaptaug.generative.distance import nearest, within_classes
from adaptaug.metrics import predict
from adaptaug.ops import OpSpace
from adaptaug.training.setup import set_up
from adaptaug.training.task import Task
from adaptaug.utils.seeding import one_thread

_MOST = 1000
"""Number of samples, and of held-out examples, that are compared with the training examples."""


def train_classifier(task: Task, seed: int, device: str = "cpu") -> nn.Module:
    """Trains the task's child on real examples, without augmentation.

    Args:
        task: child and data of the classifier. If its `rows` exclude those of the generator's task,
            the classifier sees none of the generator's training examples.
        seed: fixes the classifier's training.
        device: device on which the classifier is trained and stays.

    Raises:
        AdaptAugError: data set or child do not fit the task, or the data have tags.
    """
    with one_thread():
        run, _ = set_up(task, seed, OpSpace([]), device)
        if run.train.modality == "tagging":
            raise AdaptAugError(
                f"a classifier needs examples of one label each, got {run.train.modality} data "
                f"from {task.dataset!r}"
            )
        run.train_batches(task.steps, [])
    return run.model


def quality(
    samples: Examples, train: Examples, held_out: Examples, classifier: nn.Module, num_classes: int
) -> dict[str, float]:
    """Compares generated samples with real examples.

    Args:
        samples: samples of a generator with their labels, such as those of a bank.
        train: the generator's training examples.
        held_out: real examples that neither the generator nor the classifier was trained on.
        classifier: maps float images in [0, 1], or ids, to logits (B, K); see
            `train_classifier`.
        num_classes: number of classes K.

    Returns:
        By name, in [0, 1] except `nearest_ratio` and `diversity`:

        - `recognised`, `recognised_real`: share of the samples, and of the held-out examples, that
          whose label the classifier predicts. It shows whether the labels are correct.
        - `confidence`, `confidence_real`: mean of its highest probability. It is low for
          samples that look like no class or like several.
        - `nearest_ratio`: mean distance of the samples to the nearest training example / that of
          the held-out examples. About 1: as near as new real examples; 0: copies; far above 1:
          unlike the data.
        - `copied`: share of the samples that are nearer to a training example than 99% of the
          held-out examples are; 0.01 for new real examples.
        - `diversity`: mean distance between two samples of a class / that between two training
          examples of the class, averaged over classes. About 1: as varied as real examples; 0: all
          alike.
        - for sentences also `distinct_1`, `distinct_2`, `distinct_1_real`, `distinct_2_real`:
          number of different words, or pairs of neighbouring words / number of all of them, in
          samples and in training sentences with equally many tokens.

    Raises:
        AdaptAugError: there are no samples.
    """
    if len(samples) == 0:
        raise AdaptAugError("the quality of samples needs at least one of them, got 0")
    chosen = _some(samples)
    real = nearest(_some(held_out), train)
    near = nearest(chosen, train)
    spread = within_classes(samples, num_classes) / within_classes(train, num_classes)
    result = {
        **_recognised(samples, classifier, ""),
        **_recognised(held_out, classifier, "_real"),
        "nearest_ratio": float(near.mean() / real.mean().clamp(min=1e-12)),
        "copied": float((near < real.quantile(0.01)).float().mean()),
        "diversity": float(spread.nanmean()),
    }
    if samples.modality == "text":
        result |= _distinct(samples, train)
    return result


def distinct(ids: Tensor, n: int) -> float:
    """Distinct-n (Li et al., 2016): share of different n-grams among all n-grams, in [0, 1].

    Args:
        ids: int64 (N, L), padded on the right.
        n: tokens in an n-gram; shorter sentences have none.
    """
    runs = ids.unfold(1, n, 1).flatten(0, 1) if ids.shape[1] >= n else ids.new_zeros(0, n)
    runs = runs[runs[:, -1] != PAD]
    return len(runs.unique(dim=0)) / max(1, len(runs))


def _recognised(examples: Examples, classifier: nn.Module, suffix: str) -> dict[str, float]:
    """Share of the examples whose label is predicted, and the classifier's mean confidence."""
    chances = predict(classifier, examples.inputs).softmax(1).max(1)
    hits = chances.indices == examples.targets
    return {
        f"recognised{suffix}": float(hits.float().mean()),
        f"confidence{suffix}": float(chances.values.mean()),
    }


def _distinct(samples: Examples, train: Examples) -> dict[str, float]:
    """Distinct-1 and distinct-2 of samples and training sentences, cut to equally many tokens."""
    parts = {"": _shuffled(samples).inputs, "_real": _shuffled(train).inputs}
    fewest = min(int((ids != PAD).sum()) for ids in parts.values())
    result = {}
    for suffix, ids in parts.items():
        rows = int(((ids != PAD).sum(1).cumsum(0) <= fewest).sum())
        for n in (1, 2):
            result[f"distinct_{n}{suffix}"] = distinct(ids[: max(1, rows)], n)
    return result


def _some(examples: Examples) -> Examples:
    """At most `_MOST` of the examples, drawn from all classes."""
    return _shuffled(examples)[torch.arange(min(len(examples), _MOST))]


def _shuffled(examples: Examples) -> Examples:
    """The examples in a random order that is the same in every call."""
    return examples[torch.randperm(len(examples), generator=torch.Generator().manual_seed(0))]
