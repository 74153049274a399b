"""Tests of the progress bar where there is no terminal, and where there is one."""

import io
import sys
import time

import pytest

from adaptaug import progress_bar
from adaptaug.progress_bar import ProgressBar


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        """Whether it is one."""
        return True


def test_log_has_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress_bar, "LOG_SECONDS", 0.2)
    for _ in ProgressBar(range(30), "work"):
        time.sleep(0.02)
    lines = capsys.readouterr().err.splitlines()
    assert 1 <= len(lines) <= 3
    assert all(line.startswith("work: ") and "/30" in line for line in lines)


def test_short_work_is_not_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in ProgressBar(range(30), "work"):
        pass
    assert capsys.readouterr().err == ""


def test_terminal_has_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    for _ in ProgressBar(range(3), "work"):
        pass
    assert "\rwork: " in terminal.getvalue()
    assert "3/3" in terminal.getvalue()


def test_quiet_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    for _ in ProgressBar(range(3), "work", disable=True):
        pass
    assert terminal.getvalue() == ""
