"""Each matrix moves hand-made pixels where they belong."""

import math

import pytest
import torch

from adaptaug.ops import geometry

LETTER = torch.tensor([[1.0, 0.5, 0.0], [0.25, 0.0, 0.0], [0.75, 0.0, 0.0]])


def _warped(image, function, amount):
    """One 2-d image warped by one amount, to within float rounding."""
    amount = torch.tensor([amount])
    matrices = function(amount, tuple(image.shape))
    return geometry.warp(image[None, None], matrices)[0, 0]


def _same(got, expected):
    torch.testing.assert_close(got, torch.as_tensor(expected), atol=2e-6, rtol=0)


def test_rotate_by_90_degrees_turns_counter_clockwise():
    expected = [[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [1.0, 0.25, 0.75]]
    _same(_warped(LETTER, geometry.rotate, 90.0), expected)
    _same(_warped(LETTER, geometry.rotate, 180.0), LETTER.flip(0, 1))


def test_rotate_keeps_distances_in_an_image_that_is_not_square():
    image = torch.zeros(5, 9)
    image[2, 6] = 1  # two pixels right of the centre
    expected = torch.zeros(5, 9)
    expected[0, 4] = 1  # two pixels above it
    _same(_warped(image, geometry.rotate, 90.0), expected)


def test_rotation_matrix_matches_the_textbook():
    matrix = geometry.rotate(torch.tensor([30.0]), (4, 4))[0]
    half, root = 0.5, math.sqrt(3) / 2
    _same(matrix, [[root, -half, 0.0], [half, root, 0.0], [0.0, 0.0, 1.0]])


def test_translate_moves_right_and_down_by_shares_of_the_sides():
    image = torch.zeros(4, 8)
    image[1, 2] = 1
    expected = torch.zeros(4, 8)
    expected[3, 4] = 1  # a quarter of 8 to the right, half of 4 down
    _same(_warped(image, geometry.translate, [0.25, 0.5]), expected)
    expected = torch.zeros(4, 8)
    expected[0, 0] = 1
    _same(_warped(image, geometry.translate, [-0.25, -0.25]), expected)


def test_crop_moves_by_whole_pixels():
    image = torch.tensor([[1.0, 0.5, 0.25, 0.75]])
    _same(_warped(image, geometry.crop, [0.2, 0.0]), [[0.0, 1.0, 0.5, 0.25]])  # 0.8 pixels
    _same(_warped(image, geometry.crop, [-0.1, 0.0]), image)  # 0.4 pixels


def test_translate_fills_with_zeros_and_interpolates_half_pixels():
    image = torch.ones(1, 4)
    _same(_warped(image, geometry.translate, [0.5, 0.0]), [[0.0, 0.0, 1.0, 1.0]])
    _same(_warped(image, geometry.translate, [0.125, 0.0]), [[0.5, 1.0, 1.0, 1.0]])


def test_zoom_doubles_about_the_centre():
    image = torch.tensor([[0.0, 0.0, 1.0, 0.0, 0.0]]).expand(5, 5)
    expected = torch.tensor([[0.0, 0.5, 1.0, 0.5, 0.0]]).expand(5, 5)
    _same(_warped(image, geometry.zoom, math.log(2)), expected)
    # At half the size every second pixel is read, from up to two pixels outside.
    ramp = torch.tensor([[0.1, 0.2, 0.3, 0.4, 0.5]]).expand(5, 5)
    middle = _warped(ramp, geometry.zoom, -math.log(2))[2]
    _same(middle, [0.0, 0.1, 0.3, 0.5, 0.0])


def test_shear_slants_the_top_to_the_right():
    image = torch.tensor([[0.0, 1.0, 0.0]]).expand(3, 3)
    expected = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    _same(_warped(image, geometry.shear, 1.0), expected)


@pytest.mark.parametrize(("function", "axis"), [(geometry.hflip, 1), (geometry.vflip, 0)])
def test_flips_reverse_one_side(function, axis):
    image = torch.arange(12.0).view(3, 4) / 12
    _same(_warped(image, function, 1.0), image.flip(axis))
    _same(_warped(image, function, 0.0), image)


def test_warp_clips_rounding_errors_alone_and_keeps_its_argument():
    images = torch.ones(2, 3, 5, 7)
    result = geometry.warp(images, geometry.rotate(torch.tensor([10.0, 200.0]), (5, 7)))
    assert result.min() >= 0
    assert result.max() <= 1
    assert torch.equal(images, torch.ones(2, 3, 5, 7))
