"""Data sets as tensors: where they come from and how they are split."""

from adaptaug.data.examples import Examples, Source, Split
from adaptaug.data.own import from_dataset, from_tensors
from adaptaug.data.sources import load, preload
from adaptaug.data.splitting import split

__all__ = [
    "Examples",
    "Source",
    "Split",
    "from_dataset",
    "from_tensors",
    "load",
    "preload",
    "split",
]
