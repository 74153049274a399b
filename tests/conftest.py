"""Fixtures for all tests, and one thread for each of them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

# Before torch is imported, and inherited by every process that a test starts: pytest-xdist runs as
# many tests at once as there are cores, and threads beyond that make them slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """The folder of a real data set by its name; skips the test where it is absent.

    Looks in the folder that the environment variable ADAPTAUG_DATA names, else in
    ``../shared/data`` beside the repository.
    """
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    root = Path(os.environ.get("ADAPTAUG_DATA") or beside)

    def find(name: str) -> Path:
        folder = root / name
        if not folder.exists():
            pytest.skip(f"needs the data set {name} in {root}; ADAPTAUG_DATA names another place")
        return folder

    return find
