"""Made-up image tasks, "shapes?seed=17": each a function of its seed, with known symmetries."""

import torch

from adaptaug.data.examples import Examples, Source, make_source
from adaptaug.data.toy.nuisances import confuse, draw_labels
from adaptaug.data.toy.shape_images import draw_images
from adaptaug.data.toy.shape_prototypes import draw_prototypes
from adaptaug.data.toy.shape_recipe import draw_recipe, truth_of

POOL_ROWS = 1500
TEST_ROWS = 1000
_CHUNK = 250
"""Images drawn at a time, few enough for a processor's cache."""


def shapes(seed: int) -> Source:
    """Makes a task: a pool of 1,500 images, some perhaps with wrong labels, and a test of 1,000.

    The draws are the same on every machine. Where another processor rounds differently, a pixel
    may differ by 1 of 255.

    Args:
        seed: from 0 to 2**32 - 1.
    """
    generator = torch.Generator().manual_seed(seed)
    recipe = draw_recipe(generator)
    prototypes = draw_prototypes(recipe, generator)
    count = recipe.classes.count
    labels = draw_labels(POOL_ROWS + TEST_ROWS, count, recipe.strengths, generator)
    parts = [draw_images(recipe, prototypes, part, generator) for part in labels.split(_CHUNK)]
    images = torch.cat([(part * 255).round().to(torch.uint8) for part in parts])
    given = confuse(labels[:POOL_ROWS], count, recipe.strengths, generator)
    pool = Examples(images[:POOL_ROWS], given)
    test = Examples(images[POOL_ROWS:], labels[POOL_ROWS:])
    return make_source(f"shapes?seed={seed}", pool, test, [str(label) for label in range(count)])


def truth(seed: int) -> dict[str, bool]:
    """Which image ops keep the labels of a task at magnitude 1, and which destroy them.

    Known by construction: from the property that is the label (`Factor`), from what else the family
    shows (`Family.keeps`), and from the nuisances of the task: what varies in the data at least as
    much as under an op does not carry the label.

    Returns:
        By name of the op, whether labels survive; ops without an entry are a matter of degree, or
        do not apply.
    """
    return truth_of(draw_recipe(torch.Generator().manual_seed(seed)))
