"""Data sets written to a folder, for tests that read them by name."""

from pathlib import Path
from typing import Any

import datasets
from datasets import ClassLabel, Features
from datasets import Image as ImageFeature
from PIL import Image

NER = ClassLabel(names=["O", "B-X", "I-X"])


def write(
    folder: Path,
    images: list[Any],
    labels: list[Any],
    kind: Any = None,
    column: str = "image",
    label: str = "label",
    part: str = "train",
) -> None:
    """Write one split of an image data set as a parquet file."""
    folder.mkdir(exist_ok=True)
    features = Features({column: ImageFeature(), label: kind or ClassLabel(names=["cat", "dog"])})
    table = datasets.Dataset.from_dict({column: images, label: labels}, features=features)
    table.to_parquet(str(folder / f"{part}.parquet"))


def picture(value: int = 0, mode: str = "L", size: tuple[int, int] = (3, 2)) -> Image.Image:
    return Image.new(mode, size, value)


def write_columns(folder: Path, features: dict[str, Any] | None = None, **parts: Any) -> str:
    """Write splits, each a dictionary of columns, as parquet files; the name to load them by."""
    for part, columns in parts.items():
        kinds = Features(features) if features else None
        table = datasets.Dataset.from_dict(columns, features=kinds)
        table.to_parquet(str(folder / f"{part}.parquet"))
    return str(folder)
