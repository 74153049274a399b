"""The contract of an op as a test: `check_op(op)` checks any op, a user's own included."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Generator, Tensor

from adaptaug.data.examples import Examples
from adaptaug.data.vocabulary import SPECIALS, Vocabulary
from adaptaug.ops.bank import Bank, FitData
from adaptaug.ops.lookup import TokenTables
from adaptaug.ops.op import Op
from adaptaug.ops.op_space import OpSpace
from adaptaug.ops.testing_sentences import check_sentences, sentences

_CLASSES = 4
_BATCH = 16

Check = Callable[[Tensor, Tensor], str]
"""Maps augmented inputs and targets to the rule that they break; empty if none."""


@dataclass(frozen=True)
class _Case:
    """A batch that an op is tested on."""

    inputs: Tensor
    targets: Tensor
    sample: int
    """The row whose copies must not all be augmented alike."""
    check: Check
    """What must hold for the results."""
    tables: TokenTables | None = None
    banks: Mapping[str, Bank] = field(default_factory=dict)


def check_op(op: Op, device: str = "cpu", size: tuple[int, int] = (12, 10)) -> None:
    """Checks an op on small batches of every modality that it is for, in an op space of its own.

    - At magnitude 0 it must be the exact identity, and near 0 near the identity.
    - At any magnitude it must keep shape, dtype, device and range, leave its arguments and all
      global random state unchanged, and give the same result from the same generator state.
    - At magnitude 0.5 it must draw anew for every sample.
    - Sentences must keep at least one word, ids in the vocabulary and padding on the right only.
    - Tags must stay in BIO form, and each word's tag must be of a type that the word has in
      training.

    A source op is fitted to each batch first; its generator may fail to learn from so few examples.

    Args:
        op: the op to check.
        device: where to check it.
        size: height and width of the images, for an op that needs larger ones.

    Raises:
        AssertionError: says which part of the contract the op breaks, and where.
    """
    for case in _cases(op, device, size):
        where = f"of op {op.name!r} on a batch of shape {tuple(case.inputs.shape)}"
        for magnitude in (0.01, 0.5, 1.0):
            _check_kept(op, case, magnitude, f"at magnitude {magnitude} {where}")
        _check_identity(op, case, where)
        _check_draws(op, case, where)


def _cases(op: Op, device: str, size: tuple[int, int]) -> Iterator[_Case]:
    """Batches of every modality that the op is for, with the bank of a source op."""
    if "image" in op.modalities:
        yield from _fitted(op, _images(op, device, size))
    yield from _fitted(op, _sentences(op, device))


def _fitted(op: Op, cases: Iterator[_Case]) -> Iterator[_Case]:
    """The cases with the bank of a source op, even if its generator collapsed."""
    for case in cases:
        if op.fit is None:
            yield case
            continue
        if case.tables is None:
            inputs, vocabulary = (case.inputs * 255).to(torch.uint8), None
        else:
            rows = range(len(SPECIALS), case.tables.vocabulary_size)
            words = (*SPECIALS, *(f"word{row}" for row in rows))
            inputs, vocabulary = case.inputs, Vocabulary(words)
        train = Examples(inputs, case.targets)
        bank = op.fit(FitData(train, _CLASSES, 0, vocabulary=vocabulary))
        yield replace(case, banks={op.name: replace(bank, problem="")})


def _images(op: Op, device: str, size: tuple[int, int]) -> Iterator[_Case]:
    """Random images (B, channels, *size), an all-black and an all-white one among them."""
    for channels in (1, 3) if op.grayscale else (3,):
        generator = torch.Generator().manual_seed(0)
        images = torch.rand(_BATCH, channels, *size, generator=generator)
        images[0], images[1] = 0, 1
        classes = torch.arange(_BATCH) % _CLASSES
        yield _Case(images.to(device), classes.to(device), 2, _check_images)


def _sentences(op: Op, device: str) -> Iterator[_Case]:
    """One batch of sentences of 1 to 12 words and one without padding, with labels or tags."""
    for modality in (name for name in op.modalities if name != "image"):
        for shortest in (1, 12):
            ids, tags, tables = sentences(_BATCH, shortest)
            targets = tags if modality == "tagging" else torch.arange(_BATCH) % _CLASSES
            yield _Case(
                ids.to(device), targets.to(device), _BATCH - 1, check_sentences, tables.to(device)
            )


def _apply(op: Op, case: _Case, magnitude: float) -> tuple[Tensor, Tensor]:
    """The op alone, from a generator in a fixed state."""
    op_space = OpSpace([op])
    if case.tables is not None:
        op_space = op_space.on(case.tables)
    op_space.banks = case.banks
    generator = Generator(case.inputs.device).manual_seed(1)
    return op_space.apply(case.inputs, case.targets, [magnitude], generator, _CLASSES)


def _require(holds: bool, rule: str, where: str) -> None:
    """Raises unless the rule holds."""
    if not holds:
        raise AssertionError(f"{rule} {where}")


def _check_identity(op: Op, case: _Case, where: str) -> None:
    """Magnitude 0 is the exact identity, and a magnitude near 0 is near the identity."""
    result, labels = _apply(op, case, 0.0)
    same = torch.equal(result, case.inputs) and torch.equal(labels, case.targets)
    _require(same, "magnitude 0 must be the exact identity", where)
    result, _ = _apply(op, case, 1e-7)
    near = bool((result - case.inputs).abs().max() < 1e-4)
    _require(near, "a magnitude near 0 must be near the identity", where)


def _check_kept(op: Op, case: _Case, magnitude: float, where: str) -> None:
    """Shape, dtype, device, range, arguments and global random state are kept; results repeat."""
    inputs, targets, states = case.inputs.clone(), case.targets.clone(), _global_states()
    result, labels = _apply(op, case, magnitude)
    kept = result.shape == inputs.shape and result.dtype == inputs.dtype
    _require(kept and result.device == inputs.device, "shape, dtype, device must be kept", where)
    broken = case.check(result, labels)
    _require(not broken, broken, where)
    unmodified = torch.equal(case.inputs, inputs) and torch.equal(case.targets, targets)
    _require(unmodified, "the batch given must not be modified", where)
    _require(_global_states() == states, "global random state must not be touched", where)
    again, labels_again = _apply(op, case, magnitude)
    repeats = torch.equal(again, result) and torch.equal(labels_again, labels)
    _require(repeats, "the same generator state must give the same result", where)


def _check_images(images: Tensor, labels: Tensor) -> str:
    """The rule that pixels or soft labels break; empty if none."""
    if not (images.isfinite().all() and (images >= 0).all() and (images <= 1).all()):
        return "images must stay in [0, 1]"
    soft = labels.is_floating_point()
    if soft and ((labels.sum(dim=1) - 1).abs().max() >= 1e-5 or (labels < 0).any()):
        return "soft labels must be distributions"
    return ""


def _check_draws(op: Op, case: _Case, where: str) -> None:
    """Copies of one sample, or a mixing op's label weights, must differ."""
    if op.stage == "mixing":
        _, labels = _apply(op, case, 0.5)
        results = labels.max(dim=1).values
    else:
        copies = case.inputs[case.sample].expand_as(case.inputs)
        targets = case.targets[case.sample].expand_as(case.targets)
        results, _ = _apply(op, replace(case, inputs=copies, targets=targets), 0.5)
    _require(bool((results != results[0]).any()), "each sample must have its own draw", where)


def _global_states() -> tuple[object, ...]:
    """The state of every global generator, as values that can be compared."""
    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    torch_states = [state.numpy().tobytes() for state in (torch.get_rng_state(), *gpus)]
    numpy_state = np.random.get_state()  # noqa: NPY002 - read only, to see that no op touched it
    return (torch_states, random.getstate(), str(numpy_state))
