import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from adaptaug.errors import AdaptAugError
from agents.config import SearchConfig
from agents.search import SearchResult, search


def test_resuming_without_a_checkpoint_is_refused(config: SearchConfig, tmp_path: Path) -> None:
    with pytest.raises(AdaptAugError, match="a resumed search needs a checkpoint, got none"):
        search(config, tmp_path, resume=True)


def test_checkpoint_of_another_search_is_refused(
    complete: tuple[SearchResult, Path], config: SearchConfig, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(complete[1], folder)
    with pytest.raises(AdaptAugError, match="damaged or of another search"):
        search(replace(config, ops=("rotate", "noise", "zoom")), folder, resume=True)


def test_truncated_checkpoint_is_refused(
    complete: tuple[SearchResult, Path], config: SearchConfig, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(complete[1], folder)
    checkpoint = folder / "checkpoints" / "last.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.raises(AdaptAugError, match="damaged or of another search"):
        search(config, folder, resume=True)
