"""The baseline TrivialAugment: torchvision's TrivialAugmentWide with shifts in fractions of a side.

Müller and Hutter (2021) apply one transform to each image, at a strength that is drawn uniformly.
Their wide space was made for images of 32 pixels. What is changed:

* **Shifts.** TrivialAugmentWide shifts by up to 32 pixels, whatever the image's size: on images of
  8 pixels, three shifts in four leave an empty image. Here the largest shift is 150/331 of the
  side, as in torchvision's RandAugment and AutoAugment: 3 of 8 pixels, 14 of 32.
"""

from torchvision.transforms import v2

SHIFTS = ("TranslateX", "TranslateY")
"""The transforms whose amounts are pixels in TrivialAugmentWide and fractions in RandAugment."""


class TrivialAugment(v2.TrivialAugmentWide):  # type: ignore[misc]  # torchvision brings no types
    """TrivialAugmentWide that shifts an image by at most 150/331 of its side."""

    _AUGMENTATION_SPACE = v2.TrivialAugmentWide._AUGMENTATION_SPACE | {
        name: v2.RandAugment._AUGMENTATION_SPACE[name] for name in SHIFTS
    }
