"""Pretrained models: found in a folder, in the hub's cache or on the hub, or refused."""

from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError

from adaptaug.errors import AdaptAugError
from adaptaug.utils.hub import model_folder


def model_at(folder: Path) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text("{}", encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"")
    return folder


class Hub:
    """Answers in the hub's place; counts downloads."""

    def __init__(self, cached: Path | None, fetched: Path | None, error: Exception | None) -> None:
        self.cached, self.fetched, self.error = cached, fetched, error
        self.downloads: list[dict[str, Any]] = []

    def snapshot_download(self, name: str, local_files_only: bool = False, **options: Any) -> str:
        if local_files_only:
            if self.cached is None:
                raise LocalEntryNotFoundError("nothing cached")
            return str(self.cached)
        self.downloads.append(options)
        return str(self.fetched)

    def model_info(self, name: str, **options: Any) -> None:
        if self.error is not None:
            raise self.error

    def replace(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(huggingface_hub, "snapshot_download", self.snapshot_download)
        monkeypatch.setattr(huggingface_hub, "HfApi", lambda: self)


def test_model_folder_is_returned_as_given(tmp_path: Path) -> None:
    folder = model_at(tmp_path / "model")
    assert model_folder(str(folder)) == folder


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_folder_without_a_model_is_refused(missing: str, tmp_path: Path) -> None:
    folder = model_at(tmp_path / "model")
    (folder / missing).unlink()
    (folder / "pytorch_model.bin").write_bytes(b"a pickle, which is not read")
    with pytest.raises(AdaptAugError, match=r"a model folder must hold .*, got folder '.*/model'"):
        model_folder(str(folder))


@pytest.mark.parametrize("name", ["/no/such/folder", "./nor/this", "a/b/c", "two words", "a//b"])
def test_name_that_is_neither_a_folder_nor_a_hub_id_is_refused(name: str) -> None:
    with pytest.raises(AdaptAugError, match=rf"a model must be a hub id or .*, got '{name}'"):
        model_folder(name)


def test_cached_model_is_found_without_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub(model_at(tmp_path / "cached"), None, OSError("no network"))
    hub.replace(monkeypatch)
    assert model_folder("some/model") == tmp_path / "cached"
    assert hub.downloads == []


def test_model_is_fetched_once_without_pickles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half").mkdir()  # a cache with the tokenizer alone
    hub = Hub(tmp_path / "half", model_at(tmp_path / "fetched"), None)
    hub.replace(monkeypatch)
    assert model_folder("some/model") == tmp_path / "fetched"
    assert len(hub.downloads) == 1
    assert not any(pattern.endswith("bin") for pattern in hub.downloads[0]["allow_patterns"])


def test_model_without_safetensors_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fetched").mkdir()
    Hub(None, tmp_path / "fetched", None).replace(monkeypatch)
    with pytest.raises(AdaptAugError, match="must have weights as safetensors, got none in 'some/"):
        model_folder("some/model")


def test_unreachable_hub_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    Hub(None, None, OSError("no network")).replace(monkeypatch)
    with pytest.raises(AdaptAugError, match=r"cannot be reached .* \(OSError: no network\)"):
        model_folder("some/model")


def test_unknown_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    error = RepositoryNotFoundError.__new__(RepositoryNotFoundError)
    Hub(None, None, error).replace(monkeypatch)
    with pytest.raises(AdaptAugError, match="unknown model 'some/model'"):
        model_folder("some/model")
