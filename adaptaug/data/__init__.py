"""Data sets as tensors: loading, splitting, vocabularies, lexicons and word vectors."""

from typing import TYPE_CHECKING

from adaptaug.data.examples import Examples, Source, Split
from adaptaug.data.lexicon import Lexicon, load_lexicon, synonym_table
from adaptaug.data.vocabulary import IGNORED, MASK, PAD, UNKNOWN, Vocabulary, build_vocabulary
from adaptaug.utils.lazy import on_first_use

if TYPE_CHECKING:
    from adaptaug.data.from_user import from_dataset, from_tensors
    from adaptaug.data.loading import load, preload
    from adaptaug.data.splitting import split
    from adaptaug.data.text import from_tagged, from_texts
    from adaptaug.data.vectors import load_vectors

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

__getattr__ = on_first_use(
    __name__,
    {
        "from_dataset": "adaptaug.data.from_user",
        "from_tensors": "adaptaug.data.from_user",
        "load": "adaptaug.data.loading",
        "preload": "adaptaug.data.loading",
        "split": "adaptaug.data.splitting",
        "from_tagged": "adaptaug.data.text",
        "from_texts": "adaptaug.data.text",
        "load_vectors": "adaptaug.data.vectors",
    },
)
