"""What an `Augmenter` derives from its first examples: classes, bound ops, checks, decisions.

The examples are the held-out data. Without held-out data they are the whole training set if the
user passes it, and otherwise the first batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from adaptaug.augmenter.binding import bind
from adaptaug.augmenter.checks import BatchCheck, check_vocabulary, count_classes
from adaptaug.augmenter.decisions import Decisions, Pilot
from adaptaug.augmenter.learning_rate import LearningRate, PeakFraction
from adaptaug.data.examples import Examples, check_labels
from adaptaug.data.lexicon import Lexicon
from adaptaug.data.vocabulary import Vocabulary
from adaptaug.errors import AdaptAugError
from adaptaug.metrics import Scorer
from adaptaug.ops import OpSpace
from adaptaug.policy.observation import Observer


@dataclass(frozen=True)
class Setup:
    """One run, ready for its first batch."""

    op_space: OpSpace
    """The ops, bound to the data that they use."""
    num_classes: int
    """Number of classes or tags, K."""
    check: BatchCheck
    """Checks every batch."""
    decisions: Decisions
    """Picks the magnitudes."""
    draws: torch.Generator
    """Draws of the ops, on the model's device."""


def set_up(
    examples: Examples,
    place: str,
    *,
    pilot: Pilot,
    model: nn.Module,
    validate: bool,
    total_steps: int,
    learning_rate: LearningRate,
    vocabulary: Vocabulary | None,
    lexicon: str | Path | Lexicon | None,
    train: tuple[Tensor, Tensor] | Examples | None,
    classes: Sequence[str],
    metric: str | None,
    seed: int,
) -> Setup:
    """Prepares a run.

    Args:
        examples: at least one example of the user's data.
        place: where they are, for error messages: 'held_out', 'train' or 'batch 0'.
        pilot: the controller and its ops.
        model: see `Augmenter`, as for all other arguments.
        validate: whether the examples are held-out data, on which the controller observes the run.
        total_steps: see `Augmenter`.
        learning_rate: see `Augmenter`.
        vocabulary: see `Augmenter`.
        lexicon: see `Augmenter`.
        train: see `Augmenter`.
        classes: see `Augmenter`.
        metric: see `Augmenter`.
        seed: see `Augmenter`.

    Raises:
        AdaptAugError: the examples fit neither the model nor the other arguments, or no op applies
            to such data.
    """
    device = next(model.parameters(), examples.inputs).device
    examples = examples.to(device)
    check_vocabulary(examples, vocabulary, place)
    num_classes = count_classes(model, examples)
    check_labels(examples.targets, num_classes, place)
    op_space = bind(
        pilot.op_space, examples, num_classes, place,
        vocabulary=vocabulary, lexicon=lexicon, train=train, classes=classes, seed=seed,
    )  # fmt: skip
    none_yet = Examples(examples.inputs[:0], examples.targets[:0])
    scorer = Scorer(metric or pilot.metric, tuple(classes))
    validation = examples if validate else none_yet
    observer = Observer(op_space, none_yet, validation, num_classes, seed, scorer)
    if op_space.ops and not any(observer.applies):
        names = ", ".join(op_space.names)
        raise AdaptAugError(f"some op must suit {examples.modality} data, got {names}")
    check = BatchCheck(
        device,
        examples.modality,
        tuple(examples.inputs.shape[1:]),
        place,
        num_classes,
        None if vocabulary is None else len(vocabulary),
        tuple(classes),
    )
    decisions = Decisions(pilot, observer, model, PeakFraction(learning_rate), total_steps)
    draws = torch.Generator(device).manual_seed(seed + 1)
    return Setup(op_space, num_classes, check, decisions, draws)
