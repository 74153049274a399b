"""Data sets as tensors: where they come from and how they are split."""

from adaptaug.data.examples import Examples, Source, Split
from adaptaug.data.lexicon import Lexicon, load_lexicon, synonym_table
from adaptaug.data.own import from_dataset, from_tensors
from adaptaug.data.sources import load, preload
from adaptaug.data.splitting import split
from adaptaug.data.text import from_tagged, from_texts
from adaptaug.data.vectors import load_vectors
from adaptaug.data.vocabulary import IGNORED, MASK, PAD, UNKNOWN, Vocabulary, build_vocabulary

__all__ = [
    "IGNORED",
    "MASK",
    "PAD",
    "UNKNOWN",
    "Examples",
    "Lexicon",
    "Source",
    "Split",
    "Vocabulary",
    "build_vocabulary",
    "from_dataset",
    "from_tagged",
    "from_tensors",
    "from_texts",
    "load",
    "load_lexicon",
    "load_vectors",
    "preload",
    "split",
    "synonym_table",
]
