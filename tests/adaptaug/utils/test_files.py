"""Atomic writes, JSON, and new run folders."""

import dataclasses
import json
import stat
from pathlib import Path

import numpy as np
import pytest
import torch

from adaptaug.errors import AdaptAugError
from adaptaug.utils.files import new_run_folder, write_bytes, write_json, write_text


def names(folder):
    return [path.name for path in folder.iterdir()]


def test_write_replaces_the_old_file_and_leaves_no_other(tmp_path):
    path = tmp_path / "notes.txt"
    write_text(path, "old and longer")
    write_text(path, "né")

    assert path.read_bytes() == "né".encode()
    assert names(tmp_path) == ["notes.txt"]


def test_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model.bin"
    write_bytes(path, b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(AdaptAugError, match=r"cannot write '.*bin': no space left on device"):
        write_bytes(path, b"new")

    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["model.bin"]


def test_write_into_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(AdaptAugError, match="no such file or directory"):
        write_text(tmp_path / "missing" / "file", "text")


def test_written_file_has_the_default_permissions(tmp_path):
    (tmp_path / "other").write_text("text")
    write_text(tmp_path / "ours", "text")

    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ours", "other")}
    assert len(modes) == 1


def test_json_holds_dataclasses_paths_scalars_and_nan(tmp_path):
    @dataclasses.dataclass(frozen=True)
    class Config:
        steps: int
        folder: Path

    value = {
        "config": Config(3, Path("runs/x")),
        "scalars": (np.float32(0.5), torch.tensor(2), np.int64(7)),
        "diverged": [float("nan"), float("inf"), np.float32("nan")],
        1: None,
    }
    write_json(tmp_path / "x.json", value)

    assert json.loads((tmp_path / "x.json").read_text()) == {
        "config": {"steps": 3, "folder": "runs/x"},
        "scalars": [0.5, 2, 7],
        "diverged": [None, None, None],
        "1": None,
    }


def test_json_refuses_other_objects(tmp_path):
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(tmp_path / "x.json", {"function": print})

    assert names(tmp_path) == []


def test_new_run_folder_is_made_with_its_parents(tmp_path):
    folder = tmp_path / "runs" / "digits"

    assert new_run_folder(folder) == folder
    assert names(folder) == []
    assert new_run_folder(folder) == folder  # still empty


def test_run_folder_that_is_not_empty_is_refused_and_kept(tmp_path):
    (tmp_path / "summary.json").write_text("{}")

    with pytest.raises(AdaptAugError, match="exists already and is not empty"):
        new_run_folder(tmp_path)
    assert names(tmp_path) == ["summary.json"]


def test_run_folder_cannot_be_a_file_or_lie_in_one(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(AdaptAugError, match="is a file"):
        new_run_folder(tmp_path / "file")
    with pytest.raises(AdaptAugError, match=r"cannot make run folder .*: not a directory"):
        new_run_folder(tmp_path / "file" / "run")


def test_run_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    def denied(self, mode):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(AdaptAugError, match=r"cannot write .*: permission denied"):
        new_run_folder(tmp_path / "run")
