"""Tasks by seed: the same each time, varied, with right labels in the test split."""

from collections import Counter

import pytest
import torch

from adaptaug.data.toy.nuisances import draw_labels
from adaptaug.data.toy.shape_families import FAMILIES
from adaptaug.data.toy.shape_prototypes import draw_prototypes
from adaptaug.data.toy.shape_recipe import SIZES, Recipe, draw_recipe
from adaptaug.data.toy.shapes import POOL_ROWS, TEST_ROWS, shapes, truth


def recipe_of(seed: int) -> Recipe:
    return draw_recipe(torch.Generator().manual_seed(seed))


RECIPES = {seed: recipe_of(seed) for seed in range(300)}


def first(name: str, size: int = 12) -> int:
    """The first seed of a small task of the family."""
    return next(s for s, r in RECIPES.items() if (r.family.name, r.size) == (name, size))


@pytest.mark.parametrize("name", ["strokes", "texture", "photos"])
def test_task_is_the_same_each_time_and_another_for_another_seed(name: str) -> None:
    seed = first(name)
    torch.rand(3)  # global random state is not read
    once, again = shapes(seed), shapes(seed)
    assert torch.equal(once.train.inputs, again.train.inputs)
    assert torch.equal(once.test.inputs, again.test.inputs)
    assert torch.equal(once.train.targets, again.train.targets)
    assert RECIPES[seed] != RECIPES[seed + 1]


def test_data_set_has_the_form_that_the_recipe_says() -> None:
    seed = first("photos")
    recipe, source = RECIPES[seed], shapes(seed)
    assert source.name == f"shapes?seed={seed}"
    assert source.train.inputs.shape == (POOL_ROWS, recipe.channels, 12, 12)
    assert source.test.inputs.shape == (TEST_ROWS, recipe.channels, 12, 12)
    assert source.train.inputs.dtype == torch.uint8
    assert source.num_classes == recipe.classes.count
    assert source.test.targets.bincount(minlength=source.num_classes).min() >= 10


def test_wrong_labels_are_in_the_pool_alone() -> None:
    seed = next(s for s, r in RECIPES.items() if r.strengths.get("wrong", 0) > 0.2 and r.size < 17)
    generator, recipe = torch.Generator().manual_seed(seed), RECIPES[seed]
    draw_recipe(generator)
    draw_prototypes(recipe, generator)
    count = POOL_ROWS + TEST_ROWS
    right = draw_labels(count, recipe.classes.count, recipe.strengths, generator)
    source = shapes(seed)
    assert torch.equal(source.test.targets, right[POOL_ROWS:])
    wrong = (source.train.targets != right[:POOL_ROWS]).float().mean().item()
    assert wrong == pytest.approx(recipe.strengths["wrong"], abs=0.05)


def test_seeds_draw_every_family_size_and_number_of_classes() -> None:
    recipes = list(RECIPES.values())
    names = Counter(recipe.family.name for recipe in recipes)
    total = sum(family.weight for family in FAMILIES)
    for family in FAMILIES:
        assert names[family.name] / 300 == pytest.approx(family.weight / total, abs=0.06)
    assert {recipe.size for recipe in recipes} == set(SIZES)
    assert {recipe.classes.count for recipe in recipes} == set(range(2, 11))
    assert {recipe.classes.modes for recipe in recipes} >= set(range(1, 6))
    colour = sum(recipe.channels == 3 for recipe in recipes) / 300
    assert 0.4 < colour < 0.8
    assert 0.3 < min(recipe.contrast for recipe in recipes) < 0.4


def test_recipe_stays_within_its_family() -> None:
    for recipe in RECIPES.values():
        family, factor = recipe.family, recipe.family.factor
        assert recipe.size >= family.least_size
        assert recipe.classes.count in family.classes
        assert family.always <= set(recipe.strengths)
        assert not (family.forbids | factor.forbids) & set(recipe.strengths)
        low, high = factor.spacing
        assert low <= recipe.classes.spacing <= high
        steps = recipe.classes.count - (0 if factor.closed else 1)
        assert recipe.classes.spacing * steps <= factor.reach + 1e-9
        assert recipe.radius * recipe.size / 2 >= family.least_pixels - 1e-9


def test_truth_is_that_of_the_family_and_of_the_nuisances() -> None:
    for seed, recipe in RECIPES.items():
        known, strengths = truth(seed), recipe.strengths
        for op in recipe.family.factor.breaks:
            assert known[op] is False
        if "mirror" in strengths:
            assert known["hflip"]
        if "spin" in strengths:
            assert known["rotate"]
            assert known.get("vflip") is known.get("hflip")
        if strengths.get("shift", 0) >= 0.25:
            assert known["translate"]
        if recipe.channels == 1:
            assert not {"hue", "saturation"} & set(known)
        assert known["brightness"]
    answers = Counter(truth(seed).get("hflip") for seed in RECIPES)
    assert min(answers[answer] for answer in (True, False, None)) > 30
