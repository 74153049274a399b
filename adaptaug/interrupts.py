"""Ctrl-C is the parent's to handle: its workers never see it, not even while they start."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def kept_from_workers() -> Iterator[None]:
    """Processes that are started within the block are deaf to Ctrl-C; this one waits for its end.

    A terminal sends it to parent and workers alike. A worker that inherits the signal blocked has
    no moment, as it would before it can say that it ignores it, at which it could die of it.
    """
    resource_tracker.ensure_running()  # which unblocks the signal when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
