"""Training a child: a few batches at a time, under given magnitudes, deterministic in its seed."""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from adaptaug.children import ChildShape, build_child
from adaptaug.data import Examples
from adaptaug.errors import AdaptAugError
from adaptaug.ops import OpSpace
from adaptaug.randomness import RandomStream
from adaptaug.task import Task

AUGMENT_CHUNK = 1 << 21
"""Most input values (images x channels x height x width) that are augmented in one call."""


def _one_cycle(progress: float, warm_up: float = 0.3, start: float = 0.04) -> float:
    """Cosine up from `start` over `warm_up`, cosine down to 0 (Smith and Topin 2018)."""
    if progress < warm_up:
        return 1 - (1 - start) * 0.5 * (1 + math.cos(math.pi * progress / warm_up))
    return 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))


SCHEDULES: dict[str, Callable[[float], float]] = {
    "one_cycle": _one_cycle,
    "cosine": lambda progress: 0.5 * (1 + math.cos(math.pi * progress)),
    "constant": lambda progress: 1.0,
}
"""Progress through the run in [0, 1) to a fraction of the peak learning rate in [0, 1]."""


@dataclass(frozen=True)
class Metrics:
    """Mean loss (nats) and accuracy in [0, 1] over some examples."""

    loss: float
    accuracy: float


@torch.no_grad()
def predict(model: nn.Module, inputs: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    """Logits (N, num_classes) of uint8 inputs (N, C, H, W) or float ones in [0, 1].

    The model is put in evaluation mode; it and each of its modules are left in the mode that they
    were in.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        parts = inputs.split(batch_size)
        return torch.cat([model(channels_last(to_float(part))) for part in parts])
    finally:
        for module, mode in modes:
            module.training = mode


def evaluate(model: nn.Module, examples: Examples) -> Metrics:
    """Mean cross-entropy and accuracy of the model on clean examples."""
    logits = predict(model, examples.inputs)
    loss = functional.cross_entropy(logits, examples.targets)
    hits = (logits.argmax(1) == examples.targets).float().mean()
    return Metrics(float(loss), float(hits))


def to_float(images: torch.Tensor) -> torch.Tensor:
    """uint8 images (B, C, H, W) as floats in [0, 1]; float images as they are."""
    return images.float().div_(255) if images.dtype == torch.uint8 else images


def channels_last(images: torch.Tensor) -> torch.Tensor:
    """The layout in which a CPU trains a small CNN half as fast again."""
    return images.contiguous(memory_format=torch.channels_last)


class ChildRun:
    """One child's training run.

    The seed fixes the initial weights, the batch order, dropout and every augmentation draw.
    """

    def __init__(
        self,
        task: Task,
        train: Examples,
        validation: Examples,
        num_classes: int,
        op_space: OpSpace,
        seed: int,
        device: str = "cpu",
    ) -> None:
        """Builds the child, on `device`, ready for its first batch.

        Args:
            task: what is trained, and for how long.
            train: training examples, drawn from in batches.
            validation: what early stopping looks at.
            num_classes: classes of the data set.
            op_space: ops that `train_batches` takes magnitudes for.
            seed: any non-negative integer.
            device: where child and data live.

        Raises:
            AdaptAugError: the child or the schedule is unknown, or the images do not fit the child.
        """
        self.task = task
        self.train = train.to(device)
        self.validation = validation.to(device)
        self.num_classes = num_classes
        self.op_space = op_space
        self.step = 0
        self.diverged = False
        self.stopped = False
        if task.schedule not in SCHEDULES:
            raise AdaptAugError(
                f"schedule must be one of {sorted(SCHEDULES)}, got {task.schedule!r}"
            )
        self._schedule = SCHEDULES[task.schedule]
        self._stream = RandomStream(seed, torch.device(device))
        self._order = torch.Generator(device).manual_seed(seed)
        self._draws = torch.Generator(device).manual_seed(seed + 1)
        channels, *size = train.inputs.shape[1:]
        shape = ChildShape(channels, (size[0], size[1]), num_classes, task.width)
        with self._stream.active():
            self.model = build_child(task.child, shape).to(device)
        self.model.to(memory_format=torch.channels_last)
        self._optimizer = torch.optim.Adam(
            self.model.parameters(), lr=task.peak_learning_rate, fused=True
        )
        self._queue = torch.empty(0, dtype=torch.int64, device=device)
        self._best: tuple[float, dict[str, Any]] | None = None
        self._waited = 0

    @property
    def progress(self) -> float:
        """Fraction of the run that is done, in [0, 1]."""
        return self.step / self.task.steps

    @property
    def learning_rate(self) -> float:
        """Learning rate of the next batch as a fraction of its peak, in [0, 1]."""
        return self._schedule(self.progress) if self.step < self.task.steps else 0.0

    @property
    def finished(self) -> bool:
        """Whether the budget is spent, the child has diverged or early stopping has struck."""
        return self.diverged or self.stopped or self.step >= self.task.steps

    def train_batches(self, batches: int, magnitudes: Sequence[float]) -> Metrics:
        """Trains on the next `batches` batches, all augmented at the same magnitudes.

        Returns:
            Mean loss and accuracy on the augmented batches. Once a loss is not finite the run is
            `diverged`.
        """
        losses: list[torch.Tensor] = []  # summed once, as a running sum costs a step 2%
        logits: list[torch.Tensor] = []
        labels: list[torch.Tensor] = []
        size = self.task.batch_size
        chunk = max(1, AUGMENT_CHUNK // (size * self.train.inputs[0].numel()))
        self.model.train()
        with self._stream.active():
            for start in range(0, batches, chunk):
                count = min(chunk, batches - start)
                picked = self._next_indices(count * size)
                inputs, targets = self.op_space.apply(
                    to_float(self.train.inputs[picked]),
                    self.train.targets[picked],
                    magnitudes,
                    self._draws,
                    self.num_classes,
                )
                inputs = channels_last(inputs)
                for batch, wanted in zip(inputs.split(size), targets.split(size), strict=True):
                    loss, output = self._train_batch(batch, wanted)
                    losses.append(loss)
                    logits.append(output)
                labels.append(targets if targets.ndim == 1 else targets.argmax(1))
        mean = float(torch.stack(losses).mean())
        self.diverged = not math.isfinite(mean)
        hits = torch.cat(logits).argmax(1) == torch.cat(labels)
        return Metrics(mean, float(hits.float().mean()))

    def check_early_stopping(self, validation: Metrics) -> None:
        """Stops the run, best weights restored, after `patience` calls without a better loss."""
        if self.task.patience is None:
            return
        if self._best is None or not validation.loss >= self._best[0]:
            self._best = validation.loss, copy.deepcopy(self.model.state_dict())
            self._waited = 0
        else:
            self._waited += 1
        if self._waited >= self.task.patience or self.step >= self.task.steps:
            self.stopped = True
            self.model.load_state_dict(self._best[1])

    def _train_batch(
        self, batch: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        for group in self._optimizer.param_groups:
            group["lr"] = self.task.peak_learning_rate * self._schedule(self.progress)
        logits = self.model(batch)
        loss = functional.cross_entropy(logits, labels)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        self.step += 1
        return loss.detach(), logits.detach()

    def _next_indices(self, count: int) -> torch.Tensor:
        """The next `count` training rows of an endless sequence of shuffled passes."""
        parts = [self._queue]
        available = len(self._queue)
        while available < count:
            order = torch.randperm(
                len(self.train), generator=self._order, device=self._queue.device
            )
            parts.append(order)
            available += len(order)
        queue = torch.cat(parts)
        self._queue = queue[count:]
        return queue[:count]
