"""The clock for measuring work."""

import time

from adaptaug.utils.timing import clock


def test_processor_time_counts_work_but_no_waiting() -> None:
    started = clock("cpu")
    time.sleep(0.2)
    waited = clock("cpu") - started
    until = time.process_time() + 0.02
    while time.process_time() < until:
        pass
    assert 0 <= waited < 0.1
    assert clock("cpu") - started >= 0.02
