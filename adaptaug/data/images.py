"""Decodes PIL images into one uint8 tensor.

Images of a data set must agree in size and in mode. Modes are compared before any conversion: a few
grayscale files among colour ones usually are a fault in the data, which a silent conversion would
hide. Options can ask for a conversion: see `adaptaug.data.options`.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps
from torch import Tensor

from adaptaug.data.options import ReadOptions
from adaptaug.errors import AdaptAugError

logger = logging.getLogger(__name__)

_GRAYSCALE_MODES = ("1", "L", "LA")
_COLOUR_MODES = ("RGB", "RGBA", "RGBX", "P", "PA", "CMYK", "YCbCr", "HSV")
_16_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N")


@dataclass(frozen=True)
class Layout:
    """The size and mode that all images of a data set share: chosen, or the first image's."""

    size: tuple[int, int]
    """Width and height in pixels, PIL's order."""
    mode: str
    """PIL's mode: the chosen one, else that of the stored images."""
    row: str
    """Which row the first image is, for error messages: "row 0, file 'a.png',"."""
    place: str
    """Where the first image is, for error messages: "split 'train' of data set 'x'"."""
    options: ReadOptions | None = None
    """The options for all images; None if there can be no options."""

    @property
    def channels(self) -> int:
        """1 for grayscale modes, 3 for all others."""
        return 1 if self.mode in _GRAYSCALE_MODES else 3

    def check(self, image: Image.Image, row: str, place: str) -> None:
        """Checks that an image can be converted to the layout.

        Raises:
            AdaptAugError: `image`, in `row` of `place`, has another size or mode than the
                layout, and none was chosen, or a mode that cannot be converted.
        """
        chosen = self.options or ReadOptions()
        if chosen.mode is not None:
            _check_mode(image, row, place, self.options)
        if chosen.size is None and image.size != self.size:
            self._refuse(
                "size", "{}x{}".format(*self.size), "{}x{}".format(*image.size), row, place
            )
        if chosen.mode is None and image.mode != self.mode:
            self._refuse("mode", self.mode, image.mode, row, place)

    def fitted(self, image: Image.Image) -> Image.Image:
        """The image as L or RGB; if a size was chosen, its central square resized to it.

        Transparent pixels let white through, as on a page. Of 16 bits the upper 8 are kept.
        """
        mode = "L" if self.channels == 1 else "RGB"
        if image.mode in _16_BIT_MODES:
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image if image.mode == mode else image.convert(mode)
        if image.size == self.size:
            return image
        return ImageOps.fit(image, self.size, Image.Resampling.BILINEAR)  # with antialias

    def _refuse(self, rule: str, mine: str, other: str, row: str, place: str) -> None:
        first = self.row if place == self.place else f"{self.row} of {self.place}"
        hint = "its name can set one: '?size=64&mode=RGB'"
        raise AdaptAugError(
            f"images of a data set must all have one {rule}, got {mine} in {first} and {other} "
            f"in {row} of {place}{_hint(hint, self.options)}"
        )


class Decoded(NamedTuple):
    """The images of some rows."""

    inputs: Tensor
    """uint8 (N, C, H, W) on the CPU, pixels in 0..255."""
    layout: Layout
    """The layout that they share."""
    rows: list[int]
    """The N rows they are from, ascending: all, unless damaged ones are left out."""


