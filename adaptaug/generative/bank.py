"""Makes banks of generated samples, once per run, and replaces rows of batches by their samples.

Generating every batch anew would cost several times as much as a child's training step on a CPU;
rows of a bank of a few thousand samples cost a copy. A bank is a fixed set of examples, so that it
can be inspected and measured.
"""

import logging
from collections.abc import Hashable
from typing import Protocol

import torch
from torch import Generator, Tensor
from torch.nn import functional

from adaptaug.data.batches import to_float
from adaptaug.data.examples import Examples
from adaptaug.data.vocabulary import PAD
from adaptaug.generative.distance import within_classes
from adaptaug.ops.bank import Bank, FitData
from adaptaug.utils.seeding import one_thread
from adaptaug.utils.timing import clock

logger = logging.getLogger(__name__)

COLLAPSED = 0.4
"""Collapse threshold: distance between samples of a class over that between training examples, for
the class where it is lowest."""
_BANKS = 16
"""Maximum number of banks that a process keeps; the oldest is dropped first."""


class DivergedError(Exception):
    """Raised if a generator's loss is not finite; the message completes a sentence after "it"."""


class Generative(Hashable, Protocol):
    """The settings of a generator."""

    def make(self, data: FitData) -> Examples:
        """Trains a generator and draws samples from it; may raise `DivergedError`."""


_banks: dict[tuple[Generative, str], Bank] = {}


def banked(settings: Generative, data: FitData) -> Bank:
    """Trains a generator and keeps its bank, once for the same settings, data and seed.

    A second call in the same process returns the same bank, with the seconds that the first took.
    On a CPU everything runs on one thread, so that the samples are the same on every machine.

    Returns:
        The bank; its `problem` says whether the generator diverged or collapsed.
    """
    key = (settings, data.fingerprint())
    if key not in _banks:
        if len(_banks) >= _BANKS:
            _banks.pop(next(iter(_banks)))
        _banks[key] = _made(settings, data)
    return _banks[key]


def _made(settings: Generative, data: FitData) -> Bank:
    device = data.train.inputs.device
    started = clock(device)
    with one_thread():
        try:
            samples = settings.make(data)
            problem = _collapse(samples, data)
        except DivergedError as error:
            samples, problem = data.train[data.train.targets[:0]], f"it {error}"
        seconds = clock(device) - started
    logger.info("%s made %d samples in %.1f s", type(settings).__name__, len(samples), seconds)
    return Bank(samples, seconds, problem)


def _collapse(samples: Examples, data: FitData) -> str:
    """Why the generator counts as collapsed (its most uniform class); empty if it does not."""
    if len(samples) == 0:
        return "it collapsed: it made no sample"
    real = within_classes(data.train, data.num_classes)
    everything = Examples(data.train.inputs, torch.zeros_like(data.train.targets))
    # A class of one example has no mean distance; that between all examples stands in for it.
    real = real.where(~real.isnan(), within_classes(everything, 1))
    lowest = (within_classes(samples, data.num_classes) / real).nan_to_num(nan=torch.inf)
    label = int(lowest.argmin())
    if lowest[label] >= COLLAPSED:
        return ""
    name = data.classes[label] if data.classes else str(label)
    return (
        f"it collapsed: samples of class {name!r} lie {float(lowest[label]):.2f} times as far "
        f"apart as training examples, at least {COLLAPSED} is needed"
    )


def labels_like(targets: Tensor, count: int) -> Tensor:
    """`count` labels in ascending order, with the class frequencies of the targets (N,)."""
    ranks = torch.arange(count, device=targets.device) * len(targets) // count
    return targets.sort().values[ranks]


def replaced(
    inputs: Tensor, targets: Tensor, amount: Tensor, generator: Generator, bank: Bank
) -> tuple[Tensor, Tensor]:
    """Replaces each row whose amount is 1 by a random sample of the bank, label included.

    Args:
        inputs: images, float32 (B, C, H, W) in [0, 1], or ids, int64 (B, L).
        targets: int64 (B,) classes, or float (B, K) label distributions.
        amount: float32 (B,), 0 or 1.
        generator: the only source of randomness.
        bank: the samples; sentences longer than L are cut.
    """
    samples, chosen = bank.samples, amount > 0
    rows = torch.randint(len(samples), (len(inputs),), generator=generator, device=generator.device)
    new, labels = to_float(samples.inputs[rows]), samples.targets[rows]
    if inputs.ndim == 2:
        missing = inputs.shape[1] - new.shape[1]  # a negative number cuts
        new = functional.pad(new, (0, missing), value=PAD)
    if targets.is_floating_point():
        labels = functional.one_hot(labels, targets.shape[1]).to(targets.dtype)
    inputs = torch.where(chosen.view(-1, *[1] * (inputs.ndim - 1)), new, inputs)
    return inputs, torch.where(chosen.view(-1, *[1] * (targets.ndim - 1)), labels, targets)
