"""Ctrl-C while worker processes start."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from adaptaug.utils.signals import kept_from_workers

SLEEP = [sys.executable, "-c", "import time; print(flush=True); time.sleep(0.5)"]


def code_after_ctrl_c(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None
    process.stdout.readline()
    os.kill(process.pid, signal.SIGINT)
    return process.wait()


def test_process_started_within_the_block_ignores_ctrl_c() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with kept_from_workers(), subprocess.Popen(SLEEP, stdout=subprocess.PIPE) as deaf:
        assert code_after_ctrl_c(deaf) == 0
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


@pytest.mark.parametrize("threads", [0, 1], ids=["alone", "beside a thread that lets it in"])
def test_ctrl_c_within_the_block_is_raised_at_its_end(threads: int) -> None:
    heard: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    done = threading.Event()
    others = [threading.Thread(target=done.wait) for _ in range(threads)]
    try:
        for other in others:
            other.start()
        with kept_from_workers():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)
            assert heard == []
        assert heard == [signal.SIGINT]
    finally:
        done.set()
        signal.signal(signal.SIGINT, handler)


def test_block_works_outside_the_main_thread() -> None:
    with ThreadPoolExecutor(1) as executor:
        assert signal.SIGINT in executor.submit(_mask_within).result()


def _mask_within() -> set[int]:
    with kept_from_workers():
        return set(signal.pthread_sigmask(signal.SIG_BLOCK, []))
