"""Decoding: pixels are exact, and images of mixed sizes or modes are refused with their row."""

import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image
from torch import Tensor

from adaptaug.data.images import decode, upright
from adaptaug.data.options import ReadOptions
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


OF_A_DATASET = "; the Dataset can resize, convert or leave out images"


def test_mixed_sizes_are_refused_with_sizes_and_row() -> None:
    images = [Image.new("L", (8, 8))] * 3 + [Image.new("L", (9, 8))]
    sentence = (
        "images of a data set must all have one size, got 8x8 in row 0 and 9x8 in row 3 of "
        f"{PLACE}{OF_A_DATASET}"
    )
    with pytest.raises(AdaptAugError, match=f"^{re.escape(sentence)}$"):
        decode_all(images)


@pytest.mark.parametrize(("first", "other"), [("RGB", "L"), ("RGB", "P"), ("L", "LA"), ("L", "1")])
def test_mixed_modes_are_refused_with_modes_and_row(first: str, other: str) -> None:
    images = [Image.new(first, (8, 8))] * 2 + [Image.new(other, (8, 8))]
    sentence = (
        f"images of a data set must all have one mode, got {first} in row 0 "
        f"and {other} in row 2 of {PLACE}{OF_A_DATASET}"
    )
    with pytest.raises(AdaptAugError, match=f"^{re.escape(sentence)}$"):
        decode_all(images)


def test_second_split_must_agree_with_the_first() -> None:
    _, layout, _ = decode(lambda _: Image.new("RGB", (8, 8)), 1, PLACE)
    with pytest.raises(
        AdaptAugError, match=r"RGB in row 0 of split 'train' .* and L in row 0 of test"
    ):
        decode(lambda _: Image.new("L", (8, 8)), 1, "test", layout)


@pytest.mark.parametrize("mode", ["I;16", "I", "F", "LAB"])
def test_mode_without_8_bit_pixels_is_refused(mode: str) -> None:
    with pytest.raises(
        AdaptAugError, match=rf"images must have one of the modes 1, L, .*got {mode} in row 0 of"
    ):
        decode_all([Image.new(mode, (8, 8))])


@pytest.mark.parametrize(
    ("mode", "remedy"),
    [("I;16", "its name can reduce 16 bits to 8: '?mode=L'"), ("F", "save it with 8-bit pixels")],
)
def test_mode_without_8_bit_pixels_is_refused_with_its_remedy(mode: str, remedy: str) -> None:
    with pytest.raises(AdaptAugError, match=f"; {re.escape(remedy)}$"):
        decode(lambda _: Image.new(mode, (8, 8)), 1, PLACE, None, ReadOptions())


@pytest.mark.parametrize("kind", [("<u2", "PNG"), ("<u2", "TIFF"), (">u2", "TIFF")])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_16_bits_become_8_if_a_mode_is_chosen(kind: tuple[str, str], mode: str) -> None:
    pixels = np.array([[0, 255, 256], [0x1234, 0x8000, 0xFFFF]], kind[0])
    image = stored(Image.fromarray(pixels), kind[1])
    assert image.mode.startswith("I;16")
    decoded = decode(lambda _: image, 1, PLACE, None, ReadOptions(mode=mode))[0]
    assert decoded[0, -1].tolist() == [[0, 0, 1], [0x12, 0x80, 0xFF]]


def stored(image: Image.Image, kind: str = "PNG", **parameters: Any) -> Image.Image:
    """The image as read from a file."""
    file = io.BytesIO()
    image.save(file, kind, **parameters)
    return Image.open(io.BytesIO(file.getvalue()))


@pytest.mark.parametrize(("mode", "colour"), [("RGBA", (10, 200, 60)), ("LA", (10,))])
def test_transparent_pixels_let_white_through(mode: str, colour: tuple[int, ...]) -> None:
    image = Image.new(mode, (3, 1))
    for column, alpha in enumerate((255, 0, 51)):  # opaque, transparent, a fifth opaque
        image.putpixel((column, 0), (*colour, alpha))
    opaque, transparent, fifth = decode_all([stored(image)])[0, :, 0].T.tolist()
    assert opaque == list(colour)
    assert transparent == [255] * len(colour)
    assert fifth == [round(0.8 * 255 + 0.2 * value) for value in colour]


