"""Options in a data set's name, after a "?": "imagenette?size=64&mode=RGB"."""

from dataclasses import dataclass, fields
from typing import Any, Literal, Self

from adaptaug.data.vocabulary import MAX_WORDS
from adaptaug.errors import AdaptAugError
from adaptaug.utils.types import Modality

MODES = ("L", "RGB")
"""PIL's modes that images can be converted to: grayscale and colour."""
MAX_SEED = 2**32 - 1
"""Largest seed that torch's generator of a CPU tells from all others."""
_KNOWN: dict[Modality | Literal["generated"], tuple[str, ...]] = {
    "image": ("size", "mode", "skip_broken"),
    "text": ("words",),
    "tagging": ("words",),
    "generated": ("seed",),
}
"""The options of each kind of data that are read, and those of data that are made from a seed."""


@dataclass(frozen=True)
class ReadOptions:
    """How a data set is read; by default, as it is stored."""

    size: int | None = None
    """Height and width in pixels to which the central square of each image is resized."""
    mode: str | None = None
    """PIL's mode that images are converted to, one of `MODES`."""
    words: int | None = None
    """Words that the vocabulary keeps beside the special ones; None keeps `MAX_WORDS`."""
    seed: int | None = None
    """Seed of a generated data set, from 0 to `MAX_SEED`."""
    skip_broken: bool = False
    """Whether images that cannot be read are left out, and counted."""

    @property
    def max_words(self) -> int:
        """Words that the vocabulary keeps."""
        return MAX_WORDS if self.words is None else self.words

    def check(self, kind: Modality | Literal["generated"], name: str) -> None:
        """Checks that every option set here applies to such data.

        Raises:
            AdaptAugError: an option does not apply.
        """
        for field in fields(self):
            if getattr(self, field.name) != field.default and field.name not in _KNOWN[kind]:
                raise AdaptAugError(
                    f"options of {kind} data must be among {', '.join(_KNOWN[kind])}, "
                    f"got '{field.name}' in data set '{name}'"
                )

    @classmethod
    def parse(cls, name: str) -> tuple[str, Self]:
        """Splits a data set's name at the "?" into the place and the options.

        Raises:
            AdaptAugError: a key that is unknown or comes twice, or a value out of its range.
        """
        place, _, query = name.partition("?")
        chosen: dict[str, Any] = {}
        for part in query.split("&") if query else ():
            key, _, value = part.partition("=")
            if key not in _READ or key in chosen:
                raise AdaptAugError(
                    f"options in a data set's name must be among {', '.join(_READ)}, each once, "
                    f"got '{part}' in data set '{name}'"
                )
            chosen[key] = _READ[key](key, value, name)
        return place, cls(**chosen)


def _positive(key: str, value: str, name: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise AdaptAugError(
            f"'{key}' must be a whole number of at least 1, got '{value}' in data set '{name}'"
        )
    return int(value)


def _mode(key: str, value: str, name: str) -> str:
    if value not in MODES:
        raise AdaptAugError(
            f"'{key}' must be one of {', '.join(MODES)}, got '{value}' in data set '{name}'"
        )
    return value


def _seed(key: str, value: str, name: str) -> int:
    if not value.isdecimal() or int(value) > MAX_SEED:
        raise AdaptAugError(
            f"'{key}' must be a whole number from 0 to {MAX_SEED}, "
            f"got '{value}' in data set '{name}'"
        )
    return int(value)


def _switch(key: str, value: str, name: str) -> bool:
    if value not in ("0", "1"):
        raise AdaptAugError(f"'{key}' must be 0 or 1, got '{value}' in data set '{name}'")
    return value == "1"


_READ = {
    "size": _positive,
    "mode": _mode,
    "words": _positive,
    "seed": _seed,
    "skip_broken": _switch,
}
