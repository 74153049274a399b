"""The contract of an op as code: `check_op(op)` holds any op to it, a user's own included."""

import random

import numpy as np
import torch
from torch import Generator, Tensor

from adaptaug.ops.op import Op
from adaptaug.ops.op_space import OpSpace

_CLASSES = 4
_BATCH = 16


def check_op(op: Op, device: str = "cpu", size: tuple[int, int] = (12, 10)) -> None:
    """Runs an op through an op space of its own, on small batches, grayscale too if it says so.

    At magnitude 0 it must be the exact identity; at any magnitude keep shape, dtype, device and
    range, leave its arguments and all global random state as they were, and repeat itself from
    the same generator state; and at magnitude one half draw anew for every sample.

    Args:
        op: the op to check.
        device: where to check it.
        size: height and width of the images, for an op that needs larger ones.

    Raises:
        AssertionError: says which part of the contract the op breaks, and where.
    """
    for channels in (1, 3) if op.grayscale else (3,):
        images, targets = _batch(channels, size, device)
        where = f"of op {op.name!r} on a batch of shape {tuple(images.shape)}"
        for magnitude in (0.01, 0.5, 1.0):
            _check_kept(op, images, targets, magnitude, f"at magnitude {magnitude} {where}")
        _check_identity(op, images, targets, where)
        _check_draws(op, images, targets, where)


def _batch(channels: int, size: tuple[int, int], device: str) -> tuple[Tensor, Tensor]:
    """Random images (B, channels, *size), an all-black and an all-white one among them."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(_BATCH, channels, *size, generator=generator)
    images[0], images[1] = 0, 1
    return images.to(device), (torch.arange(_BATCH) % _CLASSES).to(device)


def _apply(op: Op, images: Tensor, targets: Tensor, magnitude: float) -> tuple[Tensor, Tensor]:
    """The op alone, from a generator in a fixed state."""
    generator = Generator(images.device).manual_seed(1)
    return OpSpace([op]).apply(images, targets, [magnitude], generator, _CLASSES)


def _require(holds: bool, rule: str, where: str) -> None:
    """Raises unless the rule holds."""
    if not holds:
        raise AssertionError(f"{rule} {where}")


def _check_identity(op: Op, images: Tensor, targets: Tensor, where: str) -> None:
    """Magnitude 0 changes nothing, and next to 0 next to nothing: the op starts there."""
    result, labels = _apply(op, images, targets, 0.0)
    same = torch.equal(result, images) and torch.equal(labels, targets)
    _require(same, "magnitude 0 must be the exact identity", where)
    result, _ = _apply(op, images, targets, 1e-7)
    near = bool((result - images).abs().max() < 1e-4)
    _require(near, "a magnitude near 0 must be near the identity", where)


def _check_kept(op: Op, images: Tensor, targets: Tensor, magnitude: float, where: str) -> None:
    """Shape, dtype, device, range, arguments, global random state; and it repeats itself."""
    given_images, given_targets, states = images.clone(), targets.clone(), _global_states()
    result, labels = _apply(op, images, targets, magnitude)
    kept = result.shape == images.shape and result.dtype == images.dtype
    _require(kept and result.device == images.device, "shape, dtype, device must be kept", where)
    inside = bool(result.isfinite().all() and (result >= 0).all() and (result <= 1).all())
    _require(inside, "images must stay in [0, 1]", where)
    unmodified = torch.equal(images, given_images) and torch.equal(targets, given_targets)
    _require(unmodified, "the batch given must not be modified", where)
    _require(_global_states() == states, "global random state must not be touched", where)
    if labels.is_floating_point():
        sums = bool((labels.sum(dim=1) - 1).abs().max() < 1e-5 and (labels >= 0).all())
        _require(sums, "soft labels must be distributions", where)
    again, labels_again = _apply(op, images, targets, magnitude)
    repeats = torch.equal(again, result) and torch.equal(labels_again, labels)
    _require(repeats, "the same generator state must give the same result", where)


def _check_draws(op: Op, images: Tensor, targets: Tensor, where: str) -> None:
    """Copies of one image, or for a mixing op the label weights, must not all turn out alike."""
    if op.stage == "mixing":
        _, labels = _apply(op, images, targets, 0.5)
        results = labels.max(dim=1).values
    else:
        results, _ = _apply(op, images[2:3].expand_as(images), targets, 0.5)
    _require(bool((results != results[0]).any()), "each sample must have its own draw", where)


def _global_states() -> tuple[object, ...]:
    """The state of every global generator, in a form that compares."""
    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    torch_states = [state.numpy().tobytes() for state in (torch.get_rng_state(), *gpus)]
    numpy_state = np.random.get_state()  # noqa: NPY002 - read only, to see that no op touched it
    return (torch_states, random.getstate(), str(numpy_state))
