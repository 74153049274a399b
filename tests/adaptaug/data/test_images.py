"""Decoding: pixels are exact, and images of mixed sizes or modes are refused with their row."""

import io
import re
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from adaptaug.data.images import decode
from adaptaug.errors import AdaptAugError

PLACE = "split 'train' of data set 'x'"


def decode_all(images: Sequence[Image.Image]) -> Tensor:
    return decode(images.__getitem__, len(images), PLACE)[0]


def test_grayscale_keeps_one_channel() -> None:
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    decoded = decode_all([Image.fromarray(pixels), Image.fromarray(pixels + 10)])
    assert decoded.dtype == torch.uint8
    assert decoded.tolist() == [[pixels.tolist()], [(pixels + 10).tolist()]]


def test_colour_is_channels_first() -> None:
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    decoded = decode_all([Image.fromarray(pixels)])
    assert decoded.is_contiguous()
    assert decoded[0].tolist() == pixels.transpose(2, 0, 1).tolist()


@pytest.mark.parametrize(
    ("mode", "channels"),
    [("1", 1), ("L", 1), ("LA", 1), ("RGB", 3), ("RGBA", 3), ("P", 3), ("CMYK", 3), ("YCbCr", 3)],
)
def test_modes_become_one_or_three_channels(mode: str, channels: int) -> None:
    assert decode_all([Image.new(mode, (5, 4))] * 2).shape == (2, channels, 4, 5)


def test_mixed_sizes_are_refused_with_sizes_and_row() -> None:
    images = [Image.new("L", (8, 8))] * 3 + [Image.new("L", (9, 8))]
    sentence = (
        f"images of a data set must all have one size, got 8x8 in row 0 and 9x8 in row 3 of {PLACE}"
    )
    with pytest.raises(AdaptAugError, match=f"^{re.escape(sentence)}$"):
        decode_all(images)


@pytest.mark.parametrize(("first", "other"), [("RGB", "L"), ("RGB", "P"), ("L", "LA"), ("L", "1")])
def test_mixed_modes_are_refused_with_modes_and_row(first: str, other: str) -> None:
    images = [Image.new(first, (8, 8))] * 2 + [Image.new(other, (8, 8))]
    sentence = (
        f"images of a data set must all have one mode, got {first} in row 0 "
        f"and {other} in row 2 of {PLACE}"
    )
    with pytest.raises(AdaptAugError, match=f"^{re.escape(sentence)}$"):
        decode_all(images)


def test_second_split_must_agree_with_the_first() -> None:
    _, layout = decode(lambda _: Image.new("RGB", (8, 8)), 1, PLACE)
    with pytest.raises(
        AdaptAugError, match=r"RGB in row 0 of split 'train' .* and L in row 0 of test"
    ):
        decode(lambda _: Image.new("L", (8, 8)), 1, "test", layout)


def test_mode_without_8_bit_pixels_is_refused() -> None:
    with pytest.raises(
        AdaptAugError, match=r"images must have one of the modes 1, L, .*got I;16 in row 0"
    ):
        decode_all([Image.new("I;16", (8, 8))])


@pytest.mark.parametrize("content", [b"not an image", "truncated"])
def test_broken_file_is_refused_with_its_row(content: bytes | str) -> None:
    whole = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8)
    Image.fromarray(noise).save(whole, "PNG")
    broken = whole.getvalue()[:150] if isinstance(content, str) else content
    files = [whole.getvalue(), broken]
    with pytest.raises(
        AdaptAugError, match="an image that can be read, got none in row 1 of split"
    ):
        decode(lambda row: Image.open(io.BytesIO(files[row])), 2, PLACE)
