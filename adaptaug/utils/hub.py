"""Pretrained models of `transformers`: folders, or hub ids that are fetched once.

What is fetched and read are weights as safetensors, JSON and text, never a pickle.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adaptaug.errors import AdaptAugError

_FILES = ("*.json", "*.txt", "model*.safetensors")
_TIMEOUT = 10
"""Seconds to wait for the hub's answer."""


def model_folder(name: str) -> Path:
    """The folder of a model: as given, or in the hub's cache, filled where it has to be.

    Args:
        name: a folder that `save_pretrained` wrote, or a hub id, "google-bert/bert-base-uncased".

    Raises:
        AdaptAugError: a folder without a model, a path that does not exist, or a hub id that is
            unknown or cannot be reached.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file() or not _has_weights(path):
            raise AdaptAugError(
                "a model folder must hold config.json and weights as safetensors, as "
                f"save_pretrained writes them, got folder '{name}', which has none"
            )
        return path
    if name.startswith(("/", ".", "~")) or name.count("/") > 1 or path.exists():
        raise AdaptAugError(f"a model must be a hub id or an existing folder, got '{name}'")
    return _cached(name) or _fetched(name)


@contextmanager
def _quietly() -> Iterator[None]:
    """Keeps `transformers` from reporting and from drawing bars within the block."""
    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


@contextmanager
def loading(kind: str, name: str) -> Iterator[None]:
    """Loads quietly within the block; whatever goes wrong is one sentence.

    Raises:
        AdaptAugError: the name is not one of such a model with its tokenizer.
    """
    try:
        with _quietly():
            yield
    except AdaptAugError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise AdaptAugError(
            f"a pretrained model must be a {kind} with its tokenizer, as save_pretrained writes "
            f"them, got '{name}' ({type(error).__name__}: {reason})"
        ) from error


def check_tokenizer(kind: str, folder: Path, vocabulary: str) -> None:
    """A tokenizer must lie beside the model: without one, `transformers` makes an empty one.

    Raises:
        AdaptAugError: the folder has neither tokenizer.json nor the vocabulary's file.
    """
    if not any((folder / file).is_file() for file in ("tokenizer.json", vocabulary)):
        raise AdaptAugError(
            f"a {kind} must come with its tokenizer's tokenizer.json or {vocabulary}, "
            f"got neither in '{folder}'"
        )


def _has_weights(folder: Path) -> bool:
    return any(folder.glob("model*.safetensors"))


def _cached(name: str) -> Path | None:
    """The model in the hub's cache, without asking the hub."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    except HFValidationError as error:
        raise AdaptAugError(f"a model must be a hub id or a folder, got '{name}'") from error
    return folder if _has_weights(folder) else None


def _fetched(name: str) -> Path:
    """The model, downloaded; asks once first, as the download would try for half a minute."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        HfApi().model_info(name, timeout=_TIMEOUT)
        folder = Path(snapshot_download(name, allow_patterns=list(_FILES)))
    except RepositoryNotFoundError as error:
        raise AdaptAugError(
            f"unknown model '{name}': it is neither a folder here nor public on the "
            "Hugging Face Hub"
        ) from error
    except Exception as error:
        reason = " ".join(str(error).split())
        raise AdaptAugError(
            f"model '{name}' is neither a folder here nor in the hub's cache, and the Hugging "
            f"Face Hub cannot be reached to fetch it ({type(error).__name__}: {reason})"
        ) from error
    if not _has_weights(folder):
        raise AdaptAugError(f"a model must have weights as safetensors, got none in '{name}'")
    return folder
