"""Fixtures for the tests of scripts."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from experiments.common.cli import main


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, in which scripts create `runs/`."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """A function that runs a script with arguments and returns its exit code."""

    def run(script: ModuleType, *arguments: str) -> int:
        monkeypatch.setattr("sys.argv", [f"{script.__name__.rpartition('.')[2]}.py", *arguments])
        with pytest.raises(SystemExit) as ended:
            main(script.Options, script.run, script.__doc__)
        return ended.value.code

    return run
