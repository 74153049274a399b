"""The kinds of data that AdaptAug augments: the one place with their names."""

from typing import Literal

Modality = Literal["image", "text", "tagging"]
"""Images with one label each, sentences with one label each, sentences with one tag per token."""
