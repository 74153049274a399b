"""Draws the images of a made-up task from its recipe and its prototypes."""

import math
from dataclasses import replace

import torch
from torch import Generator, Tensor

from adaptaug.data.toy.drawing import (
    Pose,
    cover,
    coverage,
    pixel_centres,
    smooth,
    uniform,
    waves,
)
from adaptaug.data.toy.nuisances import disturb, draw_poses
from adaptaug.data.toy.shape_factors import Objects
from adaptaug.data.toy.shape_prototypes import Prototypes
from adaptaug.data.toy.shape_recipe import Recipe


def draw_images(
    recipe: Recipe, prototypes: Prototypes, labels: Tensor, generator: Generator
) -> Tensor:
    """Draws an image for each label, int64 (N,): float (N, C, size, size) in [0, 1]."""
    objects = _objects(recipe, labels, generator)
    count, strengths = len(labels), recipe.strengths
    points = pixel_centres(recipe.size).expand(count, -1, -1)
    if "elastic" in strengths:
        field = smooth(generator, count, 2, recipe.size) * strengths["elastic"]
        points = points + field.flatten(2).mT
    paper, colours = prototypes.colours(recipe, objects, generator)
    images = paper[:, :, None, None].expand(-1, -1, recipe.size, recipe.size)
    if "scenery" in strengths:
        light, tint = (
            smooth(generator, count, planes, recipe.size) for planes in (1, recipe.channels)
        )
        images = images + (light + 0.4 * tint) * strengths["scenery"]
    for _ in range(int(strengths.get("clutter", 0))):
        images = _with_piece(images, recipe, prototypes, paper, generator)
    if recipe.family.waves:
        images = _with_waves(images, recipe, objects, colours[:, 0], points, generator)
    else:
        images = _with_parts(images, recipe, prototypes, objects, colours, points, generator)
    return disturb(images, strengths, generator)


def _objects(recipe: Recipe, labels: Tensor, generator: Generator) -> Objects:
    """Draws what each image shows."""
    classes, count = recipe.classes, len(labels)
    which = torch.randint(classes.modes, (count,), generator=generator)
    pose = draw_poses(count, recipe.radius, recipe.strengths, generator)
    value = labels + uniform(generator, -classes.jitter, classes.jitter, count)
    return recipe.family.factor.apply(Objects(which, pose), labels, value, classes)


def _with_waves(
    images: Tensor,
    recipe: Recipe,
    objects: Objects,
    colour: Tensor,
    points: Tensor,
    generator: Generator,
) -> Tensor:
    """The images with waves all over, of one direction or of all."""
    shape = (len(images), recipe.family.waves)
    phase = uniform(generator, -math.pi, math.pi, *shape)
    direction = uniform(generator, -math.pi, math.pi, *shape)
    if recipe.family.waves == 1:
        direction = torch.zeros(shape)
    height = waves(objects.pose.into_object(points), direction, phase)
    return cover(images, (0.5 + 0.5 * height).clamp(0, 1), colour)


def _with_parts(
    images: Tensor,
    recipe: Recipe,
    prototypes: Prototypes,
    objects: Objects,
    colours: Tensor,
    points: Tensor,
    generator: Generator,
) -> Tensor:
    """The images with each object's parts, one over the other; colours (N, L, C)."""
    count, which, pose = len(images), objects.which, objects.pose
    points = pose.into_object(points)
    limbs = recipe.strengths.get("limbs", 0.0)
    bold = recipe.thickness * uniform(generator, 0.75, 1.25, count)
    for part in range(colours.shape[1]):
        own = prototypes.pose[:, part][which]
        moved = replace(
            own,
            x=own.x + uniform(generator, -limbs, limbs, count),
            y=own.y + uniform(generator, -limbs, limbs, count),
            angle=own.angle + uniform(generator, -2 * limbs, 2 * limbs, count),
        )
        inside = moved.into_object(points)
        pixel = 2 / recipe.size * (-pose.log_scale - own.log_scale).exp()
        fields = prototypes.fields[prototypes.part[:, part][which]]
        share = coverage(fields, inside, bold, pixel)
        grain = prototypes.grain[:, part][which]
        shade = grain[:, None, None] * waves(
            inside * 2, torch.zeros(count, 1), torch.zeros(count, 1)
        )
        images = cover(images, share, colours[:, part], shade)
    return images


def _with_piece(
    images: Tensor, recipe: Recipe, prototypes: Prototypes, paper: Tensor, generator: Generator
) -> Tensor:
    """The images, most of them with one small piece more that means nothing."""
    count = len(images)
    small = recipe.radius * uniform(generator, 0.25, 0.6, count)
    pose = replace(
        Pose.plain(count),
        x=uniform(generator, -1, 1, count),
        y=uniform(generator, -1, 1, count),
        angle=uniform(generator, -math.pi, math.pi, count),
        log_scale=small.log(),
    )
    fields = prototypes.clutter[
        torch.randint(len(prototypes.clutter), (count,), generator=generator)
    ]
    points = pose.into_object(pixel_centres(recipe.size).expand(count, -1, -1))
    bold = torch.full((count,), recipe.thickness)
    share = coverage(fields, points, bold, 2 / recipe.size / small)
    shown = uniform(generator, 0, 1, count, 1, 1) < 0.7
    palette = prototypes.colour.flatten(0, 1)
    colour = palette[torch.randint(len(palette), (count,), generator=generator)]
    return cover(images, share * shown, paper.lerp(colour, uniform(generator, 0.4, 1, count, 1)))
