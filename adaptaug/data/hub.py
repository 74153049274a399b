"""Hub ids and local folders through `datasets.load_dataset`.

Columns are found by their feature type, so that code which works on a hub id works on a folder.
Only image data sets are read so far.
"""

import io
import logging
from pathlib import Path
from typing import Any

import torch
from datasets import ClassLabel, Dataset, DatasetDict, load_dataset
from datasets import Image as ImageFeature
from datasets.exceptions import DatasetNotFoundError
from PIL import Image
from torch import Tensor

from adaptaug.data.examples import Examples, Source, make_source
from adaptaug.data.images import Layout, decode
from adaptaug.errors import AdaptAugError

logger = logging.getLogger(__name__)


def load_hub(name: str) -> Source:
    """Load and decode an image data set.

    Args:
        name: a folder that `datasets.load_dataset` can read, or a hub id. The pool is its split
            "train"; the test split is "test", or "validation" where there is none.

    Raises:
        AdaptAugError: no such folder, a hub id that is unknown or cannot be reached, a missing
            split or column, or images or labels that `make_source` or `decode` refuse.
    """
    tables = _open(name)
    test = "test" if "test" in tables else "validation"
    for part in ("train", test):
        if part not in tables:
            raise AdaptAugError(
                "a data set needs a split 'train' and a split 'test' or 'validation', "
                f"got {', '.join(sorted(tables))} in data set '{name}'"
            )
    image, label = _image_column(tables["train"], name), _label_column(tables["train"], name)
    layout: Layout | None = None
    parts: list[Examples] = []
    for part in ("train", test):
        place = f"split '{part}' of data set '{name}'"
        inputs, layout = _inputs(tables[part], image, place, layout)
        parts.append(Examples(inputs, _targets(tables[part], label, place)))
    feature = tables["train"].features[label]
    classes = feature.names if isinstance(feature, ClassLabel) else None
    return make_source(name, parts[0], parts[1], classes)


def _open(name: str) -> DatasetDict:
    """The splits of a folder or hub id, with the library's many errors as one sentence each."""
    path = Path(name).expanduser()
    is_local = path.is_dir()
    if not is_local and (name.startswith(("/", ".", "~")) or name.count("/") > 1 or path.exists()):
        raise AdaptAugError(f"a data set's path must be an existing folder, got '{name}'")
    try:
        return load_dataset(str(path) if is_local else name)
    except Exception as error:
        reason = " ".join(str(error).split())
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
        raise AdaptAugError(f"{sentence} ({type(error).__name__}: {reason})") from error


def _image_column(table: Dataset, name: str) -> str:
    """The column of images: by feature type, `image` or `img` first if there are several."""
    found = [column for column, kind in table.features.items() if isinstance(kind, ImageFeature)]
    if not found:
        raise AdaptAugError(
            "a data set needs an image column (text is not supported yet), "
            f"got columns {', '.join(table.column_names)} in data set '{name}'"
        )
    return next((column for column in ("image", "img") if column in found), found[0])


def _label_column(table: Dataset, name: str) -> str:
    """The column of labels: a ClassLabel, else an integer column called `label`."""
    found = [column for column, kind in table.features.items() if isinstance(kind, ClassLabel)]
    plain = table.features.get("label")
    if not found and "int" in str(getattr(plain, "dtype", "")):
        found = ["label"]
    if not found:
        raise AdaptAugError(
            "a data set needs a ClassLabel column or an integer column 'label', "
            f"got columns {', '.join(table.column_names)} in data set '{name}'"
        )
    column = "label" if "label" in found else found[0]
    if len(found) > 1:
        logger.warning("data set '%s': '%s' is the label, of %s", name, column, ", ".join(found))
    return column


def _inputs(table: Dataset, column: str, place: str, like: Layout | None) -> tuple[Tensor, Layout]:
    """The images of a split, uint8 (N, C, H, W); see `decode`."""
    files: list[dict[str, Any] | None] = table.cast_column(column, ImageFeature(decode=False))[
        column
    ][:]

    def read(row: int) -> Image.Image:
        file = files[row] or {"bytes": None, "path": None}
        if file["bytes"] is None and file["path"] is None:
            raise OSError("the cell is empty")
        return Image.open(file["path"] if file["bytes"] is None else io.BytesIO(file["bytes"]))

    return decode(read, len(files), place, like)


def _targets(table: Dataset, column: str, place: str) -> Tensor:
    """The labels of a split, int64 (N,)."""
    labels: list[int | None] = table[column][:]
    if None in labels:
        raise AdaptAugError(
            f"every row needs a label, got none in row {labels.index(None)} of {place}"
        )
    return torch.tensor(labels, dtype=torch.int64)
