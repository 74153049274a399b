"""Files of a run: atomic writes, and the folder of a new run.

A reader finds either the whole old file or the whole new one, even if the writer is killed.
"""

import dataclasses
import json
import math
import os
import uuid
from collections.abc import Mapping
from pathlib import Path

from adaptaug.errors import AdaptAugError


def write_bytes(path: Path, data: bytes) -> None:
    """Writes a file atomically: a temporary file beside it, renamed over the old one.

    Args:
        path: the file, in an existing folder.
        data: the whole content.

    Raises:
        AdaptAugError: the system refuses the write; an old file is unchanged.
    """
    # tempfile.mkstemp would ignore the umask: only the owner could read its files.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise AdaptAugError(f"cannot write '{path}': {_reason(error)}") from error


def write_text(path: Path, text: str) -> None:
    """Writes a UTF-8 text file atomically; see `write_bytes`."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: object) -> None:
    """Writes a JSON file atomically, indented; see `write_bytes`.

    Args:
        path: the file, in an existing folder.
        value: plain data, dataclasses, paths, and numpy or torch scalars. NaN and infinity, which
            JSON does not have, become null, so that a diverged child does not prevent the write.

    Raises:
        AdaptAugError: the system refuses the write.
        TypeError: JSON cannot represent something in `value`.
    """
    write_text(path, json.dumps(plain(value), indent=2, allow_nan=False) + "\n")


def make_folder(path: Path) -> None:
    """Makes a folder and its parents; an existing folder is not changed.

    Raises:
        AdaptAugError: the system refuses.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AdaptAugError(f"cannot make folder '{path}': {_reason(error)}") from error


def new_run_folder(path: Path) -> Path:
    """Makes the folder of a new run and its parents, and checks that files can be written there.

    Args:
        path: the folder; it may exist if it is empty.

    Returns:
        `path`.

    Raises:
        AdaptAugError: the folder exists and is not empty, is a file, or cannot be written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        occupied = any(path.iterdir())
    except FileExistsError as error:
        raise AdaptAugError(f"run folder '{path}' is a file; choose another name") from error
    except OSError as error:
        raise AdaptAugError(f"cannot make run folder '{path}': {_reason(error)}") from error
    if occupied:
        raise AdaptAugError(
            f"run folder '{path}' exists already and is not empty; choose another name or remove it"
        )
    probe = path / ".writable"
    write_bytes(probe, b"")
    probe.unlink()
    return path


def plain(value: object) -> object:
    """Converts a value to plain data for JSON.

    Args:
        value: as in `write_json`.

    Returns:
        The value that reading the written file would return. What JSON cannot represent is
        returned unchanged, so that `json.dumps` refuses it.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item"):  # numpy and torch scalars
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _reason(error: OSError) -> str:
    """The system's message in lower case, without the error number."""
    return (error.strerror or str(error)).lower()
