"""`Op`, one row of the table of ops; how its amounts are drawn; the registry of ops by name."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

import torch
from torch import Generator, Tensor

from adaptaug.errors import AdaptAugError
from adaptaug.ops.bank import Bank, FitData
from adaptaug.utils.types import Modality

Stage = Literal["source", "geometry", "colour", "pixel", "mixing", "token"]

STAGES: tuple[Stage, ...] = ("source", "geometry", "colour", "pixel", "mixing", "token")
"""The order in which the ops of one batch are applied."""

_STAGE_MODALITIES: dict[Stage, set[Modality]] = {
    "source": {"image", "text"},
    "geometry": {"image"},
    "colour": {"image"},
    "pixel": {"image"},
    "mixing": {"image"},
    "token": {"text", "tagging"},
}
"""Modalities that the ops of each stage can be for."""


@dataclass(frozen=True)
class Op:
    """One augmentation op: a table row whose function works on a whole batch at once.

    The magnitude, in [0, 1], scales the op's range; every sample draws its own amount from that
    range (see `draw`). The arguments and the result of `function` depend on the stage:

    | stage | arguments | result |
    | --- | --- | --- |
    | source | inputs, targets (B,) or (B, K), amount, generator, bank | inputs, targets |
    | geometry | amount, (height, width) | (B, 3, 3) matrices, output to input pixels |
    | colour | amount, mean colour (B, C + 1) | (B, C + 1, C + 1) matrices on (colour, 1) |
    | pixel | images, amount, generator | images |
    | mixing | images, targets (B, K), amount, generator | images, targets (B, K) |
    | token | ids, tags, amount, generator, tables | ids, tags |

    The inputs of a source op are images or ids, of which it replaces some rows. The origin of the
    geometry matrices is the image's centre.

    Images are float32 (B, C, H, W) in [0, 1]. Ids are int64 (B, L), padded on the right. Tags are
    int64 (B, L), or None if each sentence has one label. Tables are `TokenTables`; a bank is what
    the op's `fit` returned. A function must not modify its arguments, must draw from the given
    generator only, and must leave samples unchanged at amount 0.
    """

    name: str
    """Unique name, as it stands in an op space and in a saved policy."""
    stage: Stage
    """When the op is applied; see `STAGES`."""
    high: float
    """Largest amount at magnitude 1; if `chance`, the probability at magnitude 1."""
    unit: str
    """Unit of the amount, for display."""
    function: Callable[..., Any]
    """Applies the op; see the table above."""
    signed: bool = False
    """Whether amounts are drawn symmetrically around 0, rather than from 0 up."""
    chance: bool = False
    """Whether the amount is 1 with probability magnitude * high, else 0."""
    draws: int = 1
    """Independent amounts per sample: 1 gives amounts (B,), more give (B, draws)."""
    grayscale: bool = True
    """Whether the op also makes sense for images that are not RGB."""
    modalities: tuple[Modality, ...] = ("image",)
    """Modalities that the op is for."""
    needs_lexicon: bool = False
    """Whether the op needs synonyms."""
    fit: Callable[[FitData], Bank] | None = None
    """Source ops only: makes their bank from the training split; see `OpSpace.fitted`."""

    def __post_init__(self) -> None:
        """Checks that stage, modalities and `fit` go together.

        Raises:
            AdaptAugError: the stage is unknown, a modality is not one of its modalities, `fit` is
                missing from a source op, or `fit` is given for an op of another stage.
        """
        if self.stage not in STAGES:
            known = ", ".join(STAGES)
            raise AdaptAugError(
                f"stage must be one of {known}, got {self.stage!r} for op {self.name!r}"
            )
        allowed = _STAGE_MODALITIES[self.stage]
        if not self.modalities or not allowed.issuperset(self.modalities):
            raise AdaptAugError(
                f"modalities must be among {sorted(allowed)} in stage {self.stage!r}, "
                f"got {self.modalities} for op {self.name!r}"
            )
        if (self.stage == "source") != (self.fit is not None):
            raise AdaptAugError(
                "fit must be given for stage 'source' and for no other, "
                f"got stage {self.stage!r} and fit {self.fit!r} for op {self.name!r}"
            )


def draw(op: Op, magnitude: float, batch_size: int, generator: Generator) -> Tensor:
    """Draws every sample's amount, separately from applying it, so that a draw can be replayed.

    Args:
        op: the op, with its range.
        magnitude: in [0, 1].
        batch_size: number of samples B.
        generator: the only source of randomness; the result is on its device.

    Returns:
        float32 (B,), or (B, op.draws) if `op.draws` is above 1: uniform in [0, magnitude * high),
        or in [-magnitude * high, magnitude * high) if `signed`; 0 or 1 if `chance`.
    """
    shape = (batch_size,) if op.draws == 1 else (batch_size, op.draws)
    uniform = torch.rand(shape, generator=generator, device=generator.device)
    limit = magnitude * op.high
    if op.chance:
        return (uniform < limit).to(uniform.dtype)
    return uniform.mul_(2 * limit).sub_(limit) if op.signed else uniform.mul_(limit)


_REGISTRY: dict[str, Op] = {}

_ON_FIRST_USE = dict.fromkeys(("generated", "generated_text"), "adaptaug.generative.ops")
"""The modules that register these ops, imported when `find` or `ops_for` first needs them."""


def register(op: Op) -> Op:
    """Registers an op under its name, in this process.

    Args:
        op: the op; registering the same op twice is allowed.

    Returns:
        The op itself.

    Raises:
        AdaptAugError: another op has that name.
    """
    if _REGISTRY.setdefault(op.name, op) != op:
        raise AdaptAugError(f"an op's name must be unique, got {op.name!r}, which is taken")
    return op


def register_missing(ops: Iterable[Op]) -> None:
    """Registers the ops whose names are free, so that a worker process knows its parent's ops."""
    for op in ops:
        if op.name not in _REGISTRY:
            register(op)


def ops_for(modality: Modality) -> dict[str, Op]:
    """A new dict, by name, of all ops for a modality, users' own included."""
    for module in _ON_FIRST_USE.values():
        import_module(module)
    return {name: op for name, op in _REGISTRY.items() if modality in op.modalities}


def find(name: str) -> Op:
    """The registered op of that name.

    Raises:
        AdaptAugError: no op has that name; the message lists the known ones.
    """
    if name not in _REGISTRY and name in _ON_FIRST_USE:
        import_module(_ON_FIRST_USE[name])
    if name not in _REGISTRY:
        known = ", ".join([*_REGISTRY, *_ON_FIRST_USE])
        raise AdaptAugError(f"unknown op {name!r}; known ops: {known}")
    return _REGISTRY[name]
