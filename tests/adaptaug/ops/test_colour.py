"""Colour matrices against arithmetic by hand."""

import colorsys

import pytest
import torch

from adaptaug.ops import colour

LUMA = (0.299, 0.587, 0.114)


def _recoloured(images, function, amount):
    amounts = torch.full((len(images),), amount)
    return colour.recolour(images, function(amounts, colour.mean_colour(images)))


def _pixels(*values):
    """One image (1, C, 1, n) of the pixels given as (r, g, b) or single values."""
    return torch.tensor(values).view(len(values), -1).T[None, :, None, :]


def _same(got, expected):
    torch.testing.assert_close(got, expected, atol=1e-6, rtol=0)


def test_brightness_multiplies_and_clips():
    images = _pixels((0.2, 0.4, 0.8), (0.0, 1.0, 0.1))
    expected = _pixels((0.3, 0.6, 1.0), (0.0, 1.0, 0.15))
    _same(_recoloured(images, colour.brightness, 0.5), expected)


def test_contrast_scales_about_the_mean_of_a_gray_image():
    images = _pixels(0.2, 0.4, 0.6)
    _same(_recoloured(images, colour.contrast, 0.5), _pixels(0.1, 0.4, 0.7))
    _same(_recoloured(images, colour.contrast, -1.0), _pixels(0.4, 0.4, 0.4))


def test_contrast_scales_about_the_mean_luma_of_an_rgb_image():
    images = _pixels((1.0, 0.0, 0.0), (0.0, 0.0, 1.0))
    mean = (LUMA[0] + LUMA[2]) / 2
    expected = _pixels((0.5 + mean / 2, mean / 2, mean / 2), (mean / 2, mean / 2, 0.5 + mean / 2))
    _same(_recoloured(images, colour.contrast, -0.5), expected)


def test_saturation_minus_one_is_grayscale_and_keeps_gray():
    images = _pixels((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.3, 0.3, 0.3))
    expected = _pixels(*((luma,) * 3 for luma in (*LUMA, 0.3)))
    _same(_recoloured(images, colour.saturation, -1.0), expected)


def test_saturation_scales_the_distance_to_luma():
    luma = 0.299 * 0.6 + 0.587 * 0.4 + 0.114 * 0.4
    expected = _pixels(tuple(1.5 * value - 0.5 * luma for value in (0.6, 0.4, 0.4)))
    _same(_recoloured(_pixels((0.6, 0.4, 0.4)), colour.saturation, 0.5), expected)


def test_hue_keeps_luma_and_gray_and_returns_after_a_turn():
    images = torch.rand(4, 3, 2, 2, generator=torch.Generator().manual_seed(0)) * 0.4 + 0.3
    weights = torch.tensor(LUMA).view(1, 3, 1, 1)
    turned = _recoloured(images, colour.hue, 0.1)
    torch.testing.assert_close((turned * weights).sum(1), (images * weights).sum(1))
    assert (turned - images).abs().max() > 0.05
    torch.testing.assert_close(_recoloured(images, colour.hue, 1.0), images)
    gray = _pixels((0.4, 0.4, 0.4))
    torch.testing.assert_close(_recoloured(gray, colour.hue, 0.3), gray, atol=1e-3, rtol=0)


def test_hue_by_half_a_turn_mirrors_the_chroma():
    def chroma(pixel):
        return colorsys.rgb_to_yiq(*pixel)[1:]

    before = (0.5, 0.4, 0.45)
    after = _recoloured(_pixels(before), colour.hue, 0.5).flatten().tolist()
    assert chroma(after) == pytest.approx([-value for value in chroma(before)], abs=2e-3)


def test_channels_weigh_alike_where_images_are_not_rgb():
    images = torch.tensor([0.2, 0.6]).view(1, 2, 1, 1)
    _same(_recoloured(images, colour.contrast, -1.0), torch.full((1, 2, 1, 1), 0.4))


def test_mean_colour_appends_one():
    images = torch.tensor([[[[0.0, 1.0]], [[0.2, 0.4]]]])
    _same(colour.mean_colour(images), torch.tensor([[0.5, 0.3, 1.0]]))
