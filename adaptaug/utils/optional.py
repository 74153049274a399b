"""Packages that come with an extra: a missing one is a sentence that says what to install."""

from collections.abc import Iterator
from contextlib import contextmanager

from adaptaug.errors import AdaptAugError


@contextmanager
def needs(extra: str, purpose: str) -> Iterator[None]:
    """Imports packages of an extra within the block.

    Args:
        extra: the extra that holds them, such as "search".
        purpose: what needs them, as the subject of the sentence: "the metric 'f1'".

    Raises:
        AdaptAugError: one of the packages is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in {"", "adaptaug"}:  # a mistake of ours, which no installation mends
            raise
        raise AdaptAugError(
            f"{purpose} needs the package {package}: pip install 'adaptaug[{extra}]'"
        ) from error
