"""Reads a user's text files line by line, plain or gzipped."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from adaptaug.errors import AdaptAugError


def read_lines(path: str | Path, what: str) -> Iterator[tuple[str, str]]:
    """Yields every line without its end, and its place: "line 1 of file 'x'".

    Args:
        path: a UTF-8 file; gzipped if its name ends in ".gz".
        what: what the file should hold, for error messages: "a lexicon".

    Raises:
        AdaptAugError: there is no such file, or it cannot be read as UTF-8 text.
    """
    file_path = Path(path).expanduser()
    if not file_path.is_file():
        raise AdaptAugError(f"{what} must be an existing file, got '{path}'")
    opener = gzip.open if file_path.suffix == ".gz" else open
    try:
        with opener(file_path, "rt", encoding="utf-8-sig", newline="\n") as lines:
            for number, line in enumerate(lines, start=1):
                yield line.rstrip("\r\n"), f"line {number} of file '{path}'"
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise AdaptAugError(
            f"{what} must be a UTF-8 text file, plain or gzipped (.gz), got '{path}' ({error})"
        ) from error
