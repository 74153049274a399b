"""What the tests of scripts share."""

from pathlib import Path

import pytest


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, in which a script makes its `runs/`."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
