"""Loads data sets from the Hugging Face Hub or a local folder with `datasets.load_dataset`.

Columns are found by their feature type, so that hub ids and folders are read alike. A data set with
a column of images is read as images, whatever other columns it has. Otherwise, one with a column of
token lists and a column of tag lists is read as tagging, and one with a column of strings as text.
A folder of class folders becomes a data set with a column of images here, without `datasets`'
patterns: see `adaptaug.data.folders`.
"""

import glob
import io
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import (
    ClassLabel,
    Dataset,
    DatasetDict,
    Features,
    Value,
    load_dataset,
    load_dataset_builder,
)
from datasets import Image as ImageFeature
from datasets.data_files import get_data_patterns
from datasets.exceptions import DatasetNotFoundError
from PIL import Image

from adaptaug.data.examples import (
    Examples,
    Source,
    check_same_classes,
    image_keys,
    make_source,
    tell_duplicates,
)
from adaptaug.data.folders import TABLES, class_folders, split_in
from adaptaug.data.images import Decoded, Layout, decode, upright
from adaptaug.data.options import ReadOptions
from adaptaug.data.splitting import stratified_order
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
            Without both, a fifth of "train" is the test split, always the same one. Options after a
            "?" say how it is read; see `ReadOptions`.

    Raises:
        AdaptAugError: an unknown option, no such folder, a hub id that is unknown or cannot be
            reached, a file in two splits, a missing split or column, classes that differ between
            the splits, or rows that `decode`, `from_texts`, `from_tagged` or `make_source` refuse.
    """
    place, options = ReadOptions.parse(name)
    tables = _open(place)
    if "train" not in tables:
        raise AdaptAugError(
            f"a data set needs a split 'train', got {', '.join(sorted(tables)) or 'none'} "
            f"in data set '{name}'"
        )
    train, test = tables["train"], _test_part(tables)
    for modality, find, read in _READERS:
        columns = find(train, name)
        if columns:
            options.check(modality, name)
            if test is None:
                parts = _hold_out(train, columns, modality, name)
            else:
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
        inputs, layout, rows = _inputs(table, columns[0], place, layout, options)
        targets = torch.tensor(_labels(table, label, place), dtype=torch.int64)
        parts.append(Examples(inputs, targets[rows]))
    classes = _class_names(train.features[label])
    tell_duplicates(name, *(image_keys(part.inputs) for part in parts))
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
        folders = class_folders(path, name) if is_local else None
        if folders is not None:
            return _tables_of(folders, name)
        patterns = _escaped(path) if is_local else None
        builder = load_dataset_builder(str(path) if is_local else name, data_files=patterns)
        files = builder.config.data_files or {}
        _check_files(files, name)
        _check_labels(files, name)
        builder.download_and_prepare()
        return builder.as_dataset()
    except AdaptAugError:
        raise
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


def _tables_of(folders: Mapping[str, Sequence[tuple[Path, str]]], name: str) -> DatasetDict:
    """The images of class folders as tables; a class is a folder of the training split."""
    names = {split: sorted({label for _, label in rows}) for split, rows in folders.items()}
    classes = names.get("train", [*names.values(), []][0])
    for split, found in names.items():
        check_same_classes(classes, found, name, split)
    features = Features({"image": ImageFeature(), "label": ClassLabel(names=classes)})
    tables = DatasetDict()
    for split, rows in folders.items():
        paths, labels = zip(*rows, strict=True)
        columns = {"image": list(map(str, paths)), "label": list(labels)}
        tables[split] = Dataset.from_dict(columns, features)
    return tables


def _escaped(path: Path) -> dict[str, list[str]] | None:
    """The patterns of a folder's files by split, where `datasets` takes its path for a pattern."""
    folder = glob.escape(str(path.resolve()))
    if folder == str(path.resolve()):
        return None
    found = get_data_patterns(folder)
    return {str(part): [f"{folder}/{end}" for end in ends] for part, ends in found.items()}


def _check_files(files: Mapping[Any, Sequence[str]], name: str) -> None:
    """Raises AdaptAugError if names on a file's path put it in two splits."""
    first: dict[str, str] = {}
    for part, paths in files.items():
        for path in paths:
            is_table = path.endswith(TABLES) and Path(path).is_file()
            named = split_in(Path(path).stem) if is_table else None
            if first.setdefault(path, named or str(part)) != str(part):
                raise AdaptAugError(
                    f"names on a file's path must name one split, got '{path}' in "
                    f"'{first[path]}' and '{part}' of data set '{name}': rename them"
                )


def _check_labels(files: Mapping[Any, Sequence[str]], name: str) -> None:
    """Raises AdaptAugError if labels mean other classes in a split; `datasets` reads train's."""
    schemas = {
        str(part): load_dataset(
            "parquet", data_files=glob.escape(paths[0]), split="train", streaming=True
        ).features
        for part, paths in files.items()
        if paths[0].endswith(".parquet") and Path(paths[0]).is_file()
    }
    for column, kind in schemas.get("train", {}).items():
        for part, schema in schemas.items():
            mine, other = (_class_names(_item(k) or k) for k in (kind, schema.get(column)))
            if mine is not None and other is not None:
                check_same_classes(mine, other, name, part)


def _test_part(tables: DatasetDict) -> str | None:
    """Name of the test split: "test" if it has labels (GLUE's has none), else "validation"."""
    for part in ("test", "validation"):
        kinds = tables[part].features if part in tables else {}
        labels = [column for column, kind in kinds.items() if isinstance(kind, ClassLabel)]
        if kinds and all(tables[part].unique(column) != [-1] for column in labels):
            return part
    return None


def _hold_out(table: Dataset, columns: Columns, modality: Modality, name: str) -> Tables:
    """Splits a table into four fifths and a fifth to test on, stratified as in `split`."""
    if modality == "tagging":
        names = _class_names(_item(table.features[columns[1]]))
        outside = names.index("O") if names and "O" in names else "O"
        strata = [int(any(tag != outside for tag in tags)) for tags in table[columns[1]][:]]
    else:
        label = _label_column(table, name)
        strata = _labels(table, label, f"split 'train' of data set '{name}'")
    rarest = min(Counter(strata).values(), default=0)
    if rarest < 2:
        raise AdaptAugError(
            "a data set needs a split 'test' or 'validation', or at least 2 rows of each class in "
            f"'train', of which a fifth is held out, got {rarest} in data set '{name}'"
        )
    generator = torch.Generator().manual_seed(0)  # no seed of an experiment may change the test
    order = stratified_order(torch.tensor(strata), generator).tolist()
    count = max(len(order) // 5, len(set(strata)))
    logger.warning(
        "data set '%s' has no split to test on: %d of its %d rows are held out for it",
        name, count, len(order),
    )  # fmt: skip
    parts = {"train": order[:-count], "test": order[-count:]}
    return {part: table.select(sorted(rows)) for part, rows in parts.items()}


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
) -> Decoded:
    """The images of a split, as EXIF turns them; see `decode`."""
    files: list[dict[str, Any] | None] = table.cast_column(column, ImageFeature(decode=False))[
        column
    ][:]

    def read(row: int) -> Image.Image:
        file = files[row] or {"bytes": None, "path": None}
        if file["bytes"] is None and file["path"] is None:
            raise OSError("the cell is empty")
        stored = file["path"] if file["bytes"] is None else io.BytesIO(file["bytes"])
        with Image.open(stored) as image:
            return upright(image)

    names = [file["path"] if file else None for file in files]
    return decode(read, len(files), place, like, options, names)


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
