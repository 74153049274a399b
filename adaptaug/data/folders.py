"""Finds the images of a folder of class folders, and the split and class of each of them.

`datasets` takes a folder for a split wherever it lies and if only one word of its name is a split's
name, so that test images of a class `train` become training images, and those of `bullet_train`
too. Here the folders of one level alone can name splits: those that hold the class folders.
"""

import logging
import os
import re
from collections.abc import Collection, Container, Mapping, Sequence
from pathlib import Path

from PIL import Image

from adaptaug.errors import AdaptAugError

logger = logging.getLogger(__name__)

Parts = tuple[str, ...]
"""A file's path, as names, from some folder down."""

SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
"""The split that a word stands for, as in `datasets`."""
TABLES = (".parquet", ".arrow", ".csv", ".tsv", ".json", ".jsonl", ".zip", ".tar", ".gz")
"""How the names of tables and archives end."""
_METADATA = {"metadata.csv", "metadata.jsonl", "metadata.parquet"}


def class_folders(root: Path, name: str) -> dict[str, list[tuple[Path, str]]] | None:
    """The images of every split and their classes, in the order of their paths.

    Args:
        root: holds a folder for each split, and in it one for each class; or the class folders
            alone, which are the split "train". Hidden files, and folders that hold nothing but one
            other folder, are passed over.
        name: name of the data set, for error messages.

    Returns:
        None if the folder holds something else: mostly tables or archives, images that a metadata
        file describes, or no folder with images.

    Raises:
        AdaptAugError: it is unclear which folders name the splits or the classes, an image lies in
            no class folder, or a file is in two splits.
        OSError: a folder must not be read.
    """
    files, images = _files(root)
    tables = [file for file in files if file[-1].lower().endswith(TABLES)]
    described = any(file[-1] in _METADATA for file in files) or _has_card(root)
    if described or len(images) <= len(tables) or all(len(file) == 1 for file in images):
        return None
    others = sorted({file for file in files if len(file) > 1} - set(images))
    if others:
        _tell(name, others, "as Pillow reads no such images")
    outer = _wrappers(images, stop=SPLITS)
    names = _split_names([file[outer:] for file in images], name)
    found: dict[str, list[tuple[Path, str]]] = {}
    for folder, split in names.items() or [("", "train")]:
        held = [file for file in images if not folder or file[outer] == folder]
        depth = outer + bool(folder)
        if split != "train" and all(len(file) == depth + 1 for file in held):
            _tell(name, held, "as they lie in no class folder")
            continue
        depth += _wrappers([file[depth:] for file in held])
        _check_depth(held, depth, name)
        found.setdefault(split, []).extend((root.joinpath(*file), file[depth]) for file in held)
    _check_apart(found, name)
    return found


def _files(root: Path) -> tuple[list[Parts], list[Parts]]:
    """All files but the hidden ones, and those of them that are images, by their names."""
    files: list[Parts] = []
    for folder, inner, names in os.walk(root, onerror=_refuse, followlinks=True):
        here = Path(folder)
        around = {here.resolve(), *here.resolve().parents}
        # A link to a folder around this one would be walked without end.
        inner[:] = [
            part
            for part in inner
            if part[0] != "." and part != "__MACOSX" and (here / part).resolve() not in around
        ]
        files += [(here / file).relative_to(root).parts for file in names if file[0] != "."]
    extensions = Image.registered_extensions()
    is_image = {end for end, kind in extensions.items() if kind in Image.OPEN}
    files.sort()
    return files, [file for file in files if Path(file[-1]).suffix.lower() in is_image]


def _refuse(error: OSError) -> None:
    raise error  # else a folder that must not be read would be left out


def _has_card(root: Path) -> bool:
    """Whether a data set's card says which files are which split."""
    card = root / "README.md"
    return card.is_file() and "data_files:" in card.read_text(encoding="utf-8", errors="replace")


def _wrappers(files: Sequence[Parts], stop: Container[str] = ()) -> int:
    """How many folders from the top hold nothing but one other folder, up to a name in `stop`."""
    count = 0
    while min(map(len, files)) > count + 2 and len({file[count] for file in files}) == 1:
        if files[0][count].lower() in stop:
            break
        count += 1
    return count


def _split_names(files: Sequence[Parts], name: str) -> dict[str, str]:
    """The split that each folder at the top names; empty if they are class folders.

    They name splits if they hold class folders, as classes hold images; and if all are called as
    splits are. Whole names count before names that have a split's name as a word.
    """
    tops = {file[0] for file in files if len(file) > 1}
    deep = tops - {file[0] for file in files if len(file) == 2}
    whole = {top: SPLITS[top.lower()] for top in tops if top.lower() in SPLITS}
    words = {top: split for top in deep if (split := split_in(top))}
    if deep & set(whole) or (whole and len(whole) == len(tops)):
        named = whole
    elif words:
        named = words
    else:
        return {}
    beside = tops - set(named)
    if beside and (beside & deep or len(set(named.values())) == 1):
        raise AdaptAugError(
            f"all folders that hold class folders must name splits, or none, got '{min(named)}' "
            f"and '{min(beside)}' in data set '{name}': rename one, or move one elsewhere"
        )
    others = [file for file in files if file[0] not in named]
    if others:
        _tell(name, others, "as they lie in no split")
    return dict(sorted(named.items()))


def split_in(name: str) -> str | None:
    """The one split that words of a file's or folder's name stand for, as in "seg_train"."""
    found = {SPLITS.get(word) for word in re.split(r"[-._ 0-9]+", name.lower())} - {None}
    return found.pop() if len(found) == 1 else None


def _check_depth(files: Collection[Parts], depth: int, name: str) -> None:
    """Raises AdaptAugError unless the class folders, `depth` folders down, hold the images."""
    for file in files:
        if len(file) == depth + 1:
            raise AdaptAugError(
                f"every image must lie in the folder of its class, got '{Path(*file)}' in data "
                f"set '{name}': move it there, or out of the data set"
            )
    if all(len(file) > depth + 2 for file in files):
        file = next(iter(files))
        raise AdaptAugError(
            f"class folders must hold their images, got '{Path(*file)}' in data set '{name}', "
            f"whose class may be '{file[depth]}' or '{file[-2]}': move the images up or the "
            "folders of the classes"
        )


def _check_apart(splits: Mapping[str, list[tuple[Path, str]]], name: str) -> None:
    """Raises AdaptAugError if a file is in two splits, by links to it."""
    seen: dict[tuple[int, int], tuple[str, Path]] = {}
    for split, rows in splits.items():
        for path, _ in rows:
            if not path.exists():
                continue  # a broken link: a file that cannot be read
            status = path.stat()
            other, first = seen.setdefault((status.st_dev, status.st_ino), (split, path))
            if other != split:
                raise AdaptAugError(
                    f"a file must be in one split, got '{path}' in '{split}', the same file as "
                    f"'{first}' in '{other}', in data set '{name}'"
                )


def _tell(name: str, files: Sequence[Parts], why: str) -> None:
    logger.warning(
        "data set '%s': %d file(s) left out, %s, the first '%s'",
        name, len(files), why, Path(*files[0]),
    )  # fmt: skip
