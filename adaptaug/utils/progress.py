"""The progress bar of long-running work."""

import sys
from typing import Any

from tqdm import tqdm

LOG_SECONDS = 30.0
"""Seconds between two lines of progress without a terminal."""


class ProgressBar(tqdm):  # type: ignore[misc]  # it brings no types
    """tqdm's bar on a terminal; elsewhere, such as in a log file, a line every `LOG_SECONDS`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Takes tqdm's arguments."""
        self._terminal = sys.stderr.isatty()
        if not self._terminal:
            kwargs |= {"leave": False, "mininterval": LOG_SECONDS, "delay": LOG_SECONDS}
        super().__init__(*args, **kwargs)

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        """Shows the bar or `msg`; returns whether there is something to clear."""
        if self._terminal:
            return bool(super().display(msg, pos))
        if msg is None:
            print(self, file=self.fp, flush=True)
        return False
