"""How good generated samples are: true to their label, real, varied, and no copies.

A judge, a child of the project's own trained on real examples, says which class a sample is of and
how surely. Whether a generator only repeats its training examples shows in how near its samples
lie to them, against how near real examples lie that it has not seen (Meehan et al., 2020, in its
simplest form). Words are counted as distinct-n (Li et al., 2016).
"""

import torch
from torch import Tensor, nn

from adaptaug.data.examples import Examples
from adaptaug.data.vocabulary import PAD
from adaptaug.errors import AdaptAugError
from adaptaug.generative.distance import nearest, within_classes
from adaptaug.metrics import predict
from adaptaug.ops import OpSpace
from adaptaug.training.setup import start
from adaptaug.training.task import Task
from adaptaug.utils.seeding import one_thread
from adaptaug.utils.types import Modality

_IDLE: dict[Modality, str] = {"image": "noise", "text": "masking"}
"""An op for a child that is trained without any."""
_MOST = 1000
"""Samples that are compared with the training examples."""


def train_judge(task: Task, seed: int, device: str = "cpu") -> nn.Module:
    """Trains the task's child on real examples, without augmentation.

    Args:
        task: what the judge is, and what it learns from; with `rows` that the generator's task
            leaves out it sees none of the generator's training examples.
        seed: of the judge's training.
        device: where it is trained, and stays.

    Raises:
        AdaptAugError: data set or child do not fit the task, or have tags in place of labels.
    """
    with one_thread():
        run, _ = start(task, seed, OpSpace([*_IDLE.values()]), device)
        if run.train.modality not in _IDLE:
            raise AdaptAugError(
                f"a judge needs examples of one label each, got {run.train.modality} data "
                f"from {task.dataset!r}"
            )
        run.train_batches(task.steps, [0.0] * len(_IDLE))
    return run.model


def quality(
    samples: Examples, train: Examples, held_out: Examples, judge: nn.Module, num_classes: int
) -> dict[str, float]:
    """Measures generated samples against real examples.

    Args:
        samples: what a generator made, with labels; of a bank, for example.
        train: what it was trained on.
        held_out: real examples that neither the generator nor the judge was trained on.
        judge: maps float images in [0, 1], or ids, to logits (B, K); see `train_judge`.
        num_classes: classes K.

    Returns:
        All in [0, 1] but the ratios:

        - `recognised`, `recognised_real`: share of samples, and of held-out examples, in which the
          judge sees the class that they are labelled with: are the labels true?
        - `confidence`, `confidence_real`: the judge's mean highest probability: a sample that
          looks like no class, or between classes, has a low one.
        - `nearest_ratio`: mean distance of samples to the nearest training example over that of
          held-out examples: about 1 is as near as new real examples, 0 is copies, and far above
          1 is unlike the data.
        - `copied`: share of samples nearer to a training example than all but 1% of the held-out
          examples: 0.01 is what new real examples have.
        - `diversity`: mean over classes of the mean distance of two samples of the class, over
          the same of training examples: about 1 is as varied as real ones, 0 is all alike.
        - of sentences also `distinct_1`, `distinct_2`, and both with `_real`: different words, and
          pairs of neighbouring words, over all, in equally many tokens of samples and training
          sentences.

    Raises:
        AdaptAugError: there is no sample.
    """
    if len(samples) == 0:
        raise AdaptAugError("the quality of samples needs at least one of them, got 0")
    chosen = _some(samples)
    real = nearest(_some(held_out), train)
    near = nearest(chosen, train)
    spread = within_classes(samples, num_classes) / within_classes(train, num_classes)
    result = {
        **_judged(samples, judge, ""),
        **_judged(held_out, judge, "_real"),
        "nearest_ratio": float(near.mean() / real.mean().clamp(min=1e-12)),
        "copied": float((near < real.quantile(0.01)).float().mean()),
        "diversity": float(spread.nanmean()),
    }
    if samples.modality == "text":
        result |= _distinct(samples, train)
    return result


def distinct(ids: Tensor, n: int) -> float:
    """Distinct-n (Li et al., 2016): different runs of n tokens over all of them, in [0, 1].

    Args:
        ids: int64 (N, L), padded on the right.
        n: tokens in a run; rows shorter than that have none.
    """
    runs = ids.unfold(1, n, 1).flatten(0, 1) if ids.shape[1] >= n else ids.new_zeros(0, n)
    runs = runs[runs[:, -1] != PAD]
    return len(runs.unique(dim=0)) / max(1, len(runs))


def _judged(examples: Examples, judge: nn.Module, suffix: str) -> dict[str, float]:
    """Share recognised as their class, and the judge's mean confidence."""
    chances = predict(judge, examples.inputs).softmax(1).max(1)
    hits = chances.indices == examples.targets
    return {
        f"recognised{suffix}": float(hits.float().mean()),
        f"confidence{suffix}": float(chances.values.mean()),
    }


def _distinct(samples: Examples, train: Examples) -> dict[str, float]:
    """Distinct-1 and -2 of samples and training sentences, both cut to equally many tokens."""
    parts = {"": _shuffled(samples).inputs, "_real": _shuffled(train).inputs}
    fewest = min(int((ids != PAD).sum()) for ids in parts.values())
    result = {}
    for suffix, ids in parts.items():
        rows = int(((ids != PAD).sum(1).cumsum(0) <= fewest).sum())
        for n in (1, 2):
            result[f"distinct_{n}{suffix}"] = distinct(ids[: max(1, rows)], n)
    return result


def _some(examples: Examples) -> Examples:
    """At most `_MOST` of the examples, of all classes."""
    return _shuffled(examples)[torch.arange(min(len(examples), _MOST))]


def _shuffled(examples: Examples) -> Examples:
    """The examples in an order that is always the same."""
    return examples[torch.randperm(len(examples), generator=torch.Generator().manual_seed(0))]
