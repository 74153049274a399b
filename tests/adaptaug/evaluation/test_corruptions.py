"""Corruptions: values by hand, effects that grow with severity, any size, fixed by a seed."""

import pytest
import torch
from torch import Generator, Tensor

from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.corruptions import CELLS, CORRUPTIONS, SEVERITIES, corrupt, corrupted


def draws() -> Generator:
    return Generator().manual_seed(3)


def smooth(channels: int = 3, size: tuple[int, int] = (32, 32), count: int = 4) -> Tensor:
    """Images that look a little like photographs: random coarse ones, enlarged."""
    coarse = torch.rand(count, channels, 4, 4, generator=Generator().manual_seed(1))
    return torch.nn.functional.interpolate(coarse, size, mode="bilinear")


def test_noise_has_the_standard_deviation_of_its_severity() -> None:
    grey = torch.full((8, 3, 64, 64), 0.5)
    for severity, deviation in zip(SEVERITIES, (0.04, 0.06, 0.08, 0.09, 0.1), strict=True):
        changed = corrupt(grey, "noise", severity, draws()) - grey
        assert float(changed.std()) == pytest.approx(deviation, rel=0.02)
        assert float(changed.mean()) == pytest.approx(0, abs=0.002)


def test_brightness_raises_hsvs_value_and_keeps_hue_and_saturation() -> None:
    red, black, white = (0.4, 0.2, 0.1), (0, 0, 0), (1, 1, 1)
    images = torch.tensor([red, black, white])[:, :, None, None].expand(3, 3, 4, 4)
    bright = corrupt(images, "brightness", 4, draws())[:, :, 0, 0]
    assert torch.allclose(bright, torch.tensor([(0.6, 0.3, 0.15), (0.2, 0.2, 0.2), (1, 1, 1)]))
    grey = corrupt(images[:, :1], "brightness", 4, draws())[:, 0, 0, 0]
    assert torch.allclose(grey, torch.tensor([0.6, 0.2, 1]))


def test_contrast_keeps_each_channels_mean() -> None:
    images = torch.tensor([[[[0.2, 0.6]], [[0.0, 0.4]]]]).repeat(1, 2, 1, 1)[:, :3]  # (1, 3, 1, 2)
    expected = torch.tensor([[[[0.3, 0.5]], [[0.1, 0.3]]]]).repeat(1, 2, 1, 1)[:, :3]
    assert torch.allclose(corrupt(images, "contrast", 2, draws()), expected)


def test_blur_of_a_point_is_a_gaussian() -> None:
    image = torch.zeros(1, 1, 33, 33)
    image[0, 0, 16, 16] = 1
    row = corrupt(image, "blur", 5, draws())[0, 0, 16]
    assert float(row[17] / row[16]) == pytest.approx(2.718281828 ** (-0.5 * (32 / 33) ** 2), 1e-3)
    assert float(corrupt(image, "blur", 5, draws()).sum()) == pytest.approx(1, rel=1e-4)
    # At twice the side sigma is twice as many pixels.
    image = torch.zeros(1, 1, 64, 64)
    image[0, 0, 32, 32] = 1
    row = corrupt(image, "blur", 5, draws())[0, 0, 32]
    assert float(row[34] / row[32]) == pytest.approx(2.718281828**-0.5, rel=1e-3)


def test_jpeg_keeps_flat_images_and_loses_detail() -> None:
    flat = torch.full((1, 3, 16, 16), 128, dtype=torch.uint8)
    assert torch.equal(corrupt(flat, "jpeg", 5, draws()), flat)
    noisy = torch.rand(2, 3, 16, 16, generator=draws())
    lost = [float((corrupt(noisy, "jpeg", s, draws()) - noisy).abs().mean()) for s in (1, 5)]
    assert 0.01 < lost[0] < lost[1] < 0.3


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("shape", [(1, (8, 8)), (3, (32, 32)), (3, (21, 40))])
def test_corruption_keeps_shape_and_arguments_and_grows_with_severity(
    name: str, shape: tuple[int, tuple[int, int]]
) -> None:
    images = smooth(*shape)
    before, state = images.clone(), torch.get_rng_state()
    distances = []
    for severity in SEVERITIES:
        result = corrupt(images, name, severity, draws())
        assert (result.shape, result.dtype) == (images.shape, images.dtype)
        assert bool((result >= 0).all())
        assert bool((result <= 1).all())
        assert torch.equal(result, corrupt(images, name, severity, draws()))
        distances.append(float((result - images).abs().mean()))
    assert distances == sorted(distances)
    assert 0 < distances[0] < distances[-1]
    assert torch.equal(images, before)
    assert torch.equal(torch.get_rng_state(), state)


def test_uint8_images_stay_uint8() -> None:
    pixels = (smooth() * 255).round().byte()
    for _, result in corrupted(pixels, seed=0):
        assert result.dtype == torch.uint8
        assert not torch.equal(result, pixels)
    floats = dict(corrupted(pixels / 255, seed=0))
    for cell, result in corrupted(pixels, seed=0):
        assert float((result / 255 - floats[cell]).abs().max()) <= 0.51 / 255


def test_corruptions_repeat_by_seed_and_only_noise_depends_on_it() -> None:
    images = smooth()
    first, again, other = (dict(corrupted(images, seed)) for seed in (0, 0, 1))
    assert list(first) == list(CELLS)
    assert len(first) == 25
    assert all(torch.equal(first[cell], again[cell]) for cell in first)
    assert {cell.split("/")[0] for cell in first if not torch.equal(first[cell], other[cell])} == {
        "noise"
    }


def test_no_images_give_no_images() -> None:
    assert corrupt(torch.zeros(0, 3, 8, 8), "jpeg", 1, draws()).shape == (0, 3, 8, 8)


@pytest.mark.parametrize(
    ("name", "severity", "shape", "message"),
    [
        ("fog", 1, (1, 3, 8, 8), "corruption must be one of .*, got 'fog'"),
        ("blur", 6, (1, 3, 8, 8), "severity must be one of .*, got 6 for 'blur'"),
        ("blur", 1, (1, 2, 8, 8), r"1 or 3 channels, got \(1, 2, 8, 8\)"),
    ],
)
def test_images_that_cannot_be_corrupted_are_refused(
    name: str, severity: int, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(AdaptAugError, match=message):
        corrupt(torch.zeros(shape), name, severity, draws())
