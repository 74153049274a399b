"""What an `Augmenter` does differently with a tokenizer: batches, examples, and the model's call.

Inside, sentences are rows of codes, padded on the right with 0; see `adaptaug.data.tokenizer`. What
is returned has the form, the keys and the padding of what was given.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from adaptaug.augmenter.batch_check import BatchCheck
from adaptaug.augmenter.token_batch import TOKEN_KEYS, TokenBatch, label_key
from adaptaug.data.batches import joined
from adaptaug.data.examples import Examples, check_labels
from adaptaug.data.tokenizer import from_tokenizer, is_tokenizer
from adaptaug.data.vocabulary import IGNORED, padded
from adaptaug.errors import AdaptAugError
from adaptaug.ops.word_space import check_words
from adaptaug.ops.words import Sentences, WordTables


class Encodings:
    """Between codes and the batches of a user with a tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        """Reads the tokenizer.

        Raises:
            AdaptAugError: it has no padding token.
        """
        self.vocabulary = from_tokenizer(tokenizer)
        """The tokenizer's."""
        self._keys: tuple[str, ...] = ()  # what the model takes by name; none if ids alone

    def batch(self, inputs: Any, targets: Any, place: str, *, read: bool = True) -> TokenBatch:
        """A batch of the user's, see `TokenBatch`; the model is called with its keys from now."""
        batch = TokenBatch(inputs, targets, self.vocabulary, place, read=read)
        self._keys = batch.keys if batch.mapped else ()
        return batch

    def examples(self, data: Any, place: str) -> Examples:
        """A user's examples as codes; ignored labels are left out.

        Args:
            data: (ids, labels), (mapping, labels), a mapping with labels, a map-style data set of
                such rows, a DataLoader of such batches, or Examples of ids.
            place: name of the argument, for error messages.

        Raises:
            AdaptAugError: as `TokenBatch`, or there is no example.
        """
        pairs = _batches(data, self.vocabulary.pad_id, place)
        found = [self.batch(inputs, targets, place) for inputs, targets in pairs]
        if not sum(len(each.codes) for each in found):
            raise AdaptAugError(f"at least one example is needed, got 0 in {place}")
        examples = reduce(joined, (Examples(each.codes, each.targets) for each in found))
        known = examples.targets != IGNORED
        return examples if known.ndim > 1 or not known.any() else examples[known]

    def call(self, model: nn.Module, codes: Tensor) -> tuple[Any, Tensor]:
        """Calls a model with the tokens of codes, as the user's loop calls it.

        Returns:
            The output, and by how many positions each of its rows is too far to the right, (B,).

        Raises:
            AdaptAugError: the model does not take the keys of the user's batches by name.
        """
        left = torch.tensor(self.vocabulary.left_padded, device=codes.device)
        *parts, start = self.vocabulary.ids(codes, left)
        if not self._keys:
            return model(parts[0]), start
        named = dict(zip(TOKEN_KEYS, parts, strict=True))
        named = {key: named[key] for key in self._keys}
        try:
            inspect.signature(model.forward).bind(**named)
        except TypeError as error:
            raise AdaptAugError(
                f"the model must take {', '.join(named)} by name, as those of transformers do, "
                f"got {type(model).__name__}.forward: {error}"
            ) from error
        return model(**named), start


@dataclass(frozen=True)
class CodeCheck(BatchCheck):
    """Checks batches of codes, whose ids `TokenBatch` has checked."""

    words: WordTables
    """Which tokens are words together; words, not tokens, have tags in BIO form."""

    def _check_values(self, inputs: Tensor, targets: Tensor, place: str) -> None:
        """Checks labels or tags."""
        check_labels(targets.where(targets != IGNORED, 0), self.num_classes, place)
        if self.modality == "tagging":
            check_words(Sentences(inputs, targets.long(), self.words), self.classes, place)


def encodings(vocabulary: Any) -> Encodings | None:
    """The encodings of a user's tokenizer; None if `vocabulary` is none."""
    return Encodings(vocabulary) if is_tokenizer(vocabulary) else None


def _batches(data: Any, pad: int, place: str) -> Iterator[tuple[Any, Any]]:
    """A user's examples as batches: inputs, and targets or None if they stand in the inputs."""
    if isinstance(data, Examples):
        yield data.inputs, data.targets
    elif isinstance(data, Mapping):
        yield data, None
    elif isinstance(data, tuple | list) and len(data) == 2:
        yield data[0], data[1]
    elif isinstance(data, DataLoader):
        with torch.random.fork_rng([]):
            for batch in data:
                yield from _batches(batch, pad, place)
    elif hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        yield from _collated([data[row] for row in range(len(data))], pad, place)
    else:
        raise AdaptAugError(
            f"{place} must be (inputs, labels), a mapping with labels, a Dataset or a DataLoader, "
            f"got {type(data).__name__}"
        )


def _collated(rows: Sequence[Any], pad: int, place: str) -> Iterator[tuple[Any, Any]]:
    """The rows of a data set as one batch, padded on the right; nothing for no rows."""
    if not rows:
        return
    pairs = [
        (row, row[label_key(row, place)]) if isinstance(row, Mapping) else tuple(row)
        for row in rows
    ]
    labels = [_plain(label) for _, label in pairs]
    targets = padded(labels, IGNORED) if isinstance(labels[0], list) else torch.tensor(labels)
    if not isinstance(pairs[0][0], Mapping):
        yield padded([_plain(ids) for ids, _ in pairs], pad), targets
        return
    columns = {
        key: padded([_plain(inputs[key]) for inputs, _ in pairs], pad if key == "input_ids" else 0)
        for key in TOKEN_KEYS
        if key in pairs[0][0]
    }
    yield columns, targets


def _plain(values: Any) -> Any:
    """A tensor, array or list of numbers as a list; a number as it is."""
    return torch.as_tensor(values).tolist()
