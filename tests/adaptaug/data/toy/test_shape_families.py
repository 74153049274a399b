"""Every family's labels survive, or do not, as its row says: read from images under each op."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from adaptaug.data.toy.nuisances import NUISANCES
from adaptaug.data.toy.shape_factors import Classes
from adaptaug.data.toy.shape_families import FAMILIES, Family
from adaptaug.data.toy.shape_images import draw_images
from adaptaug.data.toy.shape_prototypes import draw_prototypes
from adaptaug.data.toy.shape_recipe import Recipe, truth_of
from adaptaug.ops import OpSpace, find, ops_for
from adaptaug.ops.geometry import rotate, warp

SIZE = 32
PER_CLASS = 25
LUMA = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
IQ = torch.tensor([[0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
BY_NAME = {family.name: family for family in FAMILIES}


def luma_of(images: Tensor) -> Tensor:
    return images[:, 0] if images.shape[1] == 1 else (images * LUMA).sum(1)


def object_of(images: Tensor, seen: Tensor) -> Tensor:
    """1 where an image differs from its background, which fills most of it, else 0."""
    luma = luma_of(images)
    ground = luma.masked_fill(~seen, math.nan).flatten(1).nanmedian(dim=1).values[:, None, None]
    away = (luma - ground).abs() * seen
    return (away > away.amax(dim=(1, 2), keepdim=True) / 2).float()


def gradients(images: Tensor, seen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Slopes along x and y, and luma, all 0 where an op has left nothing to see."""
    luma = luma_of(images)
    whole = -functional.max_pool2d(-seen.float()[:, None], 3, 1, 1)[:, 0]
    dx = (luma.roll(-1, 2) - luma.roll(1, 2)) * whole
    dy = (luma.roll(-1, 1) - luma.roll(1, 1)) * whole
    inner = (slice(None), slice(2, -2), slice(2, -2))
    mean = (luma * whole).sum(dim=(1, 2), keepdim=True) / whole.sum(dim=(1, 2), keepdim=True)
    return dx[inner], dy[inner], ((luma - mean) * whole)[inner]


def appearance(images: Tensor, _: Tensor) -> Tensor:
    flat = images.flatten(1)
    return functional.normalize(flat - flat.mean(dim=1, keepdim=True), dim=1)


def direction(images: Tensor, seen: Tensor) -> Tensor:
    dx, dy, _ = gradients(images, seen)
    along = torch.stack((dx.square() - dy.square(), 2 * dx * dy), dim=1).sum(dim=(2, 3))
    return functional.normalize(along, dim=1)


def wavelength(images: Tensor, seen: Tensor) -> Tensor:
    dx, dy, height = gradients(images, seen)
    steepness = (dx.square() + dy.square()).sum(dim=(1, 2)) / height.square().sum(dim=(1, 2))
    return steepness.log()[:, None]


def area(images: Tensor, seen: Tensor) -> Tensor:
    return object_of(images, seen).sum(dim=(1, 2)).log()[:, None]


def bearing(images: Tensor, seen: Tensor) -> Tensor:
    place = torch.arange(SIZE) - (SIZE - 1) / 2
    found = object_of(images, seen)
    centre = torch.stack(((found * place).sum(dim=(1, 2)), (found.mT * place).sum(dim=(1, 2))), 1)
    return functional.normalize(centre, dim=1)


def tint(images: Tensor, _: Tensor) -> Tensor:
    return functional.normalize(images.mean(dim=(2, 3)) @ IQ.T, dim=1)


PROPERTY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "strokes": appearance,
    "silhouettes": appearance,
    "mirrored": appearance,
    "orientation": direction,
    "frequency": wavelength,
    "texture": wavelength,
    "colour": tint,
    "position": bearing,
    "size": area,
    "emblems": appearance,
    "photos": appearance,
}
"""The property that is a family's label: float (N, D) from images and what there is to see."""


