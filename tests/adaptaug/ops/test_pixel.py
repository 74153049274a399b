"""Pixel ops against hand-made images."""

import math

import pytest
import torch
from torch import Generator

from adaptaug.ops import pixel


def _generator():
    return Generator().manual_seed(0)


def _row(*values):
    """One grayscale image of one row."""
    return torch.tensor(values).view(1, 1, 1, -1)


def _amount(*values):
    return torch.tensor(values)


def _same(got, expected):
    torch.testing.assert_close(got, expected, atol=1e-6, rtol=0)


def test_noise_has_the_standard_deviation_of_each_sample():
    images = torch.full((3, 1, 100, 100), 0.5)
    noisy = pixel.noise(images, _amount(0.0, 0.05, 0.1), _generator())
    assert torch.equal(noisy[0], images[0])
    assert noisy.mean().item() == pytest.approx(0.5, abs=2e-3)
    assert noisy.std(dim=(1, 2, 3)).tolist() == pytest.approx([0.0, 0.05, 0.1], rel=0.05)


def test_noise_is_clipped():
    noisy = pixel.noise(torch.ones(1, 1, 50, 50), _amount(0.2), _generator())
    assert noisy.max() == 1
    assert noisy.min() >= 0


def test_blur_of_a_point_is_the_gaussian_along_both_sides():
    images = torch.zeros(1, 1, 9, 11)
    images[0, 0, 4, 5] = 1
    blurred = pixel.blur(images, _amount(1.0), _generator())[0, 0]
    weight = [math.exp(-(offset**2) / 2) for offset in range(-4, 5)]
    assert (blurred[:, 5] / blurred[4, 5]).tolist() == pytest.approx(
        # A row near the border divides by the sum of the weights that are inside.
        [w * _inside(4, 9) / _inside(row, 9) for row, w in enumerate(weight)],
        abs=1e-5,
    )


def _inside(at, side):
    return sum(math.exp(-((position - at) ** 2) / 2) for position in range(side))


def test_blur_keeps_flat_images_and_images_of_amount_0():
    images = torch.rand(2, 3, 6, 5, generator=_generator())
    images[0] = 0.7
    blurred = pixel.blur(images, _amount(1.0, 0.0), _generator())
    _same(blurred[0], images[0])
    _same(blurred[1], images[1])


def test_blur_radius_grows_with_sides_above_32():
    images = torch.zeros(1, 1, 64, 64)
    images[0, 0, 32, 32] = 1
    row = pixel.blur(images, _amount(1.0), _generator())[0, 0, 32]
    assert (row[34] / row[32]).item() == pytest.approx(math.exp(-0.5), abs=1e-4)  # sigma is 2


def test_sharpness_minus_one_smooths_and_above_zero_sharpens():
    images = torch.full((2, 1, 5, 5), 0.4)
    images[:, :, 2, 2] = 0.53
    result = pixel.sharpness(images, _amount(-1.0, 1.0), _generator())
    # The kernel's weights are 5/13 in the middle and 1/13 around it.
    assert result[0, 0, 2, 2].item() == pytest.approx(0.4 + 0.13 * 5 / 13, abs=1e-6)
    assert result[0, 0, 1, 1].item() == pytest.approx(0.4 + 0.13 / 13, abs=1e-6)
    assert result[1, 0, 2, 2].item() == pytest.approx(0.53 + 0.13 * 8 / 13, abs=1e-6)
    assert result[1, 0, 0, 0].item() == pytest.approx(0.4, abs=1e-6)


def test_values_above_the_threshold_are_inverted():
    images = _row(0.1, 0.7, 0.75, 0.9, 1.0)
    _same(pixel.invert_above(images, _amount(0.75)), _row(0.1, 0.7, 0.75, 0.1, 0.0))
    assert torch.equal(pixel.invert_above(images, _amount(1.0)), images)


def test_solarize_draws_a_threshold_where_the_amount_is_one():
    images = torch.linspace(0, 1, 101).expand(2000, 1, 1, 101)
    amount = (torch.arange(2000) % 2).float()
    result = pixel.solarize(images, amount, _generator())
    assert torch.equal(result[::2], images[::2])
    unchanged = (result[1::2] == images[1::2]).float().mean(dim=(1, 2, 3))
    assert unchanged.mean().item() == pytest.approx(0.5, abs=0.03)
    assert unchanged.std().item() == pytest.approx(12**-0.5, abs=0.02)


def test_posterize_clears_the_lowest_bits():
    images = _row(0, 15, 16, 31, 200, 255) / 255
    result = pixel.posterize(images, _amount(4.0), _generator())
    _same(result, _row(0, 0, 16, 16, 192, 240) / 255)
    assert torch.equal(pixel.posterize(images, _amount(0.4), _generator()), images)


def test_rectangles_have_their_area_and_lie_inside():
    area = torch.full((500,), 0.25)
    mask = pixel.rectangles(area, 0.0, (8, 12), _generator())
    assert mask.shape == (500, 1, 8, 12)
    assert (mask.sum(dim=(1, 2, 3)) == 4 * 6).all()
    assert mask.any(dim=0).all()  # every pixel is covered at times
    tops = mask.any(dim=3).float().argmax(dim=2).flatten()
    assert sorted(set(tops.tolist())) == [0, 1, 2, 3, 4]


def test_rectangles_vary_their_aspect_about_the_area():
    area = torch.full((2000,), 0.2)
    mask = pixel.rectangles(area, math.log(3.3), (64, 64), _generator())
    heights = mask.any(dim=3).sum(dim=2).flatten() / 64
    widths = mask.any(dim=2).sum(dim=2).flatten() / 64
    assert (heights * widths).mean().item() == pytest.approx(0.2, abs=2e-3)
    assert (heights / widths).max().item() == pytest.approx(3.3, rel=0.1)
    assert (heights / widths).min().item() == pytest.approx(1 / 3.3, rel=0.1)


def test_erasing_blacks_out_one_rectangle_in_all_channels():
    images = torch.ones(50, 3, 16, 16)
    erased = pixel.erasing(images, torch.full((50,), 0.3), _generator())
    assert torch.equal(erased[:, 0], erased[:, 2])
    assert set(erased.unique().tolist()) == {0.0, 1.0}
    assert (1 - erased.mean()).item() == pytest.approx(0.3, abs=0.02)
    assert torch.equal(pixel.erasing(images, torch.zeros(50), _generator()), images)
