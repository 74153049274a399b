import os
import signal
import subprocess
import sys

from adaptaug.interrupts import kept_from_workers

SLEEP = [sys.executable, "-c", "import time; print(flush=True); time.sleep(0.5)"]


def code_after_ctrl_c(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None
    process.stdout.readline()
    os.kill(process.pid, signal.SIGINT)
    return process.wait()


def test_a_process_started_within_is_deaf_to_ctrl_c() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with kept_from_workers(), subprocess.Popen(SLEEP, stdout=subprocess.PIPE) as deaf:
        assert code_after_ctrl_c(deaf) == 0
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


def test_ctrl_c_within_is_heard_at_the_end() -> None:
    heard: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        with kept_from_workers():
            os.kill(os.getpid(), signal.SIGINT)
            assert heard == []
        assert heard == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, handler)
