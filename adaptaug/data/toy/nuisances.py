"""What varies in a made-up image task beside the label: drawn for each task, then for each image.

A nuisance of the data makes the matching op label-preserving, if it is as strong as the op.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor

from adaptaug.data.toy.drawing import Pose, smooth, turn_hues, uniform

Strengths = Mapping[str, float]
"""The strength of each nuisance that a task has, by name; see `NUISANCES`."""


@dataclass(frozen=True)
class Nuisance:
    """One way in which the images or labels of a task vary."""

    name: str
    """Its name."""
    chance: float
    """Share of tasks of medium difficulty that have it."""
    low: float
    """Least strength in a task that has it; the unit stands beside the row."""
    high: float
    """Largest strength."""
    hard: bool = False
    """Whether it is likelier and stronger in difficult tasks."""
    covers: Mapping[str, float] = field(default_factory=dict)
    """The image ops whose outputs at magnitude 1 are like other images of the class, each with the
    strength that this takes."""
    colour: bool = False
    """Whether it needs three channels."""


NUISANCES = (
    Nuisance("rotate", 0.4, 8, 45, covers={"rotate": 30}),  # degrees, either way
    Nuisance("spin", 0.2, 1, 1, covers={"rotate": 0}),  # 1: turned by any angle
    Nuisance("shift", 0.5, 0.05, 0.3, covers={"crop": 0.125, "translate": 0.25}),  # sides
    Nuisance("scale", 0.5, 0.1, 0.5, covers={"zoom": math.log(1.5)}),  # log of the factor
    Nuisance("slant", 0.3, 0.1, 0.4, covers={"shear": 0.3}),  # pixels a pixel
    Nuisance("mirror", 0.4, 1, 1, covers={"hflip": 0}),  # 1: half of the objects are mirrored
    Nuisance("flip", 0.15, 1, 1, covers={"vflip": 0}),  # 1: half of them are upside down
    Nuisance("elastic", 0.4, 0.05, 0.2, hard=True),  # half sides
    Nuisance("limbs", 0.5, 0.05, 0.25),  # parts move, in radii of the object
    Nuisance("paint", 0.4, 0.1, 0.4),  # range of each part's colour, over the contrast
    Nuisance("scenery", 0.5, 0.05, 0.3, hard=True),  # amplitude of the background
    Nuisance("clutter", 0.35, 1, 5, hard=True),  # pieces of other objects
    Nuisance("occlusion", 0.25, 0.1, 0.3, hard=True),  # largest share of the area that is hidden
    Nuisance("light", 0.4, 0.2, 0.7),  # largest share of the light that is lost
    Nuisance("cast", 0.4, 0.03, 0.3, covers={"hue": 0.1}, colour=True),  # turns of all hues
    Nuisance("inverted", 0.2, 1, 1),  # 1: object and background swap colours in half of the images
    Nuisance("noise", 0.5, 0.02, 0.25, hard=True),  # standard deviation
    Nuisance("imbalance", 0.25, 0.3, 1.4),  # log of the largest class over the smallest
    Nuisance("wrong", 0.35, 0.05, 0.35, hard=True),  # share of labels redrawn in the pool
)
"""All nuisances: one row each."""


def draw_strengths(
    generator: Generator,
    difficulty: float,
    channels: int,
    always: Collection[str] = (),
    forbidden: Collection[str] = (),
) -> dict[str, float]:
    """Draws a task's nuisances.

    Args:
        generator: the only source of randomness.
        difficulty: in [0, 1]; scales the chance of hard nuisances, by twice its value, and their
            range, by its square root.
        channels: 1 or 3.
        always: nuisances that the task must have.
        forbidden: nuisances that it must not have, as they would change labels.
    """
    drawn = uniform(generator, 0, 1, len(NUISANCES), 2).tolist()
    strengths = {}
    for row, (chance, share) in zip(NUISANCES, drawn, strict=True):
        likely = row.chance * (2 * difficulty if row.hard else 1)
        fits = row.name not in forbidden and (channels == 3 or not row.colour)
        if fits and (chance < likely or row.name in always):
            reach = difficulty**0.5 if row.hard else 1
            strengths[row.name] = row.low + (row.high - row.low) * share * reach
    return strengths


def covered(strengths: Strengths) -> set[str]:
    """The image ops whose outputs at magnitude 1 are like other images of the class."""
    present = (row for row in NUISANCES if row.name in strengths)
    return {
        op for row in present for op, least in row.covers.items() if strengths[row.name] >= least
    }


def draw_poses(count: int, radius: float, strengths: Strengths, generator: Generator) -> Pose:
    """Poses of `count` objects of this radius, in half sides, around the image's centre."""

    def spread(name: str, unit: float = 1.0) -> Tensor:
        limit = strengths.get(name, 0.0) * unit
        return uniform(generator, -limit, limit, count)

    def turned(name: str) -> Tensor:
        return uniform(generator, 0, 1, count) < strengths.get(name, 0.0) / 2

    angle = spread("rotate", math.pi / 180) + spread("spin", math.pi)
    mirrored, flipped = turned("mirror"), turned("flip")
    return Pose(
        x=spread("shift", 2),
        y=spread("shift", 2),
        angle=angle + flipped * math.pi,  # upside down is mirrored and turned by half a turn
        log_scale=math.log(radius) + spread("scale"),
        slant=spread("slant"),
        side=1 - 2.0 * (mirrored ^ flipped),
    )


