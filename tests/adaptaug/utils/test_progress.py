"""The progress bar: a bar on a terminal, a line every 30 seconds elsewhere, or nothing."""

import io
import sys

import pytest

from adaptaug.utils.progress import ProgressBar


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        """Whether it is one."""
        return True


def test_log_gets_a_line_every_30_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = 0.0
    monkeypatch.setattr("tqdm.std.time", lambda: seconds)
    for _ in ProgressBar(range(100), "work"):
        seconds += 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("|")[2].split()[0] for line in lines] == ["30/100", "60/100", "90/100"]
    assert all(line.startswith("work: ") for line in lines)


def test_short_work_writes_no_log_line(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in ProgressBar(range(30), "work"):
        pass
    assert capsys.readouterr().err == ""


def test_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    for _ in ProgressBar(range(3), "work"):
        pass
    assert "\rwork: " in terminal.getvalue()
    assert "3/3" in terminal.getvalue()


def test_disabled_bar_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    for _ in ProgressBar(range(3), "work", disable=True):
        pass
    assert terminal.getvalue() == ""
