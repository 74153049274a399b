"""The prototypes of a made-up image task: shapes, how they are put together, and colours."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from adaptaug.data.toy.drawing import Pose, tinted, uniform
from adaptaug.data.toy.shape_factors import CHIRALITY, HUE, Objects
from adaptaug.data.toy.shape_fields import blob_fields, chirality, stroke_fields
from adaptaug.data.toy.shape_recipe import Recipe

Draw = Callable[[int, Generator], Tensor]
"""A function of `adaptaug.data.toy.shape_fields`."""
_HUE_LUMA = 0.35
"""Luma of objects whose hue is the label: low enough to take half as much light again."""
_BANK = 12
"""Shapes from which the parts of all prototypes are taken, and those of clutter."""
_PALETTE = 6
"""Colours of which each part has one."""
_KINSHIP = 0.5
"""Chance that a part has the same shape and colour in all prototypes of its class."""
_CANDIDATES = 4
"""Shapes drawn for each one that must be chiral."""


@dataclass(frozen=True)
class Prototypes:
    """P prototypes of L parts each."""

    fields: Tensor
    """float (F, R, R): fields of distances; see `adaptaug.data.toy.shape_fields`."""
    clutter: Tensor
    """float (Q, R, R): those of pieces that mean nothing."""
    part: Tensor
    """int64 (P, L): each part's field."""
    pose: Pose
    """(P, L): each part's place in the object."""
    grain: Tensor
    """float (P, L): amplitude of the stripes that a part has."""
    colour: Tensor
    """float (P, L, C): each part's colour."""
    paper: Tensor
    """float (C,): the background's colour."""

    def colours(
        self, recipe: Recipe, objects: Objects, generator: Generator
    ) -> tuple[Tensor, Tensor]:
        """Colours of the backgrounds (N, C) and of the parts (N, L, C) of the objects."""
        colours, count = self.colour[objects.which], len(objects.which)
        paper = self.paper.expand(count, -1)
        if objects.hue is not None:
            luma = torch.full((count, 1), _HUE_LUMA)
            chroma = 0.04 + 0.08 * recipe.contrast
            colours = tinted(luma, objects.hue[:, None], chroma, recipe.channels)
        if "paint" in recipe.strengths:
            limit = recipe.strengths["paint"] * recipe.contrast / 2
            colours = colours + uniform(generator, -limit, limit, *colours.shape)
        if "inverted" in recipe.strengths:
            swap = uniform(generator, 0, 1, count, 1) < 0.5
            first = colours[:, 0]
            colours = torch.where(swap, paper, first)[:, None]
            paper = torch.where(swap, first, paper)
        return paper, colours


def draw_prototypes(recipe: Recipe, generator: Generator) -> Prototypes:
    """Draws the prototypes of a task."""
    options = recipe.family.fields
    draw = options[int(torch.randint(len(options), (), generator=generator))]
    other = blob_fields if draw is stroke_fields else stroke_fields
    build = _single if recipe.family.parts == (1, 1) else _composed
    return build(recipe, draw, other(_BANK, generator), generator)


def _single(recipe: Recipe, draw: Draw, clutter: Tensor, generator: Generator) -> Prototypes:
    """Prototypes of one part, all of one colour."""
    count = recipe.family.factor.groups(recipe.classes.count) * recipe.classes.modes
    if recipe.family.factor is CHIRALITY:
        candidates = draw(_CANDIDATES * count, generator)
        chosen = chirality(candidates, recipe.thickness).topk(count).indices
        fields = candidates[chosen]
    else:
        fields = draw(count, generator)
    paper, ink = _two_colours(recipe, generator)
    return Prototypes(
        fields=fields,
        clutter=clutter,
        part=torch.arange(count)[:, None],
        pose=Pose.plain(count, 1),
        grain=torch.zeros(count, 1),
        colour=ink.expand(count, 1, -1),
        paper=paper,
    )


def _two_colours(recipe: Recipe, generator: Generator) -> tuple[Tensor, Tensor]:
    """Background and object: one black in half of the tasks, else of at most half the brightness.

    Therefore half as much light again leaves a difference between them.
    """
    black, dark, swap, *rest = uniform(generator, 0, 1, 7).tolist()
    low = 0.0 if black < 0.5 else dark / 2
    high = low + (1 - low) * recipe.contrast
    hues, chroma = torch.tensor(rest[:2]), torch.tensor(rest[2:]) * 0.2
    luma = torch.tensor([low, high] if swap < 0.7 else [high, low])
    if recipe.family.factor is HUE:
        chroma = torch.zeros(2)
    paper, ink = tinted(luma, hues, chroma, recipe.channels)
    return paper, ink


def _composed(recipe: Recipe, draw: Draw, clutter: Tensor, generator: Generator) -> Prototypes:
    """Prototypes of several parts; those of one class share about half of their shapes."""
    groups, modes = recipe.family.factor.groups(recipe.classes.count), recipe.classes.modes
    low, high = recipe.family.parts
    parts = int(torch.randint(low, high + 1, (), generator=generator))
    kin = uniform(generator, 0, 1, groups, modes, parts) < _KINSHIP

    def choices(options: int) -> Tensor:
        """One of the options for each part, int64 (P, L)."""
        common = torch.randint(options, (groups, 1, parts), generator=generator)
        own = torch.randint(options, (groups, modes, parts), generator=generator)
        return torch.where(kin, common, own).flatten(0, 1)

    shape = (groups * modes, parts)
    pose = Pose(
        x=uniform(generator, -0.6, 0.6, *shape),
        y=uniform(generator, -0.6, 0.6, *shape),
        angle=uniform(generator, -math.pi, math.pi, *shape),
        log_scale=uniform(generator, math.log(0.3), math.log(0.9), *shape),
        slant=torch.zeros(shape),
        side=torch.ones(shape),
    )
    paper, palette = _palette(recipe, generator)
    return Prototypes(
        fields=draw(_BANK, generator),
        clutter=clutter,
        part=choices(_BANK),
        pose=pose,
        grain=uniform(generator, -0.25, 0.25, *shape).clamp(min=0) * recipe.contrast,
        colour=palette[choices(_PALETTE)],
        paper=paper,
    )


def _palette(recipe: Recipe, generator: Generator) -> tuple[Tensor, Tensor]:
    """A background (C,) and colours (_PALETTE, C), dark enough to take half as much light again."""
    luma = uniform(generator, 0.25, 0.45, 1 + _PALETTE)
    away = uniform(generator, -0.45, 0.45, _PALETTE) * recipe.contrast
    luma[1:] = (luma[0] + away).clamp(0.02, 0.66)
    hue = uniform(generator, 0, 1, 1 + _PALETTE)
    chroma = uniform(generator, 0, 0.2, 1 + _PALETTE) * recipe.contrast**0.5
    colours = tinted(luma, hue, chroma, recipe.channels)
    return colours[0], colours[1:]
