"""Warnings about one training run, each of them once."""

import logging

logger = logging.getLogger(__name__)


class Notices:
    """Warns about each kind of oddity once in a run."""

    def __init__(self) -> None:
        """Begins with nothing said."""
        self._said: set[str] = set()

    def __call__(self, kind: str, message: str, *values: object) -> None:
        """Logs a warning, unless one of this kind was logged before.

        Args:
            kind: what the warning is about.
            message: the text, with `logging`'s placeholders.
            values: what takes their place.
        """
        if kind not in self._said:
            self._said.add(kind)
            logger.warning(message, *values)
