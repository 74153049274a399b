"""One child training as a plain loop that does the same work as the environment."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from adaptaug.children import build_child
from adaptaug.data import Examples, load, split
from adaptaug.data.batches import channels_last, representative, to_float
from adaptaug.metrics import Metrics, evaluate, measure, predict
from adaptaug.ops import OpSpace
from adaptaug.policy.observation import PROBE_MAGNITUDE, PROBE_SIZE
from adaptaug.policy.schedules import SCHEDULES
from adaptaug.training.child_run import child_shape
from adaptaug.training.task import Task


def train_bare(task: Task, seed: int, op_space: OpSpace, magnitudes: Sequence[float]) -> Metrics:
    """Trains one child at fixed magnitudes, with all forward passes of the environment.

    It uses none of the environment's classes, but the same random draws. Its result equals the
    environment's bit for bit, which shows that both do the same work.

    Args:
        task: the task; without early stopping.
        seed: seed of split, initial weights, batch order, dropout and augmentation.
        op_space: ops that suit the data set's images.
        magnitudes: one in [0, 1] for each op.

    Returns:
        Final loss and accuracy on the reward-validation split.
    """
    source = load(task.dataset)
    parts = split(source, task.n_train, task.n_validation, seed, rows=task.rows)
    train, validation, classes = parts.train, parts.validation, source.num_classes
    some = Examples(train.inputs[:PROBE_SIZE], train.targets[:PROBE_SIZE])
    schedule = SCHEDULES[task.schedule]
    order, draws = (torch.Generator().manual_seed(seed + i) for i in range(2))
    epochs = range(math.ceil(task.epochs))
    rows = torch.cat([torch.randperm(len(train), generator=order) for _ in epochs])
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        model = build_child(task.child, child_shape(task, train, classes, None))
        model.to(memory_format=torch.channels_last)
        optimizer = torch.optim.Adam(model.parameters(), task.peak_learning_rate, fused=True)
        for start, end in pairwise([0, *task.boundaries()]):
            evaluate(model, some)
            logits = predict(model, validation.inputs)
            measure(logits, validation.targets)
            if start > 0:
                probe(model, validation, op_space, seed, logits)
            picked = rows[start * task.batch_size : end * task.batch_size]
            inputs, targets = op_space.apply(
                to_float(train.inputs[picked]), train.targets[picked], magnitudes, draws, classes
            )
            model.train()
            batches = channels_last(inputs).split(task.batch_size)
            labels = targets.split(task.batch_size)
            for step, (batch, label) in enumerate(zip(batches, labels, strict=True), start):
                rate = task.peak_learning_rate * schedule(step / task.steps)
                optimizer.param_groups[0]["lr"] = rate
                loss = functional.cross_entropy(model(batch), label)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        evaluate(model, some)
        return evaluate(model, validation)


@torch.no_grad()
def probe(
    model: nn.Module, validation: Examples, op_space: OpSpace, seed: int, logits: torch.Tensor
) -> torch.Tensor:
    """Mean loss (1 + n_ops,) on held-out examples: first clean, then under each op alone.

    `logits` (N, K) are the model's on all held-out examples, clean.
    """
    rows, classes = representative(validation.targets, PROBE_SIZE, seed), logits.shape[1]
    clean, targets = logits[rows], validation.targets[rows]
    inputs = to_float(validation.inputs[rows])
    draws = torch.Generator().manual_seed(seed)
    views = []
    for index in range(len(op_space)):
        alone = [PROBE_MAGNITUDE * (index == other) for other in range(len(op_space))]
        views.append(op_space.apply(inputs, targets, alone, draws, classes))
    augmented = predict(model, torch.cat([view for view, _ in views]))
    every = [label if label.ndim == 1 else label.argmax(1) for _, label in views]
    losses = functional.cross_entropy(
        torch.cat([clean, augmented]), torch.cat([targets, *every]), reduction="none"
    )
    return losses.view(1 + len(views), -1).mean(1)
