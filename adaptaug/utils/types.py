"""The names of the kinds of data that AdaptAug augments."""

from typing import Literal

Modality = Literal["image", "text", "tagging"]
"""Images with one label each, sentences with one label each, or sentences with a tag per token."""
