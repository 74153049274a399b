"""Constant magnitudes that the studies set by hand."""

from collections.abc import Mapping

from adaptaug.ops import OpSpace
from adaptaug.utils.types import Modality

Amounts = Mapping[str, float]
"""Largest amount of each op, in the op's own unit: degrees, factors, fractions of the words."""

_WORDS = {"synonym": 0.2, "insertion": 0.2, "swap": 0.2, "deletion": 0.2}  # EDA's 10%, on average
_TAGGED = {"labelwise": 0.2, "mention": 0.2, "segments": 0.2, "masking": 0.2}

HAND_SET: dict[str, dict[Modality, Amounts]] = {
    "full complexity": {
        "image": {"crop": 0.125, "hflip": 0.5, "rotate": 15, "brightness": 0.1, "contrast": 0.1},
        "text": _WORDS,
        "tagging": _TAGGED,
    },
    "cheap ops": {
        "image": {
            "crop": 0.125, "hflip": 0.5, "rotate": 15, "brightness": 0.2, "contrast": 0.2,
            "saturation": 0.2, "noise": 0.1,
        },
        "text": _WORDS,
        "tagging": _TAGGED,
    },
    # Zoom is drawn on a logarithmic scale: from 1 / 1.2 to 1.2, where study 3 has 0.8 to 1.2.
    "efficient pipeline": {
        "image": {"rotate": 15, "hflip": 0.5, "brightness": 0.2, "zoom": 0.1823, "noise": 0.1},
    },
}  # fmt: skip
"""Constants that the studies set by hand: the highest level of study 1's rule, studies 2 and 3."""


def magnitudes_of(amounts: Amounts) -> dict[str, float]:
    """Magnitudes of amounts: the fraction of each op's range.

    Raises:
        AdaptAugError: an op is unknown.
    """
    space = OpSpace(tuple(amounts))
    rows = zip(space.ops, amounts.values(), strict=True)
    return {op.name: min(1.0, amount / op.high) for op, amount in rows}
