"""A DCGAN makes images of every size, of their class, fixed by a seed."""

from dataclasses import replace

import pytest
import torch

from adaptaug.data import Examples, load
from adaptaug.errors import AdaptAugError
from adaptaug.generative import DCGAN
from adaptaug.generative.dcgan import Discriminator, ImageGenerator
from adaptaug.generative.distance import within_classes
from adaptaug.ops.bank import FitData

SMALL = DCGAN(width=8, noise=8, steps=150, batch_size=32, samples=200, learning_rate=3e-3)


def halves(seed: int = 0) -> FitData:
    """Images 8x8 that are more or less bright in their upper half (class 0) or lower (1)."""
    draws = torch.Generator().manual_seed(3)
    targets = torch.arange(120) % 2
    level = torch.randint(80, 256, (120, 1, 1, 1), generator=draws)
    upper = (torch.arange(8) < 4)[:, None] ^ targets.bool()[:, None, None, None]
    return FitData(Examples((level * upper.expand(-1, 1, 8, 8)).byte(), targets), 2, seed)


@pytest.mark.parametrize("size", [(8, 8), (12, 10), (28, 28), (33, 47), (64, 64)])
@pytest.mark.parametrize("channels", [1, 3])
def test_generator_and_discriminator_fit_images_of_every_size(
    size: tuple[int, int], channels: int
) -> None:
    shape, labels = (channels, *size), torch.tensor([0, 1, 2])
    images = ImageGenerator(shape, 3, 2, 4)(torch.randn(3, 4), labels)
    assert images.shape == (3, *shape)
    assert ((images >= 0) & (images <= 1)).all()
    verdict, guessed = Discriminator(shape, 3, 2)(images, labels)
    assert (verdict.shape, guessed.shape) == ((3,), (3, 3))


def test_samples_resemble_their_class_and_differ() -> None:
    source = load("digits")
    train = source.train[torch.arange(300)]
    bank = DCGAN(width=24, steps=500, samples=500)(FitData(train, 10, 0))
    distances = torch.cdist(
        bank.samples.inputs.flatten(1).float(), source.test.inputs.flatten(1).float()
    )
    nearest = source.test.targets[distances.argmin(1)]  # of real images that it has not seen
    assert (nearest == bank.samples.targets).float().mean() > 0.75
    assert bank.problem == ""
    assert (within_classes(bank.samples, 10) > 0.4 * within_classes(train, 10)).all()
    assert bank.seconds > 0


def test_seed_fixes_the_samples_and_the_global_random_state_is_unchanged() -> None:
    settings = replace(SMALL, steps=3)
    before = torch.get_rng_state()
    first, again = settings.make(halves()), settings.make(halves())
    assert torch.equal(first.inputs, again.inputs)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(first.inputs, settings.make(halves(seed=1)).inputs)


def test_epochs_replace_steps() -> None:
    in_steps = replace(SMALL, steps=6).make(halves())  # 120 images in batches of 32: 3 an epoch
    in_epochs = replace(SMALL, epochs=2).make(halves())
    assert torch.equal(in_steps.inputs, in_epochs.inputs)


def test_untrained_generator_is_reported_as_collapsed() -> None:
    assert "it collapsed: samples of class " in replace(SMALL, steps=0)(halves()).problem


def test_diverged_training_is_reported() -> None:
    bank = replace(SMALL, learning_rate=float("inf"))(halves())
    assert bank.problem.startswith("it diverged: its loss was not finite after ")
    assert len(bank.samples) == 0


def test_training_set_smaller_than_a_batch_is_accepted() -> None:
    train = halves().train[torch.arange(3)]
    assert len(replace(SMALL, steps=2)(FitData(train, 2, 0)).samples) == 200


@pytest.mark.parametrize(
    ("settings", "size", "sentence"),
    [
        (SMALL, (8, 7), "a DCGAN makes images of 8 to 64 pixels a side, got 8x7"),
        (SMALL, (65, 64), "got 65x64"),
        (replace(SMALL, width=0), (8, 8), "width must be at least 1, got 0"),
    ],
)
def test_wrong_sizes_and_settings_are_refused(
    settings: DCGAN, size: tuple[int, int], sentence: str
) -> None:
    train = Examples(torch.zeros(4, 1, *size).byte(), torch.arange(4) % 2)
    with pytest.raises(AdaptAugError, match=sentence):
        settings(FitData(train, 2, 0))
