"""`adaptaug audit`: what it prints and writes, and that a mistake is one sentence."""

import re
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Generator

from adaptaug.commands.audit import HOW_TO_READ, UNSURE, table
from adaptaug.commands.main import main
from adaptaug.data import from_tensors, preload
from adaptaug.evaluation.audit import Audit, AuditRow

NAME = "halves"


@pytest.fixture(scope="module", autouse=True)
def halves() -> None:
    """A data set in which mirroring swaps the labels."""
    images = 0.3 * torch.rand(60, 1, 8, 8, generator=Generator().manual_seed(0))
    labels = torch.arange(60) % 2
    images[labels == 0, :, :, :4] += 0.6
    images[labels == 1, :, :, 4:] += 0.6
    preload(from_tensors(images, labels, images, labels, name=NAME, classes=["left", "right"]))


def test_a_table_and_a_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["audit", NAME]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("halves, 2 classes\n\nop at strength")
    assert re.search(r"^hflip +0\.00 breaks +0\.00 breaks +0\.00 breaks$", printed, re.MULTILINE)
    assert re.search(r"^vflip +\d\.\d\d keeps", printed, re.MULTILINE)
    assert HOW_TO_READ in printed
    assert printed.endswith("\n\naudit.png shows images under hflip, the worst.\n")
    with Image.open(tmp_path / "audit.png") as picture:
        assert picture.format == "PNG"


def test_the_figure_goes_where_it_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "worst.png"
    assert main(["audit", NAME, "--figure", str(file)]) == 0
    assert f"{file} shows images" in capsys.readouterr().out
    assert file.is_file()


def test_sentences_have_a_table_and_no_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["audit", "opinions", "--lexicon", "opinions"]) == 0
    printed = capsys.readouterr().out
    assert all(f"\n{op} " in printed for op in ("synonym", "swap", "masking"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["no/such/folder"], "error: a data set's path must be an existing folder"),
        ([NAME, "--figure", "no/such/folder/audit.png"], "error: cannot write"),
        (["opinions", "--figure", "audit.png"], "error: a figure needs images, got text data"),
        (["opinions", "--lexicon", "no-such-file"], "error: "),
    ],
)
def test_a_mistake_is_one_sentence(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["audit", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(sentence)
    assert len(captured.err.splitlines()) == 1
    assert captured.out == ""
    assert list(tmp_path.iterdir()) == []


def test_the_worst_op_comes_first_and_doubts_are_told() -> None:
    rows = tuple(
        AuditRow(op, magnitude, agreement, "doubtful")
        for op, agreement in (("rotate", 0.9), ("hflip", 0.5), ("noise", 1.0))
        for magnitude in (0.5, 1.0)
    )
    sure, unsure = (table(Audit(rows, clean=0.1, trust=trust)) for trust in (0.9, 0.1))
    assert re.findall(r"^(\w+) +\d", sure, re.MULTILINE) == ["hflip", "rotate", "noise"]
    assert sure.splitlines()[0].split() == ["op", "at", "strength", "0.5", "1"]
    assert UNSURE not in sure
    assert unsure.endswith(UNSURE)
