"""BERT as a child for sentences (Devlin et al. 2019): pretrained, or small with random weights.

Ops act on the ids of words, but BERT reads word pieces. A table that is made once holds the pieces
of every word, so that an augmented sentence becomes BERT's input in a few tensor operations.

Sentences are split into words in lower case (see `adaptaug.data.vocabulary`) and words into pieces.
The tokenizer of an uncased BERT gives the same pieces, with two exceptions. It splits "don't" into
"don", "'", "t"; here the pieces are "do", "n", "'", "t". And words outside the vocabulary are [UNK]
here; a larger vocabulary, such as that of "imdb?words=30000", has fewer of them.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from adaptaug.data.vocabulary import MASK, PAD, SPECIALS, UNKNOWN, Vocabulary, padded
from adaptaug.errors import AdaptAugError
from adaptaug.utils.hub import check_tokenizer, loading, model_folder
from adaptaug.utils.optional import needs

MAX_LENGTH = 512
"""Maximum number of pieces per sentence, [CLS] and [SEP] included, for a BERT with random weights,
as in the paper; the tail is cut. The number of words is limited by `Task.max_tokens`."""
MAX_PIECES = 8
"""Maximum number of pieces kept per word."""

_NEW = ("classifier.", "bert.pooler.")
"""Prefixes of the weights that a pretrained model may lack; they are drawn at random."""


@dataclass(frozen=True, eq=False)
class Pieces:
    """The word pieces of every word."""

    table: Tensor
    """int64 (V, P): the pieces of each word, padded on the right; `PAD` has none."""
    counts: Tensor
    """int64 (V,): number of pieces of each word."""
    first: int
    """Id of [CLS], which opens a sentence."""
    last: int
    """Id of [SEP], which closes it."""
    padding: int
    """Id of [PAD]."""

    @classmethod
    def of(cls, rows: list[list[int]], first: int, last: int, padding: int) -> "Pieces":
        """Makes the table from the lists of pieces of V words."""
        counts = torch.tensor([len(row) for row in rows])
        return cls(padded(rows, padding), counts, first, last, padding)


class Bert(nn.Module):
    """`BertForSequenceClassification` on ids of words."""

    ignores_padding = True
    """A sentence's logits do not depend on the padding after it, except for rounding."""

    pieces: Tensor
    counts: Tensor

    def __init__(self, model: nn.Module, pieces: Pieces, length: int = MAX_LENGTH) -> None:
        """Wraps a classifier of `transformers`.

        Args:
            model: maps `input_ids` and `attention_mask`, int64 (B, T), to `logits` (B, K).
            pieces: word pieces of the V words.
            length: maximum number of pieces per sentence that the model reads, at least 3.
        """
        super().__init__()
        self.model, self.length = model, length
        self.register_buffer("pieces", pieces.table, persistent=False)
        self.register_buffer("counts", pieces.counts, persistent=False)
        self._ends = pieces.first, pieces.last, pieces.padding

    def forward(self, ids: Tensor) -> Tensor:
        """Maps ids (B, L), padded on the right with 0, to logits (B, K)."""
        packed, real = self.packed(ids)
        logits: Tensor = self.model(input_ids=packed, attention_mask=real).logits
        return logits

    def packed(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """The model's input for ids (B, L).

        Reads the longest sentence's length T from the device: waiting for it takes far less time
        than running the model on needless padding.

        Returns:
            Pieces with [CLS], [SEP] and padding, int64 (B, T); and the attention mask, int64
            (B, T), 0 at padding.
        """
        first, last, padding = self._ends
        counts, room = self.counts[ids], self.length - 2
        ends = counts.cumsum(1)
        totals = ends[:, -1:].clamp_max(room)
        longest = int(totals.max())
        within = torch.arange(self.pieces.shape[1], device=ids.device)
        places = (ends - counts + 1)[..., None] + within  # (B, L, P)
        fits = (within < counts[..., None]) & (places <= room)
        nowhere = longest + 2  # an extra column, which receives the pieces to drop
        packed = torch.full((len(ids), nowhere + 1), padding, device=ids.device)
        packed.scatter_(1, places.where(fits, nowhere).flatten(1), self.pieces[ids].flatten(1))
        packed[:, 0] = first
        packed.scatter_(1, totals + 1, last)
        real = torch.arange(nowhere, device=ids.device) <= totals + 1
        return packed[:, :nowhere], real.long()


def small_bert(vocabulary_size: int, num_classes: int, width: int) -> Bert:
    """A BERT of two layers with random weights and one piece per word.

    Its hidden size is 2 `width`, in heads of 64 units if 64 divides it, else in one head. At width
    64 it is BERT-Tiny (Turc et al. 2019).

    Raises:
        AdaptAugError: the package transformers is missing.
    """
    from_library = _transformers()
    hidden, first = 2 * width, vocabulary_size
    config = from_library.BertConfig(
        vocab_size=vocabulary_size + 2,
        hidden_size=hidden,
        num_hidden_layers=2,
        num_attention_heads=max(1, hidden // 64) if hidden % 64 == 0 else 1,
        intermediate_size=4 * hidden,
        max_position_embeddings=MAX_LENGTH,
        num_labels=num_classes,
        pad_token_id=PAD,
    )
    rows = [[] if word == PAD else [word] for word in range(vocabulary_size)]
    model = from_library.BertForSequenceClassification(config)
    return Bert(model, Pieces.of(rows, first, first + 1, PAD))


def pretrained_bert(name: str, vocabulary: Vocabulary, num_classes: int) -> Bert:
    """A BERT with the weights of a hub id or folder; a classifier that does not fit is drawn anew.

    Args:
        name: a hub id, or a folder into which `save_pretrained` wrote model and tokenizer.
        vocabulary: the vocabulary of the ids.
        num_classes: number of classes K.

    Raises:
        AdaptAugError: the package transformers is missing, or `name` is not a BERT model with its
            tokenizer.
    """
    library, folder = _transformers(), model_folder(name)
    with loading("BERT model", name):
        pieces = _pieces(folder, vocabulary)
        model, report = library.BertForSequenceClassification.from_pretrained(
            folder,
            num_labels=num_classes,
            ignore_mismatched_sizes=True,  # of the classifier, for another number of classes
            use_safetensors=True,
            dtype=torch.float32,
            local_files_only=True,
            output_loading_info=True,
        )
    drawn = [*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])]
    drawn = sorted(key for key in drawn if not key.startswith(_NEW))
    config = model.config
    if drawn:
        raise AdaptAugError(
            f"a pretrained model must hold all of BERT's weights, got '{name}' without '{drawn[0]}'"
        )
    if int(pieces.table.max()) >= config.vocab_size:
        raise AdaptAugError(
            f"a tokenizer's pieces must be among the model's {config.vocab_size}, "
            f"got {int(pieces.table.max())} in '{name}'"
        )
    return Bert(model, pieces, config.max_position_embeddings)


@cache
def _pieces(folder: Path, vocabulary: Vocabulary) -> Pieces:
    """The pieces of the words, from the folder's tokenizer; made once per process."""
    check_tokenizer("BERT model", folder, "vocab.txt")
    tokenizer: Any = _transformers().AutoTokenizer.from_pretrained(folder, local_files_only=True)
    names = ("cls_token_id", "sep_token_id", "pad_token_id", "unk_token_id", "mask_token_id")
    first, last, padding, unknown, mask = ids = [getattr(tokenizer, name) for name in names]
    if None in ids:
        raise AdaptAugError(
            f"a BERT tokenizer must have {', '.join(names)}, got none for "
            f"{names[ids.index(None)]} in '{folder}'"
        )
    words = list(vocabulary.words[len(SPECIALS) :])
    cut = tokenizer(words, add_special_tokens=False)["input_ids"] if words else []
    rows = [[], [], [], *(row[:MAX_PIECES] or [unknown] for row in cut)]
    rows[UNKNOWN], rows[MASK] = [unknown], [mask]
    return Pieces.of(rows, first, last, padding)


def _transformers() -> Any:
    with needs("transformers", "child 'bert'"):
        import transformers
    return transformers
