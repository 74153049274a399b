"""Pretrained models of `transformers`: local folders, or hub ids that are downloaded once.

Only safetensors, JSON and text files are downloaded and read, never a pickle.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adaptaug.errors import AdaptAugError

_FILES = ("*.json", "*.txt", "model*.safetensors")
_TIMEOUT = 10
"""Seconds to wait for the hub's answer."""


def model_folder(name: str) -> Path:
    """The folder of a model: the given one, or the hub's cache after a download if necessary.

    Args:
        name: a folder that `save_pretrained` wrote, or a hub id such as
            "google-bert/bert-base-uncased".

    Raises:
        AdaptAugError: the folder has no model, the path does not exist, or the hub id is unknown or
            cannot be reached.
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
    """Silences `transformers`' messages and progress bars within the block."""
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
    """Silences `transformers` within the block and turns every error into one sentence.

    Args:
        kind: kind of the model in the error, such as "BERT model".
        name: name of the model in the error.

    Raises:
        AdaptAugError: loading in the block failed.
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
    """Checks that a model's folder has a tokenizer; `transformers` would make an empty one.

    Args:
        kind: kind of the model in the error, such as "BERT model".
        folder: the model's folder.
        vocabulary: name of the tokenizer's vocabulary file, such as "vocab.txt".

    Raises:
        AdaptAugError: the folder has neither tokenizer.json nor the vocabulary file.
    """
    if not any((folder / file).is_file() for file in ("tokenizer.json", vocabulary)):
        raise AdaptAugError(
            f"a {kind} must come with its tokenizer's tokenizer.json or {vocabulary}, "
            f"got neither in '{folder}'"
        )


def _has_weights(folder: Path) -> bool:
    return any(folder.glob("model*.safetensors"))


def _cached(name: str) -> Path | None:
    """The model's folder in the hub's cache, or None; does not access the network."""
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
    """Downloads the model. Asks the hub first, since a download would retry for half a minute."""
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
