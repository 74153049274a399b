"""The object in a user's own training loop: augments each batch as a policy says."""

import logging
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from adaptaug.artefact import Policy, load_policy
from adaptaug.controllers import Controller, Learned
from adaptaug.cost import CostTable
from adaptaug.data import Examples
from adaptaug.data.examples import check_labels
from adaptaug.data.own import checked_examples, to_examples
from adaptaug.errors import AdaptAugError
from adaptaug.observation import PROBE_SIZE, Observation, Observer, Situation
from adaptaug.ops import Op, OpSpace
from adaptaug.rates import LearningRate, PeakFraction
from adaptaug.task import Task
from adaptaug.training import Metrics, predict, to_float

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
                `adaptaug.rates`), or a function that returns the fraction. None assumes the search's
                schedule: one-cycle over the run, with its peak after 30%.
            ops: the ops of a plain controller; a policy brings its own.
            decisions: decisions in the run; None takes the policy's own rhythm, 8 for a controller.
            seed: seeds every draw.
            board: where magnitudes, held-out loss and accuracy and images go at each decision.

        Raises:
            AdaptAugError: a policy that cannot be loaded, held-out data that do not fit the model,
                a number below 1, or `ops` missing or too many.
        """
        sizes = {"total_steps": total_steps, "n_train": n_train, "batch_size": batch_size or 1}
        for name, value in (sizes | {"decisions": decisions or 1}).items():
            if not isinstance(value, Integral) or value < 1:
                raise AdaptAugError(f"{name} must be a whole number of at least 1, got {value!r}")
        self.controller, self.op_space, self._costs, rhythm = _resolve(policy, ops)
        if decisions is not None:
            rhythm = decisions, None
        self.model, self.total_steps, self._n_train = model, total_steps, n_train
        self._boundaries = _boundaries(total_steps, *rhythm)
        self._batch_size = batch_size
        self._rate, self._board = PeakFraction(learning_rate), board
        validation = to_examples(held_out, "held_out")
        self.device = next(model.parameters(), validation.inputs).device
        validation = validation.to(self.device)
        self.num_classes = _count_classes(model, validation)
        check_labels(validation.targets, self.num_classes, "held_out")
        nothing = Examples(validation.inputs[:0], validation.targets[:0])
        self._observer = Observer(self.op_space, nothing, validation, self.num_classes, seed)
        self._shape = tuple(validation.inputs.shape[1:])
        self._applies = self.op_space.for_channels(self._shape[0])
        self._draws = torch.Generator(self.device).manual_seed(seed + 1)
        self._magnitudes = [0.0] * len(self.op_space)
        self._step, self._recorded, self._spent, self._warned = 0, 0, 0.0, False
        self._losses = self._hits = torch.zeros((), device=self.device)
        self.controller.start(seed)

    @property
    def magnitudes(self) -> dict[str, float]:
        """The magnitude of every op as it is now, in [0, 1]; 0 before the first batch."""
        return dict(zip(self.op_space.names, self._magnitudes, strict=True))

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
        if self.controller.observes:
            self._keep(inputs, targets)
        deciding = self._step == 0 or self._step in self._boundaries[:-1]
        if deciding:
            self._decide()
        elif self._step >= self.total_steps and not self._warned:
            self._warned = True
            logger.warning(
                "the run was to have %d batches; the magnitudes stay as they are", self.total_steps
            )
        with torch.autocast(inputs.device.type, enabled=False):  # half precision blurs a warp
            augmented, targets = self.op_space.apply(
                inputs, targets, self._magnitudes, self._draws, self.num_classes
            )
        if deciding:
            self._show(inputs, augmented)
        self._step += 1
        return augmented, targets

    def record(self, loss: Tensor | float, accuracy: Tensor | float) -> None:
        """Notes how the step went; tensors are not read before the next decision.

        Args:
            loss: mean cross-entropy of the augmented batch, in nats.
            accuracy: share of the batch that the model got right, in [0, 1].
        """
        self._losses = self._losses + _detached(loss)
        self._hits = self._hits + _detached(accuracy)
        self._recorded += 1

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run must know, as tensors and plain data."""
        return {
            "ops": list(self.op_space.names),
            "total_steps": self.total_steps,
            "batch_size": self._batch_size,
            "step": self._step,
            "magnitudes": list(self._magnitudes),
            "spent": self._spent,
            "losses": self._losses,
            "hits": self._hits,
            "recorded": self._recorded,
            "highest_rate": self._rate.highest,
            "generator": self._draws.get_state(),
            "observer": self._observer.state_dict(),
            "controller": self.controller.state_dict(),
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
        self._magnitudes, self._spent = list(state["magnitudes"]), state["spent"]
        self._losses, self._hits = (state[name].to(self.device) for name in ("losses", "hits"))
        self._recorded, self._rate.highest = state["recorded"], state["highest_rate"]
        self._draws.set_state(state["generator"].cpu())
        self._observer.load_state_dict(state["observer"])
        self.controller.load_state_dict(state["controller"])

    def _check(self, images: Tensor, targets: Tensor) -> None:
        """Looks at shape and device; at pixels and labels in the first batch only: that waits."""
        if images.device != self.device:
            raise AdaptAugError(
                f"images must be on {self.device}, where the model was when the Augmenter was made, "
                f"got {images.device} in batch {self._step}"
            )
        if images.ndim != 4 or tuple(images.shape[1:]) != self._shape or len(targets) != len(images):
            raise AdaptAugError(
                f"a batch must be images (B, {', '.join(map(str, self._shape))}), as in held_out, "
                f"and B targets, got {tuple(images.shape)} and {tuple(targets.shape)} "
                f"in batch {self._step}"
            )
        if self._batch_size is None:
            self._batch_size = len(images)
        if self._step == 0:
            first = checked_examples(images, _classes(targets), "the first batch")
            check_labels(first.targets, self.num_classes, "the first batch")

    def _keep(self, inputs: Tensor, targets: Tensor) -> None:
        """Keeps the first PROBE_SIZE training examples, as bytes, for the observations."""
        kept = self._observer.train
        missing = PROBE_SIZE - len(kept)
        if missing > 0:
            pixels = (inputs[:missing] * 255).round().to(torch.uint8)
            classes = _classes(targets[:missing]).to(torch.int64)
            self._observer.train = Examples(
                torch.cat([kept.inputs, pixels]), torch.cat([kept.targets, classes])
            )

    def _decide(self) -> None:
        """Picks the magnitudes until the next decision."""
        progress = self._step / self.total_steps
        observation = self._observe(progress) if self.controller.observes else None
        chosen = self.controller.decide(progress, observation)
        self._magnitudes = [float(m) * a for m, a in zip(chosen, self._applies, strict=True)]
        self._observer.remember(self._magnitudes)
        batches = next(end for end in self._boundaries if end > self._step) - self._step
        self._spent += self._costs.interval(self.op_space, self._magnitudes, batches)
        self._losses = self._hits = torch.zeros((), device=self.device)
        self._recorded = 0
        logger.info("batch %d: magnitudes %s", self._step, self.magnitudes)

    def _observe(self, progress: float) -> Observation:
        """Looks at the run; what the interval before has recorded is read here."""
        assert self._batch_size is not None
        batches = None
        if self._recorded:
            means = (float(total) / self._recorded for total in (self._losses, self._hits))
            batches = Metrics(*means)
        self._spent += self._costs.observe
        passes = self.total_steps * self._batch_size / self._n_train
        cost = self._spent / self.total_steps
        situation = Situation(progress, passes, self._rate.at(progress), batches, cost)
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            return self._observer.observe(self.model, situation)

    def _show(self, inputs: Tensor, augmented: Tensor) -> None:
        """Sends a decision to TensorBoard."""
        if self._board is None:
            return
        self._board.magnitudes(self.op_space.names, self._magnitudes, self._step)
        if self.controller.observes and self._observer.validated is not None:
            held_out = self._observer.validated
            scores = {"held_out/loss": held_out.loss, "held_out/accuracy": held_out.accuracy}
            self._board.scalars(scores, self._step)
        if self._shape[0] in (1, 3):
            self._board.image_grid(inputs, augmented, self._step)


def _resolve(
    policy: str | Path | Policy | Controller, ops: Sequence[str | Op] | None
) -> tuple[Controller, OpSpace, CostTable, tuple[int, int | None]]:
    """Controller, op space, costs, and the rhythm: decisions a run or batches between them."""
    if isinstance(policy, Controller):
        if ops is None:
            raise AdaptAugError("a plain controller needs the ops that it acts on, got ops=None")
        return policy, OpSpace(ops), CostTable(), (Task.decisions, None)
    if ops is not None:
        raise AdaptAugError(f"ops go with a plain controller, got them with the policy {policy!r}")
    if not isinstance(policy, Policy):
        policy = load_policy(policy)
    rhythm = policy.decisions, policy.decision_interval
    return Learned(policy.network), policy.op_space, policy.costs, rhythm


def _boundaries(total_steps: int, decisions: int, interval: int | None) -> list[int]:
    """Batches at which the decision intervals end, exactly as in a search."""
    if interval is not None:
        interval = min(interval, total_steps)
    return Task(steps=total_steps, decisions=decisions, decision_interval=interval).boundaries()


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


def _detached(value: Tensor | float) -> Tensor | float:
    """A number to add up, without its graph and in full precision."""
    return value.detach().float() if isinstance(value, Tensor) else value
