"""What an `Augmenter` derives from its first examples: classes, bound ops, checks, decisions.

The examples are the held-out data. Without held-out data they are the whole training set if the
user passes it, and otherwise the first batch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from adaptaug.augmenter.batch_check import BatchCheck, known
from adaptaug.augmenter.binding import bind
from adaptaug.augmenter.checks import check_vocabulary, count_classes
from adaptaug.augmenter.decisions import Decisions, Pilot
from adaptaug.augmenter.encodings import CodeCheck, Encodings
from adaptaug.augmenter.learning_rate import PeakFraction
from adaptaug.augmenter.model_view import ModelView
from adaptaug.augmenter.normalisation import Normalisation
from adaptaug.augmenter.notices import Notices
from adaptaug.augmenter.witness import Witness
from adaptaug.data.examples import Examples, check_labels
from adaptaug.data.lexicon import Lexicon
from adaptaug.data.vocabulary import Vocabulary
from adaptaug.errors import AdaptAugError
from adaptaug.metrics import Scorer
from adaptaug.ops import OpSpace
from adaptaug.ops.word_space import WordOpSpace
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
    witness: Witness
    """Compares what the loop does with what it was told."""

    def mixes(self) -> bool:
        """Whether an op that mixes labels is on."""
        pairs = zip(self.op_space.ops, self.decisions.magnitudes, strict=True)
        return any(magnitude > 0 and op.stage == "mixing" for op, magnitude in pairs)


def set_up(
    examples: Examples,
    place: str,
    *,
    pilot: Pilot,
    model: nn.Module,
    norm: Normalisation | None,
    notices: Notices,
    validate: bool,
    total_steps: int,
    rate: PeakFraction,
    vocabulary: Vocabulary | None,
    encodings: Encodings | None,
    lexicon: str | Path | Lexicon | None,
    train: tuple[Tensor, Tensor] | Examples | None,
    classes: Sequence[str],
    metric: str | None,
    always_soft: bool,
    seed: int,
) -> Setup:
    """Prepares a run.

    Args:
        examples: at least one example of the user's data.
        place: where they are, for error messages: 'held_out', 'train' or 'batch 0'.
        pilot: the controller and its ops.
        model: see `Augmenter`, as for all other arguments.
        norm: what the model expects of images; None pixels in [0, 1].
        notices: the warnings of this run.
        validate: whether the examples are held-out data, on which the controller observes the run.
        total_steps: see `Augmenter`.
        rate: reads the learning rate.
        vocabulary: see `Augmenter`.
        encodings: those of a tokenizer, in place of a vocabulary; the examples are codes then.
        lexicon: see `Augmenter`.
        train: see `Augmenter`.
        classes: see `Augmenter`.
        metric: see `Augmenter`.
        always_soft: see `Augmenter`.
        seed: see `Augmenter`.

    Raises:
        AdaptAugError: the examples fit neither the model nor the other arguments, or no op applies
            to such data.
    """
    device = next(model.parameters(), examples.inputs).device
    examples = examples.to(device)
    if encodings is None:
        check_vocabulary(examples, vocabulary, place)
    if always_soft and examples.modality == "tagging":
        raise AdaptAugError("always_soft is for one label an example, got tags")
    tagging = examples.modality == "tagging"
    view = ModelView(model, norm, tagging=tagging, encodings=encodings)
    num_classes = count_classes(view, examples, place)
    check_labels(known(examples).targets, num_classes, place)
    op_space = bind(
        pilot.op_space, examples, num_classes, place,
        vocabulary=vocabulary, encodings=encodings, lexicon=lexicon, train=train,
        classes=classes, seed=seed,
    )  # fmt: skip
    none_yet = Examples(examples.inputs[:0], examples.targets[:0])
    scorer = Scorer(metric or pilot.metric, tuple(classes))
    validation = examples if validate else none_yet
    observer = Observer(op_space, none_yet, validation, num_classes, seed, scorer)
    if op_space.ops and not any(observer.applies):
        names = ", ".join(op_space.names)
        raise AdaptAugError(f"some op must suit {examples.modality} data, got {names}")
    check_of: Callable[..., BatchCheck] = BatchCheck
    if isinstance(op_space, WordOpSpace):
        check_of = partial(CodeCheck, words=op_space.words)
    check = check_of(
        device,
        examples.modality,
        tuple(examples.inputs.shape[1:]),
        place,
        num_classes,
        None if vocabulary is None else len(vocabulary),
        tuple(classes),
    )
    decisions = Decisions(pilot, observer, view, rate, total_steps, notices)
    draws = torch.Generator(device).manual_seed(seed + 1)
    witness = Witness(view, num_classes, notices)
    return Setup(op_space, num_classes, check, decisions, draws, witness)
