"""Loads data sets from the Hugging Face Hub or a local folder with `datasets.load_dataset`.

Columns are found by their feature type, so that hub ids and folders are read alike. A data set with
a column of images is read as images, whatever other columns it has. Otherwise, one with a column of
token lists and a column of tag lists is read as tagging, and one with a column of strings as text.
"""

import io
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import ClassLabel, Dataset, DatasetDict, Value, load_dataset
from datasets import Image as ImageFeature
from datasets.exceptions import DatasetNotFoundError
from PIL import Image
from torch import Tensor

from adaptaug.data.examples import Examples, Source, make_source
from adaptaug.data.images import Layout, decode
from adaptaug.data.options import ReadOptions
from adaptaug.data.text import from_tagged, from_texts
from adaptaug.errors import AdaptAugError
from adaptaug.utils.types import Modality

logger = logging.getLogger(__name__)

Columns = tuple[str, ...]
Tables = Mapping[str, Dataset]
"""The training split, then the one to test on, by their names."""

_TAGS: Columns = ("ner_tags", "tags")


def load_hub(name: str) -> Source:
    """Loads a data set of images, of sentences or of tagged sentences.

    Args:
        name: a folder that `datasets.load_dataset` can read, or a hub id. The pool is its split
            "train"; the test split is "test", or "validation" if "test" is missing or unlabelled.
            Options after a "?" say how it is read; see `ReadOptions`.

    Raises:
        AdaptAugError: an unknown option, no such folder, a hub id that is unknown or cannot be
            reached, a missing split or column, or rows that `decode`, `from_texts`, `from_tagged`
            or `make_source` refuse.
    """
    place, options = ReadOptions.parse(name)
    tables = _open(place)
    test = _test_part(tables)
    for part in ("train", test):
        if part not in tables:
            raise AdaptAugError(
                "a data set needs a split 'train' and a split 'test' or 'validation', "
                f"got {', '.join(sorted(tables))} in data set '{name}'"
            )
    train = tables["train"]
    for modality, find, read in _READERS:
        columns = find(train, name)
        if columns:
            options.check(modality, name)
            parts = {part: tables[part] for part in ("train", test)}
            return read(parts, columns, name, options)
    raise AdaptAugError(
        "a data set needs a column of images, one of sentences (strings), or one of tokens "
        "(lists of strings) with one of tags (lists of ClassLabel), "
        f"got columns {_columns(train)} in data set '{name}'"
    )


def _load_images(tables: Tables, columns: Columns, name: str, options: ReadOptions) -> Source:
    """Loads images with one label each."""
    train, test_part = tables["train"], list(tables)[1]
    label = _label_column(train, name)
    layout: Layout | None = None
    parts: list[Examples] = []
    for part, table in tables.items():
        place = f"split '{part}' of data set '{name}'"
        inputs, layout = _inputs(table, columns[0], place, layout, options)
        targets = torch.tensor(_labels(table, label, place), dtype=torch.int64)
        parts.append(Examples(inputs, targets))
    classes = _class_names(train.features[label])
    return make_source(name, parts[0], parts[1], classes, test_part=test_part)


def _load_texts(tables: Tables, columns: Columns, name: str, options: ReadOptions) -> Source:
    """Loads sentences with one label each."""
    train, test_part = tables["train"], list(tables)[1]
    label = _label_column(train, name)
    parts = [
        (table[columns[0]][:], _labels(table, label, f"split '{part}' of data set '{name}'"))
        for part, table in tables.items()
    ]
    return from_texts(
        *parts[0], *parts[1], name=name, classes=_class_names(train.features[label]),
        max_words=options.max_words, test_part=test_part,
    )  # fmt: skip


def _load_tagged(tables: Tables, columns: Columns, name: str, options: ReadOptions) -> Source:
    """Loads lists of tokens with one tag for each token."""
    parts = [(table[columns[0]][:], table[columns[1]][:]) for table in tables.values()]
    return from_tagged(
        *parts[0], *parts[1], name=name, max_words=options.max_words,
        classes=_class_names(_item(tables["train"].features[columns[1]])),
        test_part=list(tables)[1],
    )  # fmt: skip


def _open(name: str) -> DatasetDict:
    """The splits of a folder or hub id; each of the library's errors becomes one sentence."""
    path = Path(name).expanduser()
    is_local = path.is_dir()
    if not is_local and (name.startswith(("/", ".", "~")) or name.count("/") > 1 or path.exists()):
        raise AdaptAugError(f"a data set's path must be an existing folder, got '{name}'")
    try:
        return load_dataset(str(path) if is_local else name)
    except Exception as error:
        cause = error.__cause__ or error  # the outer error says only that reading failed
        reason = f"{type(cause).__name__}: {' '.join(str(cause).split())}"
        if is_local:
            sentence = f"folder '{name}' must hold a data set that datasets.load_dataset can read"
        elif isinstance(error, DatasetNotFoundError):
            sentence = (
                f"unknown data set '{name}': it is neither built in, nor a folder here, "
                "nor public on the Hugging Face Hub"
            )
        elif isinstance(error, ConnectionError):
            sentence = (
                f"data set '{name}' is neither built in nor a folder here, "
                "and the Hugging Face Hub cannot be reached to look for it"
            )
        else:
            sentence = f"data set '{name}' must be one that datasets.load_dataset can read"
        raise AdaptAugError(f"{sentence} ({reason})") from error


