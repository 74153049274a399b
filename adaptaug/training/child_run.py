"""Trains a child a few batches at a time, at given magnitudes; the seed fixes the result."""

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn import functional

from adaptaug.children import ChildShape, build_child
from adaptaug.data import Examples
from adaptaug.data.batches import Batch, channels_last, flat, hard, in_batches, to_float
from adaptaug.data.vectors import load_vectors
from adaptaug.data.vocabulary import Vocabulary
from adaptaug.errors import AdaptAugError
from adaptaug.metrics import Metrics, accuracy
from adaptaug.ops import OpSpace
from adaptaug.policy.schedules import SCHEDULES
from adaptaug.training.fused_adam import FusedAdam
from adaptaug.training.sparse_adam import SparseAdam
from adaptaug.training.task import Task
from adaptaug.utils.seeding import RandomStream

Entry = TypeVar("Entry")

AUGMENT_CHUNK = 1 << 21
"""Upper bound of the input values (pixels x channels, or ids) that one call augments."""


OPTIMIZERS: dict[str, dict[str, Any]] = {
    "adam": {},
    "adamw": {"decoupled_weight_decay": True},
}
"""Arguments of `FusedAdam` by the optimizer's name, besides `weight_decay`, which holds for all
weights."""

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
"""Data types of a child's computation; its weights, logits and loss are always float32."""


def child_shape(
    task: Task, examples: Examples, num_classes: int, vocabulary: Vocabulary | None
) -> ChildShape:
    """The shape of the data and the settings that the task's child is built from.

    Raises:
        AdaptAugError: the task's word vectors cannot be read, or hold no word of the vocabulary.
    """
    if vocabulary is None:
        channels, height, width = examples.inputs.shape[1:]
        return ChildShape(
            "image", num_classes, task.width, channels, (height, width), pretrained=task.pretrained
        )
    vectors = None if task.vectors is None else _vectors(task.vectors, vocabulary)
    return ChildShape(
        examples.modality, num_classes, task.width,
        vocabulary_size=len(vocabulary), vectors=vectors,
        vocabulary=vocabulary, pretrained=task.pretrained,
    )  # fmt: skip


@cache
def _vectors(path: str, vocabulary: Vocabulary) -> torch.Tensor:
    """Word vectors (V, D), read once per process."""
    return load_vectors(path, vocabulary)[0]


def _look_up(table: Mapping[str, Entry], what: str, name: str) -> Entry:
    """The entry of this name; `what` names the setting in the error."""
    if name not in table:
        raise AdaptAugError(f"{what} must be one of {sorted(table)}, got {name!r}")
    return table[name]


def _compute_in(precision: torch.dtype, model: nn.Module, device: str) -> None:
    """Makes the model's layers compute in this precision wherever autocast deems it safe."""
    forward = model.forward

    def mixed(inputs: torch.Tensor) -> torch.Tensor:
        with torch.autocast(device, precision):
            logits: torch.Tensor = forward(inputs)
        return logits.float()

    model.forward = mixed


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
        vocabulary: Vocabulary | None = None,
    ) -> None:
        """Builds the child on `device`, ready for its first batch.

        Args:
            task: child, budget and optimizer.
            train: training examples.
            validation: reward-validation examples, moved to `device` for the observer and early
                stopping.
            num_classes: number of classes or tags, K.
            op_space: the ops whose magnitudes `train_batches` takes.
            seed: any non-negative integer.
            device: device of child and data.
            vocabulary: the words of the ids; None for images.

        Raises:
            AdaptAugError: child, schedule, optimizer or precision is unknown, or the data do not
                fit the child.
        """
        self.task = task
        self.train = train.to(device)
        self.validation = validation.to(device)
        self.num_classes = num_classes
        self.op_space = op_space
        self.step = 0
        self.diverged = False
        self.stopped = False
        self._schedule = _look_up(SCHEDULES, "schedule", task.schedule)
        optimizer = _look_up(OPTIMIZERS, "optimizer", task.optimizer)
        precision = _look_up(PRECISIONS, "precision", task.precision)
        self._stream = RandomStream(seed, torch.device(device))
        self._order = torch.Generator(device).manual_seed(seed)
        self._draws = torch.Generator(device).manual_seed(seed + 1)
        shape = child_shape(task, train, num_classes, vocabulary)
        with self._stream.active():
            self.model = build_child(task.child, shape).to(device)
        self.model.to(memory_format=torch.channels_last)
        if precision != torch.float32:
            _compute_in(precision, self.model, self.train.inputs.device.type)
        self._optimizer = FusedAdam(
            self.model.parameters(), weight_decay=task.weight_decay, **optimizer
        )
        tables = [part for part in self.model.modules() if isinstance(part, nn.Embedding)]
        exact = len(tables) == 1 and task.weight_decay == 0  # decay also changes unseen words
        self._rows = SparseAdam(tables[0], self._optimizer) if exact else None
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
        """Whether the budget is spent, the child has diverged or the run was stopped early."""
        return self.diverged or self.stopped or self.step >= self.task.steps

    def train_batches(self, batches: int, magnitudes: Sequence[float]) -> Metrics:
        """Trains on the next `batches` batches, all augmented at the same magnitudes.

        Returns:
            Mean loss and accuracy on the augmented batches. If the loss is not finite, `diverged`
            is set.
        """
        losses: list[torch.Tensor] = []  # averaged at the end: a running sum slows a step by 2%
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
                with self._only_rows_of(inputs) as renumbered:
                    for batch in in_batches(channels_last(renumbered), targets, size):
                        loss, output, wanted = self._train_batch(batch)
                        losses.append(loss)
                        logits.append(output)
                        labels.append(wanted)
        mean = float(torch.stack(losses).mean())
        self.diverged = not math.isfinite(mean)
        return Metrics(mean, accuracy(torch.cat(logits).argmax(1), hard(torch.cat(labels))))

    def check_early_stopping(self, validation: Metrics) -> None:
        """Ends the run after `patience` calls without a better loss and restores the best weights.

        A run that reaches its last step also restores the best weights.

        Args:
            validation: loss on the reward-validation examples.
        """
        if self.task.patience is None:
            return
        if self._best is None or validation.loss < self._best[0] or math.isnan(self._best[0]):
            self._best = validation.loss, copy.deepcopy(self.model.state_dict())
            self._waited = 0
        else:
            self._waited += 1
        if self._waited >= self.task.patience or self.step >= self.task.steps:
            self.stopped = True
            self.model.load_state_dict(self._best[1])

    @contextmanager
    def _only_rows_of(self, inputs: torch.Tensor) -> Iterator[torch.Tensor]:
        """The inputs that the child takes within the block; see `SparseAdam.only`."""
        if self._rows is None:
            yield inputs
        else:
            with self._rows.only(inputs) as renumbered:
                yield renumbered

    def _train_batch(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Takes one step; returns the loss, the logits (B, K) or (B L, K), and their labels."""
        inputs, targets = batch
        logits, labels = flat(self.model(inputs), targets)
        loss = functional.cross_entropy(logits, labels)
        loss.backward()
        self._optimizer.update(self.task.peak_learning_rate * self._schedule(self.progress))
        self.step += 1
        return loss.detach(), logits.detach(), labels

    def _next_indices(self, count: int) -> torch.Tensor:
        """The next `count` rows of an endless sequence of epochs, each shuffled anew."""
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
