"""The time to import AdaptAug against the time to import PyTorch, each in a fresh process."""

import subprocess
import sys

from adaptaug.utils.progress import ProgressBar
from experiments.benchmarks.timing import Race, Ratio

ROUNDS = 5
"""Rounds at most, as each import takes about a second."""

CODE = """
import time
start = time.process_time()
import {module}
print(time.process_time() - start)
"""


def import_contest(rounds: int) -> tuple[Race, list[Ratio]]:
    """Imports torch and adaptaug in turn.

    This process has imported both, so that their files are in the disk cache from the first round.
    """
    seconds: dict[str, list[float]] = {"torch": [], "adaptaug": []}
    for _ in ProgressBar(range(min(rounds, ROUNDS)), "imports", unit="round", leave=False):
        for module, times in seconds.items():
            times.append(import_seconds(module))
    result = Race({f"import {module}": times for module, times in seconds.items()})
    ratio = result.ratio("import adaptaug", "import torch")
    return result, [Ratio("import_over_torch", ratio, at_most=1.2)]


def import_seconds(module: str) -> float:
    """Processor seconds of importing a module in a fresh Python process."""
    command = [sys.executable, "-c", CODE.format(module=module)]
    return float(subprocess.check_output(command, text=True))  # noqa: S603 - our own code
