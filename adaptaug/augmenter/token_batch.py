"""A user's batch of a tokenizer, ids alone or a dict of ids and masks, as codes and back."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from adaptaug.augmenter.batch_check import as_tensor
from adaptaug.data.tokenizer import TokenizerVocabulary, shifted
from adaptaug.data.vocabulary import IGNORED, PAD
from adaptaug.errors import AdaptAugError

TOKEN_KEYS = ("input_ids", "attention_mask", "token_type_ids")
"""What a batch may say of each token; the names that models of `transformers` take."""
LABEL_KEYS = ("labels", "label")
"""Where the labels stand in a batch that holds them."""


class TokenBatch:
    """One batch of a tokenizer: its codes, and how it was given."""

    def __init__(
        self, inputs: Any, targets: Any, vocabulary: TokenizerVocabulary, place: str, *, read: bool
    ) -> None:
        """Converts a batch.

        Args:
            inputs: ids (B, L), or a mapping with `input_ids` and, if the model takes them, the
                other `TOKEN_KEYS`.
            targets: labels, or tags (B, L); None if they stand in the mapping.
            vocabulary: of the tokenizer.
            place: where the batch is, for error messages.
            read: whether values are checked, for which a GPU is synchronised.

        Raises:
            AdaptAugError: ids or labels are missing or no tensors, shapes differ, or another entry
                has a value for each token. If `read`: ids lie outside the vocabulary, or a row has
                no token, or padding on both sides or between tokens.
        """
        self.mapped = isinstance(inputs, Mapping)
        """Whether the inputs are a mapping."""
        self._fields = dict(inputs) if self.mapped else {"input_ids": inputs}
        self._label = label_key(self._fields, place) if targets is None else None
        targets = targets if self._label is None else self._fields[self._label]
        self.targets = as_tensor(targets, "targets", place)
        """The labels, or the tags of the codes."""
        self.keys = tuple(key for key in TOKEN_KEYS if key in self._fields)
        """Which of `TOKEN_KEYS` are given."""
        self._vocabulary = vocabulary
        ids, attention, types = self._parts(place)
        if read:
            _check_ids(ids, len(vocabulary), place)
        self.codes, self._start = vocabulary.codes(ids, attention, types)
        """int64 (B, L)."""
        if read:
            _check_padding(self.codes, self._start, place)
        before = self._start > 0
        after = self._start + (self.codes != PAD).sum(1) < self.codes.shape[1]
        # A row without padding gets it where the other rows of the batch have theirs.
        self._left = before | ~after & (before.any() | ~after.any() & vocabulary.left_padded)
        if not self.targets.is_floating_point():
            self.targets = self.targets.long()
        self._tagged = self.targets.shape == ids.shape and self.targets.dtype == torch.int64
        if self._tagged:
            self.targets = shifted(self.targets, self._start, IGNORED)

    def given(self, codes: Tensor, targets: Tensor) -> Any:
        """Augmented codes and targets in the form of the batch: a pair, or one dict."""
        *parts, start = self._vocabulary.ids(codes, self._left)
        if self._tagged:
            targets = shifted(targets, -start, IGNORED)
        if not self.mapped:
            return parts[0], targets
        new = dict(zip(TOKEN_KEYS, parts, strict=True))
        fields = self._fields | {key: new[key].to(self._fields[key].dtype) for key in self.keys}
        return (fields, targets) if self._label is None else fields | {self._label: targets}

    def _parts(self, place: str) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Ids, attention mask and token types, int64; None for those that are not given."""
        if "input_ids" not in self._fields:
            given = ", ".join(map(str, self._fields))
            raise AdaptAugError(f"a batch must hold 'input_ids', got {given} in {place}")
        parts = {key: as_tensor(self._fields[key], key, place) for key in self.keys}
        ids = parts["input_ids"]
        for key, part in parts.items():
            if part.ndim != 2 or part.shape != ids.shape or part.device != ids.device:
                raise AdaptAugError(
                    f"{key} must have shape (B, L) and device of input_ids, "
                    f"got {tuple(part.shape)} on {part.device} in {place}"
                )
        if ids.is_floating_point():
            raise AdaptAugError(f"input_ids must be integers, got {ids.dtype} in {place}")
        for key in self._fields.keys() - {*TOKEN_KEYS, self._label}:
            if getattr(self._fields[key], "shape", ())[:2] == ids.shape:
                raise AdaptAugError(
                    f"what a batch says of each token must be {', '.join(TOKEN_KEYS)}, "
                    f"got {key!r} in {place}: leave it out"
                )
        attention, types = (parts.get(key) for key in TOKEN_KEYS[1:])
        return ids.long(), attention, None if types is None else types.long()


def label_key(fields: Mapping[str, Any], place: str) -> str:
    """The name of the labels in a batch.

    Raises:
        AdaptAugError: there are none.
    """
    found = next((key for key in LABEL_KEYS if key in fields), None)
    if found is None:
        raise AdaptAugError(
            "labels must be given beside the ids, or in the batch as 'labels', "
            f"got {', '.join(map(str, fields))} in {place}"
        )
    return found


def _check_ids(ids: Tensor, size: int, place: str) -> None:
    """Refuses ids (B, L) outside the tokenizer's vocabulary of V ids."""
    wrong = ((ids < 0) | (ids >= size)).nonzero()
    if len(wrong):
        row, token = wrong[0].tolist()
        raise AdaptAugError(
            f"ids must lie in 0..{size - 1}, the tokenizer's vocabulary, "
            f"got {int(ids[row, token])} in row {row}, token {token} of {place}"
        )


def _check_padding(codes: Tensor, start: Tensor, place: str) -> None:
    """Refuses rows without a token, and padding on both sides of a row or between its tokens."""
    padding = codes == PAD
    between = (padding[:, :-1] & ~padding[:, 1:]).any(1)
    both = (start > 0) & (start + (~padding).sum(1) < codes.shape[1])
    for rule, wrong in (
        ("a sentence needs at least one token, got none in", padding.all(1)),
        ("padding must stand on one side of a sentence only, got", between | both),
    ):
        if wrong.any():
            raise AdaptAugError(f"{rule} row {int(wrong.nonzero()[0])} of {place}")
