"""The table of image ops: what a magnitude of 1 means for each. An op is a row, never a branch."""

import math

from adaptaug.ops import colour, geometry, mixing, pixel
from adaptaug.ops.op import Op, register

IMAGE_OPS: tuple[Op, ...] = (
    Op("rotate", "geometry", 30, "degrees", geometry.rotate, True),
    Op("translate", "geometry", 0.25, "sides", geometry.translate, True, draws=2),
    # Magnitude 1 is the usual random crop after padding by an eighth of the side: 4 of 32 pixels.
    Op("crop", "geometry", 0.125, "sides, whole pixels", geometry.crop, True, draws=2),
    Op("zoom", "geometry", math.log(1.5), "log of the factor", geometry.zoom, True),
    Op("shear", "geometry", 0.3, "pixels a pixel", geometry.shear, True),
    Op("hflip", "geometry", 0.5, "probability", geometry.hflip, chance=True),
    Op("vflip", "geometry", 0.5, "probability", geometry.vflip, chance=True),
    Op("brightness", "colour", 0.5, "factor less 1", colour.brightness, True),
    Op("contrast", "colour", 0.5, "factor less 1", colour.contrast, True),
    Op("saturation", "colour", 0.8, "factor less 1", colour.saturation, True, grayscale=False),
    Op("hue", "colour", 0.1, "turns", colour.hue, True, grayscale=False),
    Op("noise", "pixel", 0.2, "standard deviation", pixel.noise),
    Op("blur", "pixel", 1.0, "variance in square pixels, at sides up to 32", pixel.blur),
    Op("sharpness", "pixel", 0.9, "factor less 1", pixel.sharpness, True),
    Op("solarize", "pixel", 1.0, "probability", pixel.solarize, chance=True),
    Op("posterize", "pixel", 4.0, "bits cleared of 8", pixel.posterize),
    Op("erasing", "pixel", 0.4, "share of the area", pixel.erasing),
    Op("mixup", "mixing", 0.5, "partner's weight", mixing.mixup),
    Op("cutmix", "mixing", 0.5, "share of the area", mixing.cutmix),
)

for _op in IMAGE_OPS:
    register(_op)