def test_palette_is_applied_with_its_transparent_colour() -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.putdata([0, 1, 2])
    assert decode_all([stored(image)])[0, :, 0].T.tolist() == [
        [10, 20, 30], [40, 50, 60], [70, 80, 90],
    ]  # fmt: skip
    seen = decode_all([stored(image, transparency=1)])[0, :, 0].T.tolist()
    assert seen == [[10, 20, 30], [255, 255, 255], [70, 80, 90]]
    grey = decode(lambda _: stored(image), 1, PLACE, None, ReadOptions(mode="L"))[0]
    assert grey.flatten().tolist() == list(image.convert("RGB").convert("L").tobytes())


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_key_colour_of_a_png_is_transparent(mode: str) -> None:
    image = Image.new(mode, (2, 1), 0 if mode == "L" else (0, 0, 0))
    image.putpixel((1, 0), 9 if mode == "L" else (9, 9, 9))
    keyed = stored(image, transparency=0 if mode == "L" else (0, 0, 0))
    assert decode_all([keyed])[0, 0, 0].tolist() == [255, 9]


def test_cmyk_of_a_photo_is_not_inverted() -> None:
    photo = stored(Image.new("RGB", (16, 16), (200, 40, 90)).convert("CMYK"), "JPEG", quality=100)
    assert photo.mode == "CMYK"
    colour = decode_all([photo])[0].float().mean((1, 2))
    assert (colour - torch.tensor([200.0, 40.0, 90.0])).abs().max() < 4


BAR = np.zeros((16, 24, 3), np.uint8)
BAR[:4] = 255
BAR[:, :6] = 128  # as seen: a white bar at the top, and at the left a grey one over it
TURNED = {  # how it is stored, by EXIF orientation (EXIF 2.3, tag 274)
    1: BAR,
    2: BAR[:, ::-1],
    3: BAR[::-1, ::-1],
    4: BAR[::-1],
    5: BAR.transpose(1, 0, 2),
    6: np.rot90(BAR),
    7: BAR[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90(BAR, -1),
}


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_image_is_turned_as_exif_says(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    lossless = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}
    image = Image.fromarray(np.ascontiguousarray(TURNED[orientation]))
    image = stored(image, kind, exif=exif, **lossless.get(kind, {}))
    seen = np.asarray(upright(image), dtype=int)
    assert seen.shape == BAR.shape
    assert np.abs(seen - BAR).max() <= (9 if kind == "JPEG" else 0)
    again = upright(upright(image))
    assert np.array_equal(np.asarray(again), seen)


@pytest.mark.parametrize("orientation", [None, 0, 9])
def test_image_without_an_orientation_stays_as_it_is(orientation: int | None) -> None:
    exif = Image.Exif()
    if orientation is not None:
        exif[ExifTags.Base.Orientation] = orientation
    assert np.array_equal(np.asarray(upright(stored(Image.fromarray(BAR), exif=exif))), BAR)


def files() -> list[bytes]:
    """A whole PNG file, a truncated one, one that is no image, one whose pixels are damaged."""
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8)
    Image.fromarray(noise).save(file, "PNG")
    whole = file.getvalue()
    damaged = bytearray(whole)
    damaged[80] ^= 255
    return [whole, whole[:150], b"not an image", bytes(damaged), b""]


@pytest.mark.parametrize("damaged", [1, 2, 3, 4])
def test_broken_file_is_refused_with_its_row_and_name(damaged: int) -> None:
    contents = [files()[0], files()[damaged]]
    names = ["d/a.png", "d/b.png"]
    sentence = f"an image that can be read, got none in row 1, file 'd/b.png', of {PLACE} ("
    with pytest.raises(AdaptAugError, match=rf"{re.escape(sentence)}.*; after its name '\?skip_"):
        decode(
            lambda row: Image.open(io.BytesIO(contents[row])), 2, PLACE, None, ReadOptions(), names
        )


def test_broken_files_are_left_out_and_counted_if_asked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    contents = [*files()[1:], *files()[:1], b"x", *files()[:1]]  # the first rows are damaged
    options = ReadOptions(skip_broken=True)
    inputs, _, rows = decode(
        lambda row: Image.open(io.BytesIO(contents[row])), 7, PLACE, None, options
    )
    assert rows == [4, 6]
    whole = torch.from_numpy(np.array(Image.open(io.BytesIO(contents[4]))))
    assert torch.equal(inputs, whole.expand(2, 1, 16, 16))
    told = f"{PLACE}: 5 of 7 images cannot be read and are left out, the first in row 0"
    assert caplog.messages == [told]
    with pytest.raises(AdaptAugError, match="some image must be one that can be read, got none in"):
        decode(lambda row: Image.open(io.BytesIO(contents[row])), 3, PLACE, None, options)


def test_too_many_pixels_are_refused_with_their_size() -> None:
    sentence = (
        f"must fit in memory, got {10**12} of 900x900 pixels in {PLACE}; its name can set a size"
    )
    with pytest.raises(AdaptAugError, match=re.escape(sentence)):
        decode(lambda _: Image.new("RGB", (900, 900)), 10**12, PLACE, None, ReadOptions())
