"""The object in a user's own training loop: augments each batch as a policy says."""

import logging
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from adaptaug.artefact import Policy
from adaptaug.controllers import Controller
from adaptaug.data import Examples
from adaptaug.data.examples import check_labels
from adaptaug.data.own import to_examples
from adaptaug.decider import Decider, pilot
from adaptaug.errors import AdaptAugError
from adaptaug.observation import Observer
from adaptaug.ops import Op
from adaptaug.rates import LearningRate, PeakFraction
from adaptaug.training import predict, to_float

if TYPE_CHECKING:
    from adaptaug.tensorboard import Board

logger = logging.getLogger(__name__)


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
        seed: int = 0,
        board: "Board | None" = None,
    ) -> None:
        """Gets ready for the first batch.

        Args:
            policy: a policy folder, a hub id, a loaded policy, or any controller.
            model: maps float images (B, C, H, W) in [0, 1] to logits (B, K); on its device already.
            held_out: examples that are not trained on: images (N, C, H, W), uint8 or float in
                [0, 1], and labels (N,) in 0..K-1; or a Dataset of such pairs.
            total_steps: batches in the whole run, that is calls.
            n_train: training examples in one pass.
            batch_size: examples in a batch; None takes the first batch's.
            learning_rate: tells the policy the rate as a fraction of its peak: an optimizer (see
                `adaptaug.rates`), or a function that returns the fraction. None assumes the
                search's schedule: one-cycle over the run, with its peak after 30%.
            ops: the ops of a plain controller; a policy brings its own.
            decisions: decisions in the run; None takes the policy's rhythm, 8 for a controller.
            seed: seeds every draw.
            board: where magnitudes, images and held-out scores go at each decision.

        Raises:
            AdaptAugError: a policy that cannot be loaded, held-out data that do not fit the model,
                a number below 1, or `ops` missing or too many.
        """
        _check_counts(
            total_steps=total_steps, n_train=n_train, batch_size=batch_size, decisions=decisions
        )
        chosen = pilot(policy, ops, decisions)
        validation = to_examples(held_out, "held_out")
        self.device = next(model.parameters(), validation.inputs).device
        validation = validation.to(self.device)
        self.num_classes = _count_classes(model, validation)
        check_labels(validation.targets, self.num_classes, "held_out")
        self.op_space, self.total_steps = chosen.op_space, total_steps
        none_yet = Examples(validation.inputs[:0], validation.targets[:0])
        observer = Observer(self.op_space, none_yet, validation, self.num_classes, seed)
        self._decider = Decider(chosen, observer, model, PeakFraction(learning_rate), total_steps)
        self._draws = torch.Generator(self.device).manual_seed(seed + 1)
        self._shape = tuple(validation.inputs.shape[1:])
        self._n_train, self._batch_size, self._board = n_train, batch_size, board
        self._step, self._warned = 0, False

    @property
    def magnitudes(self) -> dict[str, float]:
        """The magnitude of every op as it is now, in [0, 1]; 0 before the first batch."""
        return dict(zip(self.op_space.names, self._decider.magnitudes, strict=True))

    def __call__(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Augments the next batch; at a decision, picks the magnitudes first.

        Args:
            images: (B, C, H, W), uint8 or float in [0, 1], on the model's device.
            targets: classes (B,) or label distributions (B, K).

        Returns:
            float32 images in [0, 1], and the targets; distributions (B, K) where an op mixes.

        Raises:
            AdaptAugError: another shape or device; in the first batch also pixels outside [0, 1]
                and labels outside 0..K-1.
        """
        self._check(images, targets)
        inputs = to_float(images).float()
        targets = targets if targets.is_floating_point() else targets.long()
        self._decider.keep(inputs, _classes(targets), self._n_train)
        deciding = self._decider.due(self._step)
        if deciding:
            self._batch_size = self._batch_size or len(images)
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

    def _check(self, images: Tensor, targets: Tensor) -> None:
        """Looks at shapes and devices; at pixels and labels only once, since reading them waits."""
        place = f"batch {self._step}"
        if images.device != self.device:
            raise AdaptAugError(
                f"images must be on {self.device}, as the model when the Augmenter was made, "
                f"got {images.device} in {place}"
            )
        size = len(images) if images.ndim else 0
        fitting = [(size,), (size, self.num_classes)]
        if images.shape[1:] != self._shape or targets.shape not in fitting:
            raise AdaptAugError(
                f"a batch must be images (B, {', '.join(map(str, self._shape))}), as in held_out, "
                f"and targets (B,) or (B, {self.num_classes}), "
                f"got {tuple(images.shape)} and {tuple(targets.shape)} in {place}"
            )
        if self._step == 0:
            first = to_examples((images, _classes(targets)), place)
            check_labels(first.targets, self.num_classes, place)
        elif self._step >= self.total_steps and not self._warned:
            self._warned = True
            logger.warning(
                "the run has more than total_steps=%d batches; the last magnitudes stay",
                self.total_steps,
            )

    def _show(self, board: "Board", inputs: Tensor, augmented: Tensor) -> None:
        """Sends a decision to TensorBoard."""
        board.magnitudes(self.op_space.names, self._decider.magnitudes, self._step)
        scores = self._decider.held_out
        if scores is not None:
            curves = {"held_out_loss": [scores.loss], "held_out_accuracy": [scores.accuracy]}
            board.child_curves(curves, self._step)
        if self._shape[0] in (1, 3):
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
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise AdaptAugError(
            f"the model must return logits (B, K) for 2 classes or more, got {tuple(logits.shape)}"
        )
    return logits.shape[1]


def _classes(targets: Tensor) -> Tensor:
    """Classes (B,) as they are, the likeliest of label distributions (B, K)."""
    return targets if targets.ndim == 1 else targets.argmax(1)
