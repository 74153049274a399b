"""What an op is: one row of a table, how its amounts are drawn, and the registry of names."""

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

_KINDS: dict[Stage, set[Modality]] = {
    "source": {"image", "text"},
    "geometry": {"image"},
    "colour": {"image"},
    "pixel": {"image"},
    "mixing": {"image"},
    "token": {"text", "tagging"},
}
"""The kinds of data that the ops of a stage may be for."""


@dataclass(frozen=True)
class Op:
    """One augmentation op: a table row whose function works on a whole batch at once.

    A magnitude m in [0, 1] sets the range of the op; every sample draws its own amount in it
    (see `draw`). What `function` takes and returns depends on the stage:

    ==========  ========================================  =======================================
    stage       arguments                                 result
    ==========  ========================================  =======================================
    source      images or ids, targets (B,) or (B, K),    images or ids, targets, some rows of
                amount, generator, bank                   them replaced
    geometry    amount, (height, width)                   (B, 3, 3) matrices from output to input
                                                          pixels, origin in the image's centre
    colour      amount, mean colour (B, C + 1)            (B, C + 1, C + 1) matrices on
                                                          (colour, 1)
    pixel       images, amount, generator                 images
    mixing      images, targets (B, K), amount,           images, targets (B, K)
                generator
    token       ids, tags, amount, generator, tables      ids, tags
    ==========  ========================================  =======================================

    Images are float32 (B, C, H, W) in [0, 1]. Ids are int64 (B, L), padded on the right; tags are
    int64 (B, L), None where a sentence has one label, tables are `TokenTables`, and a bank is what
    the op's `fit` returned. A function leaves its arguments unmodified, draws from the given
    generator only, and does nothing where the amount is 0.
    """

    name: str
    """Unique name, as it stands in an op space and in a saved policy."""
    stage: Stage
    """Which of the steps the op belongs to."""
    high: float
    """Largest amount at magnitude 1; for a chance, the probability at magnitude 1."""
    unit: str
    """What an amount of 1 means, for people."""
    function: Callable[..., Any]
    """What is done, see the table above."""
    signed: bool = False
    """Whether amounts are drawn on both sides of 0."""
    chance: bool = False
    """Whether the amount is 1 with probability magnitude * high, else 0."""
    draws: int = 1
    """Independent amounts a sample: 1 gives amounts (B,), more give (B, draws)."""
    grayscale: bool = True
    """Whether the op makes sense for images that are not RGB."""
    modalities: tuple[Modality, ...] = ("image",)
    """The kinds of data that the op is for."""
    needs_lexicon: bool = False
    """Whether the op needs synonyms."""
    fit: Callable[[FitData], Bank] | None = None
    """Makes what a source op draws from out of the training split; see `OpSpace.fitted`."""

    def __post_init__(self) -> None:
        """Refuses a stage that there is not, and one that does not fit the kinds of data.

        Raises:
            AdaptAugError: unknown stage, or one that is not for such data, or a source op that
                nothing can be drawn from.
        """
        if self.stage not in STAGES:
            known = ", ".join(STAGES)
            raise AdaptAugError(
                f"stage must be one of {known}, got {self.stage!r} for op {self.name!r}"
            )
        kinds = _KINDS[self.stage]
        if not self.modalities or not kinds.issuperset(self.modalities):
            raise AdaptAugError(
                f"modalities must be of {sorted(kinds)} in stage {self.stage!r}, "
                f"got {self.modalities} for op {self.name!r}"
            )
        if (self.stage == "source") != (self.fit is not None):
            raise AdaptAugError(
                "fit goes with stage 'source' and must be given there, "
                f"got stage {self.stage!r} and {self.fit!r} for op {self.name!r}"
            )


def draw(op: Op, magnitude: float, batch_size: int, generator: Generator) -> Tensor:
    """Draws every sample's amount; apart from applying it, so that a draw can be replayed.

    Args:
        op: the op, with its range.
        magnitude: in [0, 1].
        batch_size: number of samples B.
        generator: the only source of chance; its device is the result's.

    Returns:
        float32 (B,), or (B, op.draws) when that is above 1: uniform in [0, magnitude * high), in
        [-magnitude * high, magnitude * high) when signed, or 0 and 1 for a chance.
    """
    shape = (batch_size,) if op.draws == 1 else (batch_size, op.draws)
    uniform = torch.rand(shape, generator=generator, device=generator.device)
    limit = magnitude * op.high
    if op.chance:
        return (uniform < limit).to(uniform.dtype)
    return uniform.mul_(2 * limit).sub_(limit) if op.signed else uniform.mul_(limit)


_REGISTRY: dict[str, Op] = {}

_ON_FIRST_USE = dict.fromkeys(("generated", "generated_text"), "adaptaug.generative.ops")
"""Ops whose module is imported, and registers them, when `find` is first asked for them."""


def register(op: Op) -> Op:
    """Makes an op known by its name, in this process.

    Args:
        op: the new op; registering the same op twice is fine.

    Returns:
        The op itself.

    Raises:
        AdaptAugError: another op has that name.
    """
    if _REGISTRY.setdefault(op.name, op) != op:
        raise AdaptAugError(f"an op's name must be its own, got {op.name!r}, which is taken")
    return op


def register_missing(ops: Iterable[Op]) -> None:
    """Registers the ops whose names are still free: a worker process gets its parent's ops."""
    for op in ops:
        if op.name not in _REGISTRY:
            register(op)


def ops_for(modality: Modality) -> dict[str, Op]:
    """All registered ops for that kind of data by name, users' own included, as a new dict."""
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