def plain_recipe(family: Family) -> Recipe:
    """A clear task of the family, without nuisances."""
    low, high = family.factor.spacing
    classes = Classes(count=4, modes=1, spacing=(low + high) / 2, jitter=0.0)
    channels = 3 if family.colour == 1 or family.parts != (1, 1) else 1
    radius = sum(family.radius) / 2
    return Recipe(family, classes, SIZE, channels, 1.0, radius, 0.12, {})


def under(op: str | None, images: Tensor) -> tuple[Tensor, Tensor]:
    """Images under an op at magnitude 1, and bool (N, H, W), where it has left something to see."""
    seen = torch.ones_like(images)
    if op is not None:
        space, labels = OpSpace((op,)), torch.zeros(len(images), dtype=torch.int64)
        images = space.apply(images, labels, [1.0], torch.Generator().manual_seed(3))[0]
        if find(op).stage == "geometry" or op == "erasing":
            seen = space.apply(seen, labels, [1.0], torch.Generator().manual_seed(3))[0]
    return images, seen[:, 0] > 0.99


def scores(family: Family) -> dict[str | None, float]:
    """Share of images whose property is nearest to that of their class, under each known op."""
    recipe, generator = plain_recipe(family), torch.Generator().manual_seed(1)
    prototypes = draw_prototypes(recipe, generator)
    labels = torch.arange(recipe.classes.count).repeat_interleave(PER_CLASS)
    clean, images = (draw_images(recipe, prototypes, labels, generator) for _ in range(2))
    known = PROPERTY[family.name](*under(None, clean)).view(recipe.classes.count, PER_CLASS, -1)
    found = {}
    for op in (None, *truth_of(recipe)):
        read = PROPERTY[family.name](*under(op, images))
        nearest = torch.cdist(read, known.mean(dim=1)).argmin(dim=1)
        found[op] = (nearest == labels).float().mean().item()
    return found


@pytest.mark.parametrize("name", BY_NAME)
def test_labels_survive_as_the_truth_says(name: str) -> None:
    truth = truth_of(plain_recipe(BY_NAME[name]))
    read = scores(BY_NAME[name])
    assert read[None] > 0.95
    assert {op: read[op] > 0.85 for op in truth} == truth, read
    assert all(read[op] < 0.75 for op, keeps in truth.items() if not keeps), read


def one_of_each(recipe: Recipe) -> Tensor:
    """An image of each class, all else equal."""
    prototypes = draw_prototypes(recipe, torch.Generator().manual_seed(2))
    return torch.cat(
        [
            draw_images(recipe, prototypes, torch.tensor([label]), torch.Generator().manual_seed(4))
            for label in range(recipe.classes.count)
        ]
    )


def test_flip_turns_each_class_of_mirrored_pairs_into_the_other() -> None:
    images = one_of_each(plain_recipe(BY_NAME["mirrored"]))
    torch.testing.assert_close(images.flip(3), images[[1, 0, 3, 2]], atol=1e-3, rtol=0)
    assert (images - images.flip(3)).abs().mean() > 0.03


def test_turn_by_the_spacing_shifts_the_classes_of_orientation_by_one() -> None:
    recipe = plain_recipe(BY_NAME["orientation"])
    images = one_of_each(recipe)
    turn = torch.full((4,), recipe.classes.spacing)
    turned = warp(images, rotate(turn, (SIZE, SIZE)))
    seen = warp(torch.ones_like(images), rotate(turn, (SIZE, SIZE)))[:, 0] > 0.99
    before = direction(images, torch.ones_like(seen))
    torch.testing.assert_close(direction(turned, seen)[:3], before[1:], atol=0.1, rtol=0)


def test_rows_name_ops_and_nuisances_that_there_are_and_do_not_contradict_themselves() -> None:
    covers = {row.name: set(row.covers) for row in NUISANCES}
    for family in FAMILIES:
        factor, forbids = family.factor, family.forbids | family.factor.forbids
        keeps = factor.keeps | family.keeps
        assert keeps | factor.breaks <= set(ops_for("image"))
        assert forbids | family.always <= set(covers)
        assert not keeps & factor.breaks
        assert not forbids & family.always
        drawn = set(covers) - forbids
        assert not factor.breaks & set().union(*(covers[name] for name in drawn)), family.name
