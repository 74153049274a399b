"""The object in a user's own training loop: augments each batch as a policy says."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from adaptaug.augmenter.decisions import Decider, pilot
from adaptaug.augmenter.learning_rate import LearningRate, PeakFraction
from adaptaug.controllers import Controller
from adaptaug.data import Examples
from adaptaug.data.batches import hard, to_float
from adaptaug.data.examples import check_labels, check_tokens
from adaptaug.data.from_user import to_examples
from adaptaug.data.lexicon import Lexicon, load_lexicon
from adaptaug.data.tags import check_bio
from adaptaug.data.vocabulary import Vocabulary
from adaptaug.errors import AdaptAugError
from adaptaug.metrics import Scorer, predict
from adaptaug.ops import Op, OpSpace, build_tables
from adaptaug.policy.observation import Observer
from adaptaug.policy.policy import Policy
from adaptaug.utils.types import Modality

if TYPE_CHECKING:
    from adaptaug.tensorboard import Board

logger = logging.getLogger(__name__)

_INPUTS: dict[Modality, str] = {"image": "images", "text": "ids", "tagging": "ids"}
"""What a batch's inputs are called in errors."""


class Augmenter:
    """Augments the batches of one training run at magnitudes that a policy picks as it goes.

    Called on every batch before the step, told loss and accuracy after it. At each decision it
    looks at the held-out data and at the first training examples that it was given, with the code
    of the search, in evaluation mode; the model's mode and all random state are left as they were.
    """

    def __init__(
        self,
        policy: str | Path | Policy | Controller,
        model: nn.Module,
        held_out: tuple[Tensor, Tensor] | Dataset[Any] | Examples,
        *,
        total_steps: int,
        n_train: int,
        batch_size: int | None = None,
        learning_rate: LearningRate = None,
        ops: Sequence[str | Op] | None = None,
        decisions: int | None = None,
        vocabulary: Vocabulary | None = None,
        lexicon: str | Path | Lexicon | None = None,
        train: tuple[Tensor, Tensor] | Examples | None = None,
        classes: Sequence[str] = (),
        metric: str | None = None,
        seed: int = 0,
        board: "Board | None" = None,
    ) -> None:
        """Gets ready for the first batch.

        Args:
            policy: what `load_policy` takes, a loaded policy, or any controller.
            model: maps float images (B, C, H, W) in [0, 1], or ids (B, L), to logits (B, K), or
                (B, L, K) in tagging; on its device already.
            held_out: examples that are not trained on: images (N, C, H, W), uint8 or float in
                [0, 1], and labels (N,) in 0..K-1; or a Dataset of such pairs; or ids (N, L),
                padded on the right with 0, and labels (N,) or tags (N, L), -100 at padding.
            total_steps: batches in the whole run, that is calls.
            n_train: training examples in one pass.
            batch_size: examples in a batch; None takes the first batch's.
            learning_rate: tells the policy the rate as a fraction of its peak: an optimizer (see
                `adaptaug.augmenter.learning_rate`), or a function that returns the fraction. None
                assumes the search's schedule: one-cycle over the run, with its peak after 30%.
            ops: the ops of a plain controller; a policy brings its own.
            decisions: decisions in the run; None takes the policy's rhythm, 8 for a controller.
            vocabulary: the words of the ids; text and tagging need it.
            lexicon: synonyms, or what `adaptaug.data.load_lexicon` reads; without them the ops
                that need some stay off, which is logged.
            train: the whole training set, inputs and labels or tags, from which tagging ops take
                tokens and mentions; besides tagging, only ops that generate need it. Those train
                their generator here, which takes minutes.
            classes: names of the tags in BIO form, the position being the label, for tagging; of
                classes where a pretrained generator should be told them.
            metric: the score on the held-out data that the policy sees, 'accuracy' or 'f1'; None
                takes that of its search.
            seed: seeds every draw.
            board: where magnitudes, images and held-out scores go at each decision.

        Raises:
            AdaptAugError: a policy that cannot be loaded or has no op for such data, held-out data
                that do not fit the model, a number below 1, or something missing or too many.
        """
        _check_counts(
            total_steps=total_steps, n_train=n_train, batch_size=batch_size, decisions=decisions
        )
        chosen = pilot(policy, ops, decisions)
        validation = to_examples(held_out, "held_out")
        self.device = next(model.parameters(), validation.inputs).device
        validation = validation.to(self.device)
        self._vocabulary_size = None if vocabulary is None else len(vocabulary)
        _check_words(validation, vocabulary)
        self.num_classes = _count_classes(model, validation)
        check_labels(validation.targets, self.num_classes, "held_out")
        if vocabulary is not None:
            tagged = _tagged(validation, vocabulary, train, classes, self.num_classes)
            space = _bound(chosen.op_space, tagged, vocabulary, lexicon, classes)
            chosen = replace(chosen, op_space=space)
        if any(op.fit is not None for op in chosen.op_space.ops):
            space = _fitted(
                chosen.op_space, validation, train, self.num_classes, seed, classes, vocabulary
            )
            chosen = replace(chosen, op_space=space)
        self.op_space, self.total_steps = chosen.op_space, total_steps
        none_yet = Examples(validation.inputs[:0], validation.targets[:0])
        scorer = Scorer(metric or chosen.metric, tuple(classes))
        observer = Observer(self.op_space, none_yet, validation, self.num_classes, seed, scorer)
        if not any(observer.applies):
            names = ", ".join(self.op_space.names)
            raise AdaptAugError(f"some op must suit {validation.modality} data, got {names}")
        self._decider = Decider(chosen, observer, model, PeakFraction(learning_rate), total_steps)
        self._draws = torch.Generator(self.device).manual_seed(seed + 1)
        self._modality, self._classes = validation.modality, tuple(classes)
        self._shape = tuple(validation.inputs.shape[1:])
        self._n_train, self._batch_size, self._board = n_train, batch_size, board
        self._step, self._warned = 0, False

    @property
    def magnitudes(self) -> dict[str, float]:
        """The magnitude of every op as it is now, in [0, 1]; 0 before the first batch."""
        return dict(zip(self.op_space.names, self._decider.magnitudes, strict=True))

    def __call__(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Augments the next batch; at a decision, picks the magnitudes first.

        Args:
            inputs: images (B, C, H, W), uint8 or float in [0, 1], or ids (B, L) padded on the
                right with 0, of any length; on the model's device. What inserted words push
                beyond L is cut.
            targets: classes (B,), for images also label distributions (B, K), in tagging tags
                (B, L), -100 at padding.

        Returns:
            float32 images in [0, 1], or int64 ids (B, L); and the targets: distributions (B, K)
            where an op mixes, the tags of the new tokens in tagging.

        Raises:
            AdaptAugError: another shape or device; pixels outside [0, 1] or not finite, ids outside
                the vocabulary, labels outside 0..K-1 and tags not in BIO form, on a GPU in the
                first batch alone.
        """
        self._check(inputs, targets)
        inputs = to_float(inputs).float() if inputs.ndim == 4 else inputs.long()
        targets = targets if targets.is_floating_point() else targets.long()
        self._decider.keep(inputs, hard(targets), self._n_train)
        deciding = self._decider.due(self._step)
        if deciding:
            self._batch_size = self._batch_size or len(inputs)
            passes = self.total_steps * self._batch_size / self._n_train
            self._decider.decide(self._step, passes)
        with torch.autocast(inputs.device.type, enabled=False):  # half precision blurs a warp
            augmented, targets = self.op_space.apply(
                inputs, targets, self._decider.magnitudes, self._draws, self.num_classes
            )
        if deciding and self._board is not None:
            self._show(self._board, inputs, augmented)
        self._step += 1
        return augmented, targets

    def record(self, loss: Tensor | float, accuracy: Tensor | float) -> None:
        """Notes how the step went; tensors are not read before the next decision.

        Args:
            loss: mean cross-entropy of the augmented batch, in nats.
            accuracy: share of the batch that the model got right, in [0, 1].
        """
        self._decider.record(loss, accuracy)

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run must know, as tensors and plain data."""
        return {
            "ops": list(self.op_space.names),
            "total_steps": self.total_steps,
            "batch_size": self._batch_size,
            "step": self._step,
            "generator": self._draws.get_state(),
            "decider": self._decider.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes back to a `state_dict`; the run then continues bit for bit.

        Raises:
            AdaptAugError: the state is of another op space or run length.
        """
        for name, ours in (("ops", list(self.op_space.names)), ("total_steps", self.total_steps)):
            if state.get(name) != ours:
                raise AdaptAugError(
                    f"{name} of an augmenter's state must be {ours}, got {state.get(name)}"
                )
        self._batch_size, self._step = state["batch_size"], state["step"]
        self._draws.set_state(state["generator"].cpu())
        self._decider.load_state_dict(state["decider"])

    def _check(self, inputs: Tensor, targets: Tensor) -> None:
        """Looks at shapes and devices, and at values; on a GPU only once, which has to wait."""
        place = f"batch {self._step}"
        if inputs.device != self.device:
            raise AdaptAugError(
                f"{_INPUTS[self._modality]} must be on {self.device}, as the model when the "
                f"Augmenter was made, got {inputs.device} in {place}"
            )
        self._check_shapes(inputs, targets, place)
        if self._step == 0 or (inputs.device.type == "cpu" and not self._in_range(inputs, targets)):
            examples = to_examples((inputs, hard(targets)), place)
            check_labels(examples.targets, self.num_classes, place)
            if self._vocabulary_size is not None:
                check_tokens(examples, place, self._vocabulary_size)
            if self._modality == "tagging":
                check_bio(examples.targets, self._classes, place)
        if self._step >= self.total_steps and not self._warned:
            self._warned = True
            logger.warning(
                "the run has more than total_steps=%d batches; the last magnitudes stay",
                self.total_steps,
            )

    def _in_range(self, inputs: Tensor, targets: Tensor) -> bool:
        """Whether images and labels hold nothing wrong, seen fast; sentences get the long look."""
        if len(inputs) == 0:
            return True
        if self._modality != "image":
            return False
        (low, high), (first, last) = inputs.aminmax(), hard(targets).aminmax()
        brightest = 1 if inputs.is_floating_point() else 255
        return bool(low >= 0 and high <= brightest and first >= 0 and last < self.num_classes)

    def _check_shapes(self, inputs: Tensor, targets: Tensor, place: str) -> None:
        size = len(inputs) if inputs.ndim else 0
        shape = self._shape if self._modality == "image" else tuple(inputs.shape[1:])
        fitting: dict[Modality, list[tuple[int, ...]]] = {
            "image": [(size,), (size, self.num_classes)],
            "text": [(size,)],
            "tagging": [tuple(inputs.shape)],
        }
        if (
            inputs.ndim != len(self._shape) + 1
            or inputs.shape[1:] != shape
            or targets.shape not in fitting[self._modality]
        ):
            raise AdaptAugError(
                f"a batch must be {self._expected()}, "
                f"got {tuple(inputs.shape)} and {tuple(targets.shape)} in {place}"
            )

    def _expected(self) -> str:
        """What a batch must be, in words."""
        rules: dict[Modality, str] = {
            "image": f"images (B, {', '.join(map(str, self._shape))}), as in held_out, "
            f"and targets (B,) or (B, {self.num_classes})",
            "text": "ids (B, L) and targets (B,)",
            "tagging": "ids (B, L) and tags (B, L)",
        }
        return rules[self._modality]

    def _show(self, board: "Board", inputs: Tensor, augmented: Tensor) -> None:
        """Sends a decision to TensorBoard."""
        board.magnitudes(self.op_space.names, self._decider.magnitudes, self._step)
        scores = self._decider.held_out
        if scores is not None:
            curves = {"held_out_loss": [scores.loss], "held_out_accuracy": [scores.accuracy]}
            board.child_curves(curves, self._step)
        if self._modality == "image" and self._shape[0] in (1, 3):
            board.image_grid(inputs, augmented, self._step)


def _check_counts(**counts: int | None) -> None:
    """Refuses what is not a whole number of at least 1; None has a default."""
    for name, value in counts.items():
        if value is not None and not (isinstance(value, Integral) and value >= 1):
            raise AdaptAugError(f"{name} must be a whole number of at least 1, got {value!r}")


def _count_classes(model: nn.Module, examples: Examples) -> int:
    """Number of classes K, from what the model makes of one example."""
    with torch.random.fork_rng([examples.inputs.device] if examples.inputs.is_cuda else []):
        logits = predict(model, examples.inputs[:1])
    dimensions, form = (3, "(B, L, K)") if examples.modality == "tagging" else (2, "(B, K)")
    if logits.ndim != dimensions or logits.shape[-1] < 2:
        raise AdaptAugError(
            f"the model must return logits {form} for 2 classes or more, got {tuple(logits.shape)}"
        )
    return logits.shape[-1]


def _check_words(examples: Examples, vocabulary: Vocabulary | None) -> None:
    """Makes sure that held-out sentences come with a vocabulary that fits them."""
    if not isinstance(vocabulary, Vocabulary | None):
        raise AdaptAugError(
            f"vocabulary must be one that build_vocabulary makes, got {type(vocabulary).__name__}"
        )
    if (vocabulary is None) != (examples.modality == "image"):
        raise AdaptAugError(
            "vocabulary goes with sentences, given as ids (N, L), "
            f"got {vocabulary and len(vocabulary)} words and {tuple(examples.inputs.shape)}"
        )
    if vocabulary is not None:
        check_tokens(examples, "held_out", len(vocabulary))


def _tagged(
    held_out: Examples,
    vocabulary: Vocabulary,
    train: tuple[Tensor, Tensor] | Examples | None,
    classes: Sequence[str],
    num_classes: int,
) -> Examples:
    """What ops take tokens and mentions from: no examples at all where sentences have no tags."""
    if held_out.modality != "tagging":
        return Examples(held_out.inputs[:0], held_out.targets[:0])
    if train is None or not classes:
        raise AdaptAugError(
            "tagging needs train=(ids, tags), from which ops take tokens and mentions, and the "
            f"names of the tags in classes, got {len(classes)} names"
            f"{' and no train' if train is None else ''}"
        )
    if not len(classes) == len(set(classes)) == num_classes:
        raise AdaptAugError(
            f"classes must name each of the model's {num_classes} tags, "
            f"got {len(set(classes))} different names"
        )
    examples = to_examples(train, "train").to(held_out.inputs.device)
    if examples.modality != "tagging":
        raise AdaptAugError(
            "train must be ids (N, L) and tags (N, L), "
            f"got {tuple(examples.inputs.shape)} and {tuple(examples.targets.shape)}"
        )
    check_tokens(examples, "train", len(vocabulary))
    check_labels(examples.targets, num_classes, "train")
    for place, part in (("train", examples), ("held_out", held_out)):
        check_bio(part.targets, classes, place)
    return examples


def _fitted(
    op_space: OpSpace,
    held_out: Examples,
    train: tuple[Tensor, Tensor] | Examples | None,
    num_classes: int,
    seed: int,
    classes: Sequence[str],
    vocabulary: Vocabulary | None,
) -> OpSpace:
    """The op space with what its generating ops draw from."""
    if train is None:
        names = [op.name for op in op_space.ops if op.fit is not None]
        raise AdaptAugError(
            f"ops that generate need train=(inputs, labels), the training set, got none for {names}"
        )
    examples = to_examples(train, "train").to(held_out.inputs.device)
    if examples.modality != held_out.modality:
        raise AdaptAugError(
            f"train must be {held_out.modality} data as held_out, got {examples.modality} data"
        )
    ours, theirs = examples.inputs.shape[1:], held_out.inputs.shape[1:]
    if examples.modality == "image" and ours != theirs:
        raise AdaptAugError(
            f"train must have images of held_out's shape {tuple(theirs)}, got {tuple(ours)}"
        )
    if vocabulary is not None:
        check_tokens(examples, "train", len(vocabulary))
    check_labels(examples.targets, num_classes, "train")
    return op_space.fitted(examples, num_classes, seed, tuple(classes), vocabulary)


def _bound(
    op_space: OpSpace,
    tagged: Examples,
    vocabulary: Vocabulary,
    lexicon: str | Path | Lexicon | None,
    classes: Sequence[str],
) -> OpSpace:
    """The op space with what its token ops look up; says which of them lack synonyms."""
    modality = tagged.modality
    synonyms = load_lexicon(str(lexicon)) if isinstance(lexicon, str | Path) else lexicon
    missing = [op.name for op in op_space.ops if op.needs_lexicon and modality in op.modalities]
    if synonyms is None and missing:
        logger.warning("without a lexicon these ops stay off: %s", ", ".join(missing))
    return op_space.on(build_tables(vocabulary, synonyms, tagged, classes, modality))
