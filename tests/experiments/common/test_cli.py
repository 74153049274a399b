"""The command line that all scripts share."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_help_into_a_closed_pipe_prints_no_traceback() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments.compare", "--help"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.close()  # as `head` does after its last line
    process.stdout = None
    assert process.communicate(timeout=120)[1] == ""
