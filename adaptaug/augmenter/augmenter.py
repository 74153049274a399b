"""The `Augmenter` of a user's training loop: augments each batch as a policy decides."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from adaptaug.augmenter.binding import bind
from adaptaug.augmenter.checks import BatchCheck, check_counts, check_vocabulary, count_classes
from adaptaug.augmenter.decisions import Decisions, pilot
from adaptaug.augmenter.learning_rate import LearningRate, PeakFraction
from adaptaug.controllers import Controller
from adaptaug.data.batches import hard, to_float
from adaptaug.data.examples import Examples, check_labels
from adaptaug.data.from_user import to_examples
from adaptaug.data.lexicon import Lexicon
from adaptaug.data.vocabulary import Vocabulary
from adaptaug.errors import AdaptAugError
from adaptaug.metrics import Scorer
from adaptaug.ops import Op
from adaptaug.policy.observation import Observer
from adaptaug.policy.policy import Policy

if TYPE_CHECKING:
    from adaptaug.tensorboard import Board

logger = logging.getLogger(__name__)


class Augmenter:
    """Augments the batches of one training run at magnitudes that a policy picks during the run.

    Call it on every batch before the step, and call `record` with loss and accuracy after the step.
    At each decision it evaluates the model, in evaluation mode and with the code of the search, on
    the held-out data and on the first training examples that it was given. It restores the model's
    mode and all random state afterwards.
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
        """Prepares for the first batch.

        Args:
            policy: what `load_policy` takes, a loaded policy, or any controller.
            model: maps float images (B, C, H, W) in [0, 1] to logits (B, K), or int64 ids (B, L) to
                logits (B, K), in tagging (B, L, K). It is already on its device.
            held_out: examples that are not trained on: images (N, C, H, W), uint8 or float in
                [0, 1], and labels (N,) in 0..K-1; or a Dataset of such pairs; or ids (N, L),
                padded on the right with 0, and labels (N,) or tags (N, L), -100 at padding.
            total_steps: batches in the whole run; the Augmenter is called once for each.
            n_train: training examples in one epoch.
            batch_size: examples in a batch; None takes the size of the first batch.
            learning_rate: where the policy reads the learning rate: an optimizer (see
                `adaptaug.augmenter.learning_rate`), or a function that returns the rate as a
                fraction of its peak. None assumes the search's schedule: one-cycle over the run,
                with its peak at 30%.
            ops: the ops of a plain controller; a policy brings its own.
            decisions: decisions in the run; None takes those of the policy, or 8 for a plain
                controller.
            vocabulary: the words of the ids; text and tagging need it.
            lexicon: synonyms, or what `adaptaug.data.load_lexicon` reads. Without it, ops that need
                synonyms stay off, and a warning names them.
            train: the whole training set: inputs, and labels or tags. Tagging ops take tokens and
                mentions from it. Ops that generate samples train their generator on it in this
                call, which takes minutes. Other ops do not need it.
            classes: in tagging, the names of the tags in BIO form; the position is the label. For
                pretrained generators, the names of the classes.
            metric: the held-out score that the policy observes, 'accuracy' or 'f1'; None takes the
                metric of its search, and accuracy for a plain controller.
            seed: seeds every random draw of the ops.
            board: receives magnitudes, images and held-out scores at each decision.

        Raises:
            AdaptAugError: the policy cannot be loaded, or none of its ops applies to such data; the
                held-out data do not fit the model; a number is below 1; or an argument is missing
                or does not go with the others.
        """
        check_counts(
            total_steps=total_steps, n_train=n_train, batch_size=batch_size, decisions=decisions
        )
        chosen = pilot(policy, ops, decisions)
        validation = to_examples(held_out, "held_out")
        self.device = next(model.parameters(), validation.inputs).device
        validation = validation.to(self.device)
        check_vocabulary(validation, vocabulary)
        self.num_classes = count_classes(model, validation)
        check_labels(validation.targets, self.num_classes, "held_out")
        self.op_space = bind(
            chosen.op_space, validation, self.num_classes,
            vocabulary=vocabulary, lexicon=lexicon, train=train, classes=classes, seed=seed,
        )  # fmt: skip
        self.total_steps = total_steps
        none_yet = Examples(validation.inputs[:0], validation.targets[:0])
        scorer = Scorer(metric or chosen.metric, tuple(classes))
        observer = Observer(self.op_space, none_yet, validation, self.num_classes, seed, scorer)
        if not any(observer.applies):
            names = ", ".join(self.op_space.names)
            raise AdaptAugError(f"some op must suit {validation.modality} data, got {names}")
        rate = PeakFraction(learning_rate)
        self._decisions = Decisions(chosen, observer, model, rate, total_steps)
        self._draws = torch.Generator(self.device).manual_seed(seed + 1)
        self._check = BatchCheck(
            self.device,
            validation.modality,
            tuple(validation.inputs.shape[1:]),
            self.num_classes,
            None if vocabulary is None else len(vocabulary),
            tuple(classes),
        )
        self._n_train, self._batch_size, self._board = n_train, batch_size, board
        self._step, self._warned = 0, False

    @property
    def magnitudes(self) -> dict[str, float]:
        """Current magnitude of every op, in [0, 1]; 0 before the first batch."""
        return dict(zip(self.op_space.names, self._decisions.magnitudes, strict=True))

    def __call__(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Augments the next batch; at a decision, picks the magnitudes first.

        Args:
            inputs: images (B, C, H, W), uint8 or float in [0, 1], or ids (B, L) of any length L,
                padded on the right with 0; on the model's device.
            targets: classes (B,), for images also label distributions (B, K); in tagging tags
                (B, L), -100 at padding.

        Returns:
            float32 images in [0, 1], or int64 ids (B, L), in which words beyond L are cut off when
            others are inserted. The targets are distributions (B, K) if an op mixes examples, in
            tagging the tags of the new tokens, otherwise those given.

        Raises:
            AdaptAugError: a shape or device does not fit, pixels lie outside [0, 1] or are not
                finite, ids lie outside the vocabulary, labels lie outside 0..K-1, or tags are not
                in BIO form. On a GPU the values are checked in the first batch only.
        """
        self._check(inputs, targets, self._step)
        self._warn_when_over()
        inputs = to_float(inputs).float() if inputs.ndim == 4 else inputs.long()
        targets = targets if targets.is_floating_point() else targets.long()
        self._decisions.keep(inputs, hard(targets), self._n_train)
        deciding = self._decisions.due(self._step)
        if deciding:
            self._batch_size = self._batch_size or len(inputs)
            epochs = self.total_steps * self._batch_size / self._n_train
            self._decisions.decide(self._step, epochs)
        with torch.autocast(inputs.device.type, enabled=False):  # half precision blurs warps
            augmented, targets = self.op_space.apply(
                inputs, targets, self._decisions.magnitudes, self._draws, self.num_classes
            )
        if deciding and self._board is not None:
            self._show(self._board, inputs, augmented)
        self._step += 1
        return augmented, targets

    def record(self, loss: Tensor | float, accuracy: Tensor | float) -> None:
        """Records loss and accuracy of the step.

        Tensors are not read before the next decision, so a GPU is not synchronised.

        Args:
            loss: mean cross-entropy of the augmented batch, in nats.
            accuracy: share of correct predictions in the augmented batch, in [0, 1].
        """
        self._decisions.record(loss, accuracy)

    def state_dict(self) -> dict[str, Any]:
        """State of the run for a checkpoint, as tensors and plain data."""
        return {
            "ops": list(self.op_space.names),
            "total_steps": self.total_steps,
            "batch_size": self._batch_size,
            "step": self._step,
            "generator": self._draws.get_state(),
            "decisions": self._decisions.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores a `state_dict`; the run then continues bit for bit.

        Raises:
            AdaptAugError: the state belongs to another op space or run length.
        """
        for name, ours in (("ops", list(self.op_space.names)), ("total_steps", self.total_steps)):
            if state.get(name) != ours:
                raise AdaptAugError(
                    f"{name} of an augmenter's state must be {ours}, got {state.get(name)}"
                )
        self._batch_size, self._step = state["batch_size"], state["step"]
        self._draws.set_state(state["generator"].cpu())
        self._decisions.load_state_dict(state["decisions"])

    def _warn_when_over(self) -> None:
        """Warns once when the run has more batches than `total_steps`."""
        if self._step >= self.total_steps and not self._warned:
            self._warned = True
            logger.warning(
                "the run has more than total_steps=%d batches; the last magnitudes are kept",
                self.total_steps,
            )

    def _show(self, board: "Board", inputs: Tensor, augmented: Tensor) -> None:
        """Writes a decision to TensorBoard."""
        board.magnitudes(self.op_space.names, self._decisions.magnitudes, self._step)
        observation = self._decisions.observation
        if observation is not None:
            seen = observation.validation
            board.child_curves(
                {"held_out_loss": [seen.loss], "held_out_score": [seen.score]}, self._step
            )
        if inputs.ndim == 4 and inputs.shape[1] in (1, 3):
            board.image_grid(inputs, augmented, self._step)
