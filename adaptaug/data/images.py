"""PIL images to one uint8 tensor.

Images of a data set must agree in size and in mode. Modes are compared before any conversion:
a few grayscale files among colour ones usually are a fault in the data, and merging them
silently would hide it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from adaptaug.errors import AdaptAugError

_GRAYSCALE_MODES = ("1", "L", "LA")
_COLOUR_MODES = ("RGB", "RGBA", "RGBX", "P", "PA", "CMYK", "YCbCr")


@dataclass(frozen=True)
class Layout:
    """The size and mode that all images of a data set share: those of its first image."""

    size: tuple[int, int]
    """Width and height in pixels, PIL's order."""
    mode: str
    """PIL's mode as stored, before conversion."""
    place: str
    """Where the first image is row 0: "split 'train' of data set 'x'"."""

    @property
    def channels(self) -> int:
        """1 for grayscale modes, 3 for all others."""
        return 1 if self.mode in _GRAYSCALE_MODES else 3

    def check(self, image: Image.Image, row: int, place: str) -> None:
        """Raise AdaptAugError if ``image``, in ``row`` of ``place``, has another size or mode."""
        if image.size == self.size and image.mode == self.mode:
            return
        if image.size != self.size:
            rule, values = "size", ["{}x{}".format(*size) for size in (self.size, image.size)]
        else:
            rule, values = "mode", [self.mode, image.mode]
        first = "row 0" if place == self.place else f"row 0 of {self.place}"
        raise AdaptAugError(
            f"images of a data set must all have one {rule}, "
            f"got {values[0]} in {first} and {values[1]} in row {row} of {place}"
        )


def decode(
    read: Callable[[int], Image.Image], count: int, place: str, like: Layout | None = None
) -> tuple[Tensor, Layout]:
    """Decode ``count`` images into one tensor; grayscale stays one channel, others become RGB.

    One thread: images are small, and two threads waiting for the interpreter's lock took longer
    (MNIST 2.7 s against 1.9, CIFAR-10's 25,000 rows 3.4 against 2.6).

    Args:
        read: opens the image of a row in 0..count-1.
        count: number of rows N, at least 1.
        place: where the rows are, for error messages: "split 'train' of data set 'x'".
        like: the layout that the images must have; by default that of the first row.

    Returns:
        uint8 (N, C, H, W) on the CPU, pixels in 0..255, and the layout.

    Raises:
        AdaptAugError: a row of another size or mode, of a mode that has no 8-bit pixels, or that
            cannot be read.
    """
    layout, row = like, 0
    try:
        layout = layout or _layout_of(read(0), place)
        width, height = layout.size
        mode = "L" if layout.channels == 1 else "RGB"
        pixels = np.empty((count, height, width, layout.channels), dtype=np.uint8)
        for row in range(count):
            image = read(row)
            layout.check(image, row, place)
            image = image if image.mode == mode else image.convert(mode)
            pixels[row] = np.asarray(image).reshape(pixels.shape[1:])
    except (OSError, SyntaxError) as error:  # what PIL raises for a broken or truncated file
        raise AdaptAugError(
            f"every row must hold an image that can be read, got none in row {row} of {place} "
            f"({error})"
        ) from error
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), layout


def _layout_of(image: Image.Image, place: str) -> Layout:
    """The layout that the first image sets for the rows after it."""
    modes = _GRAYSCALE_MODES + _COLOUR_MODES
    if image.mode not in modes:
        raise AdaptAugError(
            f"images must have one of the modes {', '.join(modes)}, "
            f"got {image.mode} in row 0 of {place}"
        )
    return Layout(image.size, image.mode, place)
