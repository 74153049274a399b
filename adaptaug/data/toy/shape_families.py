"""Families of made-up image tasks: one row each, with what is shown and what of it is the label.

An image shows one object: a shape, a scene of several parts, or waves that fill the image. One of
its properties, the `Factor`, is the label; all others vary at random or are fixed.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from adaptaug.data.toy.drawing import uniform
from adaptaug.data.toy.shape_factors import (
    ANGLE,
    CHIRALITY,
    HUE,
    POSITION,
    SCALE,
    SCENE,
    SHAPE,
    Classes,
    Factor,
)
from adaptaug.data.toy.shape_fields import blob_fields, stroke_fields


@dataclass(frozen=True)
class Family:
    """A family of tasks: what is shown, and which property of it is the label."""

    name: str
    """Its name."""
    weight: float
    """Its share of all tasks, up to a common factor."""
    factor: Factor
    """The property that is the label."""
    radius: tuple[float, float]
    """Range of the object's radius, or of the waves' length, in half sides."""
    classes: tuple[int, ...] = tuple(range(2, 11))
    """Numbers of classes."""
    least_size: int = 8
    """Least height and width of the images."""
    least_pixels: float = 0.0
    """Least radius of the object, or length of the waves, in pixels."""
    colour: float = 0.4
    """Chance of three channels."""
    fields: tuple[Callable[[int, Generator], Tensor], ...] = (stroke_fields, blob_fields)
    """Kinds of shapes; a task has one of them."""
    parts: tuple[int, int] = (1, 1)
    """Least and largest number of parts of an object."""
    waves: int = 0
    """Number of waves that fill the image, of one direction if 1, else of all; 0 for shapes."""
    always: frozenset[str] = frozenset()
    """Nuisances that all its tasks have."""
    forbids: frozenset[str] = frozenset()
    """Nuisances that make no sense for it, beside those that the factor forbids."""
    keeps: frozenset[str] = frozenset()
    """Image ops that keep labels in this family, beside those that the factor names."""


_FULL = frozenset({"translate", "crop", "erasing"})
"""Waves fill the image, at any phase: they are the same everywhere."""
_NO_SHAPE = frozenset({"inverted", "limbs", "shift"})
_SCENE = frozenset({"inverted", "noise"})
_SINGLE = frozenset({"limbs"})

FAMILIES = (
    Family("strokes", 3, SHAPE, (0.5, 0.95), fields=(stroke_fields,), forbids=_SINGLE),
    Family("silhouettes", 2, SHAPE, (0.5, 0.95), fields=(blob_fields,), forbids=_SINGLE),
    Family("mirrored", 2, CHIRALITY, (0.6, 0.95), (2, 4, 6, 8, 10), forbids=_SINGLE),
    Family(
        "orientation", 1, ANGLE, (0.3, 0.8), least_size=12, least_pixels=3.5, waves=1,
        forbids=_NO_SHAPE, keeps=_FULL,
    ),
    Family(
        "frequency", 1, SCALE, (0.4, 0.6), tuple(range(2, 7)), 12, 5, waves=1,
        forbids=_NO_SHAPE, keeps=_FULL,
    ),
    Family(
        "texture", 1, SCALE, (0.4, 0.6), tuple(range(2, 7)), 12, 5, waves=12,
        forbids=_NO_SHAPE, keeps=_FULL,
    ),
    Family("colour", 1, HUE, (0.3, 0.6), colour=1, forbids=_SINGLE),
    Family("position", 1, POSITION, (0.15, 0.25), least_size=12, least_pixels=1.5, forbids=_SINGLE),
    Family(
        "size", 1, SCALE, (0.33, 0.4), tuple(range(2, 7)), 12, fields=(blob_fields,),
        forbids=_SINGLE,
    ),
    Family("emblems", 2, SCENE, (0.6, 0.9), colour=0.8, parts=(2, 4), forbids=_SCENE),
    Family(
        "photos", 4, SCENE, (0.6, 0.95), least_size=12, colour=0.9, fields=(blob_fields,),
        parts=(2, 5), always=frozenset({"mirror", "limbs", "scenery", "paint"}), forbids=_SCENE,
    ),
)  # fmt: skip
"""All families: one row each."""


def draw_classes(family: Family, difficulty: float, generator: Generator) -> Classes:
    """Draws number and spacing of the classes, and their prototypes: more in difficult tasks."""
    options, factor = family.classes, family.factor
    count = options[int(torch.randint(len(options), (), generator=generator))]
    room = factor.reach / (count if factor.closed else count - 1)
    low, high = factor.spacing
    spacing, modes, jitter = uniform(generator, 0, 1, 3).tolist()
    return Classes(
        count=count,
        modes=1 + int(6 * difficulty * modes),
        spacing=low + (min(high, room) - low) * spacing,
        jitter=0.35 * difficulty * jitter,
    )