def _test_part(tables: DatasetDict) -> str:
    """Name of the test split: "test" if it has labels (GLUE's has none), else "validation"."""
    if "test" not in tables:
        return "validation"
    if "validation" not in tables:
        return "test"
    table = tables["test"]
    labels = [column for column, kind in table.features.items() if isinstance(kind, ClassLabel)]
    return "validation" if any(table.unique(column) == [-1] for column in labels) else "test"


def _image_columns(table: Dataset, name: str) -> Columns:
    """The column of images; of several, `image` or `img` if there is one, else the first."""
    found = [column for column, kind in table.features.items() if isinstance(kind, ImageFeature)]
    return _first(found, ("image", "img"))


def _tag_columns(table: Dataset, name: str) -> Columns:
    """The columns of tokens and of tags; tags may be strings in a column named as in `_TAGS`."""
    items = {column: _item(kind) for column, kind in table.features.items()}
    strings = [column for column, item in items.items() if _is_string(item)]
    found = [column for column, item in items.items() if isinstance(item, ClassLabel)]
    tags = _first(found or [column for column in strings if column in _TAGS], _TAGS)
    tokens = _first([column for column in strings if column not in tags], ("tokens", "words"))
    if len(found) > 1 and tokens:
        columns = ", ".join(found)
        logger.warning("data set '%s': tags are read from '%s', one of %s", name, *tags, columns)
    return tokens + tags if tokens and tags else ()


def _sentence_columns(table: Dataset, name: str) -> Columns:
    """The column of sentences; of several, `sentence` or `text` if there is one, else the first."""
    found = [column for column, kind in table.features.items() if _is_string(kind)]
    sentence = _first(found, ("sentence", "text"))
    if len(found) > 1:
        columns = ", ".join(found)
        logger.warning("data set '%s': text is read from '%s', one of %s", name, *sentence, columns)
    return sentence


def _first(found: Sequence[str], preferred: Columns) -> Columns:
    """The most preferred of the columns found, else the first; empty if none is found."""
    return (*(column for column in preferred if column in found), *found)[:1]


def _item(kind: Any) -> Any:
    """The feature type of a list's items; None if the column holds no lists."""
    return getattr(kind, "feature", None)


def _is_string(kind: Any) -> bool:
    return getattr(kind, "dtype", None) in ("string", "large_string")


def _columns(table: Dataset) -> str:
    """Names and types of the columns: "sentence (string), label (float64)"."""
    return ", ".join(f"{column} ({_type_name(kind)})" for column, kind in table.features.items())


def _type_name(kind: Any) -> str:
    if _item(kind) is not None:
        return f"list of {_type_name(_item(kind))}"
    return str(kind.dtype) if isinstance(kind, Value) else type(kind).__name__


def _class_names(kind: Any) -> list[str] | None:
    return kind.names if isinstance(kind, ClassLabel) else None


def _label_column(table: Dataset, name: str) -> str:
    """The column of labels: a ClassLabel, else an integer column called `label`."""
    found = [column for column, kind in table.features.items() if isinstance(kind, ClassLabel)]
    plain = table.features.get("label")
    if not found and "int" in str(getattr(plain, "dtype", "")):
        found = ["label"]
    if not found:
        raise AdaptAugError(
            "a data set needs a ClassLabel column or an integer column 'label', "
            f"got columns {_columns(table)} in data set '{name}'"
        )
    column = "label" if "label" in found else found[0]
    if len(found) > 1:
        columns = ", ".join(found)
        logger.warning("data set '%s': labels are read from '%s', one of %s", name, column, columns)
    return column


def _inputs(
    table: Dataset, column: str, place: str, like: Layout | None, options: ReadOptions
) -> tuple[Tensor, Layout]:
    """The images of a split, uint8 (N, C, H, W); see `decode`."""
    files: list[dict[str, Any] | None] = table.cast_column(column, ImageFeature(decode=False))[
        column
    ][:]

    def read(row: int) -> Image.Image:
        file = files[row] or {"bytes": None, "path": None}
        if file["bytes"] is None and file["path"] is None:
            raise OSError("the cell is empty")
        return Image.open(file["path"] if file["bytes"] is None else io.BytesIO(file["bytes"]))

    return decode(read, len(files), place, like, options)


def _labels(table: Dataset, column: str, place: str) -> list[int]:
    """The N labels of a split."""
    labels: list[int | None] = table[column][:]
    if None in labels:
        raise AdaptAugError(
            f"every row needs a label, got none in row {labels.index(None)} of {place}"
        )
    return labels  # type: ignore[return-value]  # checked above: none is None


_READERS: tuple[tuple[Modality, Callable[[Dataset, str], Columns], Callable[..., Source]], ...] = (
    ("image", _image_columns, _load_images),
    ("tagging", _tag_columns, _load_tagged),
    ("text", _sentence_columns, _load_texts),
)
"""For each modality, what finds its columns and what reads them; the first to find any is used."""
