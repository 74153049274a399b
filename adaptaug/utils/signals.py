"""Ctrl-C is the parent's to handle: its workers never see it, not even while they start."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def kept_from_workers() -> Iterator[None]:
    """Processes that are started within the block are deaf to Ctrl-C; this one waits for its end.

    A terminal sends it to parent and workers alike. A worker that inherits the signal blocked has
    no moment, as it would before it can say that it ignores it, at which it could die of it. The
    signal is blocked in this thread alone, though, and reaches Python through any other (a progress
    bar's, TensorBoard's): what arrives that way is kept by a handler and passed on at the end.
    """
    resource_tracker.ensure_running()  # which unblocks the signal when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with _kept_from_handler():
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _kept_from_handler() -> Iterator[None]:
    """Ctrl-C waits for the block's end, whichever thread lets it in."""
    if threading.current_thread() is not threading.main_thread():  # where no handler ever runs
        yield
        return
    heard: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if heard:
            signal.raise_signal(signal.SIGINT)