def disturb(images: Tensor, strengths: Strengths, generator: Generator) -> Tensor:
    """Hides, darkens, tints and makes noisy images (N, C, H, W) in [0, 1], as a camera would."""
    count, channels, size = images.shape[:3]
    if "occlusion" in strengths:
        area = uniform(generator, 0, strengths["occlusion"], count)
        images = _hidden(images, area, generator)
    if "light" in strengths:
        lost = uniform(generator, 0, strengths["light"], count, 1, 1, 1)
        shade = smooth(generator, count, 1, size, cells=2)
        images = images * (1 - lost * (0.7 + 0.3 * shade))
    if "cast" in strengths:
        images = turn_hues(images, uniform(generator, -1, 1, count) * strengths["cast"])
    if "noise" in strengths:
        normal = torch.randn(count, channels, size, size, generator=generator)
        images = images + normal * strengths["noise"]
    return images.clamp(0, 1)


def _hidden(images: Tensor, area: Tensor, generator: Generator) -> Tensor:
    """The images with a grey rectangle each, of this share of the area (N,)."""
    count, _, size = images.shape[:3]
    stretch = uniform(generator, -0.6, 0.6, count).exp()
    inside = torch.ones(count, 1, 1, 1, dtype=torch.bool)
    position = torch.arange(size) / size
    for sides, view in (
        (area.sqrt() * stretch, (-1, 1, size, 1)),
        (area.sqrt() / stretch, (-1, 1, 1, size)),
    ):
        start = uniform(generator, 0, 1, count) * (1 - sides).clamp(min=0)
        line = (position >= start[:, None]) & (position < (start + sides)[:, None])
        inside = inside & line.view(view)
    return torch.where(inside, uniform(generator, 0, 1, count, 1, 1, 1), images)


def draw_labels(count: int, classes: int, strengths: Strengths, generator: Generator) -> Tensor:
    """Labels, int64 (count,); with the nuisance `imbalance`, class 0 is the largest."""
    rates = torch.linspace(0, -strengths.get("imbalance", 0.0), classes).exp()
    ends = (rates.cumsum(0) / rates.sum())[:-1]
    return torch.bucketize(uniform(generator, 0, 1, count), ends)


def confuse(labels: Tensor, classes: int, strengths: Strengths, generator: Generator) -> Tensor:
    """Replaces a share of the labels, that of the nuisance `wrong`, by labels of other classes."""
    wrong = uniform(generator, 0, 1, len(labels)) < strengths.get("wrong", 0.0)
    steps = torch.randint(1, classes, labels.shape, generator=generator)
    return torch.where(wrong, (labels + steps) % classes, labels)
