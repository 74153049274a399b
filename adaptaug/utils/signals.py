"""Ctrl-C is handled by the parent process; its workers ignore it, even while they start."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def kept_from_workers() -> Iterator[None]:
    """Processes started within the block never receive Ctrl-C; this process gets it afterwards.

    A terminal sends Ctrl-C (SIGINT) to the parent and all its workers. Workers inherit a blocked
    SIGINT, so Ctrl-C cannot kill them while they start. The signal is blocked in this thread only;
    Python can still receive it through another thread, such as a progress bar's or TensorBoard's. A
    handler keeps such a signal and raises it again at the end of the block.
    """
    resource_tracker.ensure_running()  # its start within the block would unblock SIGINT
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with _kept_from_handler():
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _kept_from_handler() -> Iterator[None]:
    """Delays Ctrl-C to the end of the block, whichever thread receives it."""
    if threading.current_thread() is not threading.main_thread():  # handlers run in the main thread
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