def decode(
    read: Callable[[int], Image.Image],
    count: int,
    place: str,
    like: Layout | None = None,
    options: ReadOptions | None = None,
    files: Sequence[str | None] = (),
) -> Decoded:
    """Decodes images into one tensor; grayscale stays one channel, others become RGB.

    Uses one thread: images are small, and two threads took longer, since they wait for the
    interpreter's lock (MNIST 2.7 s against 1.9 s, 25,000 rows of CIFAR-10 3.4 s against 2.6 s).

    Args:
        read: opens the image of a row in 0..count-1; whatever it raises says that it cannot.
        count: number of rows, at least 1.
        place: where the rows are, for error messages: "split 'train' of data set 'x'".
        like: the layout that the images must have; by default that of `options` and of the first
            row.
        options: the size and mode to convert all images to, and whether damaged ones are left out;
            None if there can be no options.
        files: the name of each row's file, where there is one, for error messages.

    Raises:
        AdaptAugError: a row of another size or mode, of a mode that cannot be converted, or that
            cannot be read; or more pixels than fit in memory.
    """
    layout, pixels = like, np.empty((0, 0, 0, 0), np.uint8)
    rows: list[int] = []
    damaged: list[str] = []
    for row in range(count):
        where = f"row {row}, file '{files[row]}'," if files and files[row] else f"row {row}"
        try:
            image = read(row)
            image.load()
        except Exception as error:  # PIL raises many kinds for damaged files
            if options is None or not options.skip_broken:
                hint = "after its name '?skip_broken=1' leaves out such rows"
                raise AdaptAugError(
                    f"every row must hold an image that can be read, got none in {where} of "
                    f"{place} ({error}){_hint(hint, options)}"
                ) from error
            damaged.append(where)
            continue
        layout = layout or _layout_of(image, where, place, options)
        layout.check(image, where, place)
        if not rows:
            pixels = _empty(count, layout, place)
        pixels[len(rows)] = np.asarray(layout.fitted(image)).reshape(pixels.shape[1:])
        rows.append(row)
    if damaged:
        logger.warning(
            "%s: %d of %d images cannot be read and are left out, the first in %s",
            place, len(damaged), count, damaged[0].rstrip(","),
        )  # fmt: skip
    if layout is None or not rows:
        raise AdaptAugError(f"some image must be one that can be read, got none in {place}")
    inputs = torch.from_numpy(pixels[: len(rows)]).permute(0, 3, 1, 2).contiguous()
    return Decoded(inputs, layout, rows)


def upright(image: Image.Image) -> Image.Image:
    """The image as its EXIF orientation says that it is seen."""
    image.load()  # a TIFF is turned by this
    turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
    return ImageOps.exif_transpose(image) if turned else image


def _empty(count: int, layout: Layout, place: str) -> np.ndarray:
    """Room for all pixels, uint8 (N, H, W, C)."""
    width, height = layout.size
    try:
        return np.empty((count, height, width, layout.channels), np.uint8)
    except MemoryError as error:
        raise AdaptAugError(
            f"all images must fit in memory, got {count} of {width}x{height} pixels in {place}"
            + _hint("its name can set a size: '?size=64'", layout.options)
        ) from error


def _layout_of(image: Image.Image, row: str, place: str, options: ReadOptions | None) -> Layout:
    """The layout of all rows: from the options, else from the first image."""
    _check_mode(image, row, place, options)
    chosen = options or ReadOptions()
    size = image.size if chosen.size is None else (chosen.size, chosen.size)
    return Layout(size, chosen.mode or image.mode, row, place, options)


def _check_mode(image: Image.Image, row: str, place: str, options: ReadOptions | None) -> None:
    """Raises AdaptAugError unless the image can be converted to 8-bit pixels as was asked for."""
    modes = _GRAYSCALE_MODES + _COLOUR_MODES
    wide = image.mode in _16_BIT_MODES
    if image.mode in modes or (wide and options and options.mode):
        return
    hint = "its name can reduce 16 bits to 8: '?mode=L'" if wide else "save it with 8-bit pixels"
    raise AdaptAugError(
        f"images must have one of the modes {', '.join(modes)}, "
        f"got {image.mode} in {row} of {place}{_hint(hint, options)}"
    )


def _hint(remedy: str, options: ReadOptions | None) -> str:
    """What a person can do about it; without options, the images come from a user's Dataset."""
    return f"; {remedy if options else 'the Dataset can resize, convert or leave out images'}"
