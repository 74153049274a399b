"""The `Augmenter` of a user's training loop: augments each batch as a policy decides."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from adaptaug.augmenter.checks import check_counts, check_device, check_without_held_out
from adaptaug.augmenter.decisions import pilot
from adaptaug.augmenter.learning_rate import LearningRate, PeakFraction
from adaptaug.augmenter.setup import Setup, set_up
from adaptaug.controllers import Controller
from adaptaug.data.batches import hard, to_float
from adaptaug.data.examples import Examples
from adaptaug.data.from_user import to_examples
from adaptaug.data.lexicon import Lexicon
from adaptaug.data.vocabulary import Vocabulary
from adaptaug.errors import AdaptAugError
from adaptaug.metrics import Scorer
from adaptaug.ops import Op
from adaptaug.policy.policy import Policy

if TYPE_CHECKING:
    from adaptaug.tensorboard import Board

logger = logging.getLogger(__name__)


class Augmenter:
    """Augments the batches of one training run at magnitudes that a policy picks during the run.

    Call it on every batch before the step, and call `record` with loss and accuracy after the step.
    At each decision it evaluates the model, in evaluation mode and with the code of the search, on
    the first training examples that it was given, and on the held-out data if there are any. It
    restores the model's mode and all random state afterwards.
    """

    def __init__(
        self,
        policy: str | Path | Policy | Controller,
        model: nn.Module,
        held_out: tuple[Tensor, Tensor] | Dataset[Any] | Examples | None = None,
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
                padded on the right with 0, and labels (N,) or tags (N, L), -100 at padding. Without
                them a policy takes the mean of its search for what it would observe on them, and
                what does not fit is refused at the first batch, or here if `train` is given.
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
            metric: the score that the policy observes, 'accuracy' or 'f1'; None takes the metric of
                its search, and accuracy for a plain controller.
            seed: seeds every random draw of the ops.
            board: receives magnitudes, images and held-out scores at each decision.

        Raises:
            AdaptAugError: the policy cannot be loaded, or none of its ops applies to such data; the
                held-out data do not fit the model, or are missing and the controller needs them; a
                number is below 1; or an argument is missing or does not go with the others.
        """
        check_counts(
            total_steps=total_steps, n_train=n_train, batch_size=batch_size, decisions=decisions
        )
        chosen = pilot(policy, ops, decisions)
        PeakFraction(learning_rate)  # refuses here what the setup would refuse at the first batch
        Scorer(metric or chosen.metric)
        self.total_steps = total_steps
        self._names = chosen.op_space.names
        self._held_out = held_out is not None
        self._set_up = partial(
            set_up, pilot=chosen, model=model, validate=self._held_out, total_steps=total_steps,
            learning_rate=learning_rate, vocabulary=vocabulary, lexicon=lexicon, train=train,
            classes=classes, metric=metric, seed=seed,
        )  # fmt: skip
        self._setup: Setup | None = None  # without held-out data None until the first batch
        self._loaded: Mapping[str, Any] | None = None  # a state that waits for the first batch
        if held_out is None:
            check_without_held_out(chosen.controller)
            self._device = next(model.parameters(), torch.empty(0)).device
        else:
            self._setup = self._set_up(to_examples(held_out, "held_out"), "held_out")
        self._n_train, self._batch_size, self._board = n_train, batch_size, board
        self._step, self._warned = 0, False

    @property
    def magnitudes(self) -> dict[str, float]:
        """Current magnitude of every op, in [0, 1]; 0 before the first batch."""
        if self._setup is not None:
            current = self._setup.decisions.magnitudes
        elif self._loaded is not None:
            current = self._loaded["decisions"]["loop"]["magnitudes"]
        else:
            current = [0.0] * len(self._names)
        return dict(zip(self._names, current, strict=True))

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
                in BIO form. On a GPU the values are checked in the first batch only. Without
                held-out data the first batch may also not fit the model or the other arguments.
        """
        setup = self._setup or self._begun(inputs, targets)
        setup.check(inputs, targets, self._step)
        self._setup, self._loaded = setup, None
        self._warn_when_over()
        inputs = to_float(inputs).float() if inputs.ndim == 4 else inputs.long()
        targets = targets if targets.is_floating_point() else targets.long()
        setup.decisions.keep(inputs, hard(targets), self._n_train)
        deciding = setup.decisions.due(self._step)
        if deciding:
            self._batch_size = self._batch_size or len(inputs)
            epochs = self.total_steps * self._batch_size / self._n_train
            setup.decisions.decide(self._step, epochs)
        with torch.autocast(inputs.device.type, enabled=False):  # half precision blurs warps
            augmented, targets = setup.op_space.apply(
                inputs, targets, setup.decisions.magnitudes, setup.draws, setup.num_classes
            )
        if deciding and self._board is not None:
            self._show(self._board, setup, inputs, augmented)
        self._step += 1
        return augmented, targets

    def record(self, loss: Tensor | float, accuracy: Tensor | float) -> None:
        """Records loss and accuracy of the step.

        Tensors are not read before the next decision, so a GPU is not synchronised.

        Args:
            loss: mean cross-entropy of the augmented batch, in nats.
            accuracy: share of correct predictions in the augmented batch, in [0, 1].

        Raises:
            AdaptAugError: there was no batch yet.
        """
        if self._setup is None:
            raise AdaptAugError("record follows the call on a batch, got no batch before it")
        self._setup.decisions.record(loss, accuracy)

    def state_dict(self) -> dict[str, Any]:
        """State of the run for a checkpoint, as tensors and plain data."""
        setup = self._setup
        if setup is None:
            loaded = self._loaded or {}
            parts: dict[str, Any] = {name: loaded.get(name) for name in ("generator", "decisions")}
        else:
            parts = {
                "generator": setup.draws.get_state(),
                "decisions": setup.decisions.state_dict(),
            }
        return {
            "ops": list(self._names),
            "total_steps": self.total_steps,
            "uses_held_out": self._held_out,
            "batch_size": self._batch_size,
            "step": self._step,
            **parts,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores a `state_dict`; the run then continues bit for bit.

        Raises:
            AdaptAugError: the state belongs to another op space or run length, or to a run that has
                held-out data where this one has none, or the other way round.
        """
        rules = {
            "ops": list(self._names),
            "total_steps": self.total_steps,
            "uses_held_out": self._held_out,
        }
        for name, ours in rules.items():
            theirs = state.get(name, True) if name == "uses_held_out" else state.get(name)
            if theirs != ours:
                raise AdaptAugError(f"{name} of an augmenter's state must be {ours}, got {theirs}")
        self._batch_size, self._step = state["batch_size"], state["step"]
        if self._held_out and self._setup is not None:
            _restore(self._setup, state)
        else:
            self._setup = None
            self._loaded = None if state["decisions"] is None else state

    def _begun(self, inputs: Tensor, targets: Tensor) -> Setup:
        """Prepares the run from its first batch, and continues a loaded state if there is one."""
        place = f"batch {self._step}"
        check_device(inputs, self._device, place)
        setup = self._set_up(to_examples((inputs, hard(targets)), place), place)
        if self._loaded is not None:
            _restore(setup, self._loaded)
        return setup

    def _warn_when_over(self) -> None:
        """Warns once when the run has more batches than `total_steps`."""
        if self._step >= self.total_steps and not self._warned:
            self._warned = True
            logger.warning(
                "the run has more than total_steps=%d batches; the last magnitudes are kept",
                self.total_steps,
            )

    def _show(self, board: "Board", setup: Setup, inputs: Tensor, augmented: Tensor) -> None:
        """Writes a decision to TensorBoard."""
        board.magnitudes(self._names, setup.decisions.magnitudes, self._step)
        observation = setup.decisions.observation
        if observation is not None and self._held_out:
            seen = observation.validation
            board.child_curves(
                {"held_out_loss": [seen.loss], "held_out_score": [seen.score]}, self._step
            )
        if inputs.ndim == 4 and inputs.shape[1] in (1, 3):
            board.image_grid(inputs, augmented, self._step)


def _restore(setup: Setup, state: Mapping[str, Any]) -> None:
    """Continues the run of a `state_dict` in a new setup."""
    setup.draws.set_state(state["generator"].cpu())
    setup.decisions.load_state_dict(state["decisions"])
