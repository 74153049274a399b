"""What a seed settles of a made-up image task before any image is drawn, and what is then known."""

import math
from dataclasses import dataclass

import torch
from torch import Generator

from adaptaug.data.toy.drawing import uniform
from adaptaug.data.toy.nuisances import Strengths, covered, draw_strengths
from adaptaug.data.toy.shape_factors import Classes
from adaptaug.data.toy.shape_families import FAMILIES, Family, draw_classes

SIZES = (8, 12, 16, 20, 24, 28, 32)
"""Heights and widths in pixels."""
_COLOUR_OPS = {"saturation", "hue"}
"""Ops that do not apply to images of one channel."""


@dataclass(frozen=True)
class Recipe:
    """Everything that a task's seed settles, but for prototypes and images."""

    family: Family
    """The family."""
    classes: Classes
    """The classes."""
    size: int
    """Height and width in pixels."""
    channels: int
    """1 or 3."""
    contrast: float
    """Distance of the object's brightness from the background's, in (0, 1]."""
    radius: float
    """The object's radius, or the waves' length, in half sides."""
    thickness: float
    """By how much outlines are widened, half the width of a stroke, in the object's coordinates."""
    strengths: Strengths
    """The nuisances."""


def draw_recipe(generator: Generator) -> Recipe:
    """Draws a task; its difficulty, uniform, settles contrast, prototypes and hard nuisances."""
    weights = torch.tensor([float(family.weight) for family in FAMILIES])
    family = FAMILIES[int(torch.multinomial(weights, 1, generator=generator))]
    sizes = [size for size in SIZES if size >= family.least_size]
    size = sizes[int(torch.randint(len(sizes), (), generator=generator))]
    difficulty, colour, faint, radius, thick = uniform(generator, 0, 1, 5).tolist()
    channels = 3 if colour < family.colour else 1
    low = max(family.radius[0], family.least_pixels * 2 / size)
    return Recipe(
        family=family,
        classes=draw_classes(family, difficulty, generator),
        size=size,
        channels=channels,
        contrast=math.exp(-1.2 * difficulty * faint),
        radius=low + max(family.radius[1] - low, 0) * radius,
        thickness=0.06 + 0.12 * thick,
        strengths=draw_strengths(
            generator, difficulty, channels, family.always, family.forbids | family.factor.forbids
        ),
    )


def truth_of(recipe: Recipe) -> dict[str, bool]:
    """The `truth` of a recipe."""
    family, factor = recipe.family, recipe.family.factor
    known = dict.fromkeys(factor.keeps | family.keeps | covered(recipe.strengths), True)
    known |= dict.fromkeys(factor.breaks, False)
    flips = {known[op] for op in ("hflip", "vflip") if op in known}
    if "spin" in recipe.strengths and flips:  # the two differ by half a turn
        known |= dict.fromkeys(("hflip", "vflip"), flips.pop())
    if recipe.channels == 1:
        known = {op: keeps for op, keeps in known.items() if op not in _COLOUR_OPS}
    return dict(sorted(known.items()))
