"""An op space on the sentences of a tokenizer: its ops act on whole words, special tokens stay."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Generator, Tensor
from torch.nn import functional

from adaptaug.data.examples import Examples
from adaptaug.data.lexicon import Lexicon
from adaptaug.data.tags import check_bio
from adaptaug.data.tokenizer import TokenizerVocabulary
from adaptaug.data.vocabulary import IGNORED, PAD, Vocabulary
from adaptaug.errors import AdaptAugError
from adaptaug.ops.lookup import TokenTables, synonyms_within, tag_tables
from adaptaug.ops.op_space import OpSpace
from adaptaug.ops.tokens import latest
from adaptaug.ops.words import Sentences, WordTables, word_tables
from adaptaug.utils.types import Modality

logger = logging.getLogger(__name__)

_MOST_WORDS = 2**40
"""Ids above those of known words."""


class WordOpSpace(OpSpace):
    """The ops of a space, applied to codes (see `adaptaug.data.tokenizer`) word by word.

    The ops get rows of words, padded with 0, without special tokens; see `adaptaug.ops.words`.
    """

    def __init__(self, op_space: OpSpace, tables: TokenTables, words: WordTables) -> None:
        """Makes the space of the same ops; `make_word_space` makes the tables, too."""
        super().__init__(op_space.ops)
        self.tables = tables
        self.words = words
        """Which tokens are words together."""

    def applies(
        self, modality: Modality, channels: int = 3, *, lexicon: bool = True
    ) -> tuple[bool, ...]:
        """Whether each op applies; `masking` does not without a token that hides words."""
        assert self.tables is not None
        masks = self.tables.mask >= 0
        found = super().applies(modality, channels, lexicon=lexicon)
        return tuple(
            fits and (masks or op.name != "masking")
            for fits, op in zip(found, self.ops, strict=True)
        )

    def apply(
        self,
        inputs: Tensor,
        targets: Tensor,
        magnitudes: Sequence[float],
        generator: Generator,
        num_classes: int | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Augments a batch of codes (B, L); see `OpSpace.apply` for all else."""
        tagged = targets.ndim == 2 and targets.dtype == torch.int64
        if not any(magnitudes) or inputs.numel() == 0 or (tagged and targets.shape != inputs.shape):
            return super().apply(inputs, targets, magnitudes, generator, num_classes)
        sentences = Sentences(inputs, targets if tagged else None, self.words)
        given = targets if sentences.tags is None else sentences.tags
        words, tags = super().apply(sentences.words, given, magnitudes, generator, num_classes)
        codes, new = sentences.joined(words, tags if tagged else None)
        return codes, targets if new is None else new


def make_word_space(
    op_space: OpSpace,
    vocabulary: TokenizerVocabulary,
    lexicon: Lexicon | None,
    train: Examples,
    classes: Sequence[str],
) -> WordOpSpace:
    """Binds ops to a tokenizer, on the device of the training examples.

    Args:
        op_space: the ops.
        vocabulary: of the tokenizer.
        lexicon: synonyms; None leaves out the ops that need them.
        train: in tagging, the codes and tags (N, L) from which ops take tokens and mentions. For
            sentences with one label it may be empty.
        classes: in tagging, the K tags in BIO form.

    Raises:
        AdaptAugError: an op generates sentences, which is for AdaptAug's own vocabularies; no word
            of the tokenizer has a synonym in the lexicon; or a tag is not in BIO form.
    """
    generated = [op.name for op in op_space.ops if op.fit is not None and "text" in op.modalities]
    if generated:
        raise AdaptAugError(
            "ops that generate sentences need a vocabulary of build_vocabulary, "
            f"got a tokenizer for {', '.join(generated)}"
        )
    if vocabulary.mask_id is None and "masking" in op_space.names:
        logger.warning("without a mask token or unknown token this op stays off: masking")
    tagged = train.modality == "tagging"
    words = _known_words(vocabulary, lexicon)
    tables, known = word_tables(vocabulary, words)
    tags = None
    if tagged:
        sentences = Sentences(train.inputs.cpu(), train.targets.cpu(), tables)
        tables, known = word_tables(vocabulary, [*words, *sentences.several()])
        sentences = Sentences(train.inputs.cpu(), train.targets.cpu(), tables)
        assert sentences.tags is not None
        check_words(sentences, classes, "train")
        tags = tag_tables(Examples(sentences.words, sentences.tags), classes)
        tables = replace(tables, further=_further(sentences, train.targets.cpu(), tags.continued))
    texts = (*vocabulary.words, *(words.get(word, "") for word in known), "")
    synonyms, counts = None, None
    if lexicon is not None:
        named = _Words(texts, vocabulary.lowercase)
        synonyms, counts = _synonyms(named, lexicon, tables)
    mask = -1 if vocabulary.mask_id is None else vocabulary.mask_id + 1
    token_tables = TokenTables(len(texts) + _MOST_WORDS, synonyms, counts, tags, mask)
    device = train.inputs.device
    return WordOpSpace(op_space, token_tables.to(device), tables.to(device))


def check_words(sentences: Sentences, classes: Sequence[str], place: str) -> None:
    """Refuses words whose tags are not in BIO form; an ignored one counts as outside of mentions.

    Raises:
        AdaptAugError: the first such tag.
    """
    assert sentences.tags is not None
    ignored = (sentences.words != PAD) & (sentences.tags == IGNORED)
    outside = classes.index("O") if "O" in classes else 0
    check_bio(sentences.tags.masked_fill(ignored, outside), classes, place)


class _Words(Vocabulary):
    """Words of a tokenizer, which may repeat and do not begin with the special ones."""

    def __post_init__(self) -> None:
        """Checks nothing."""


def _known_words(
    vocabulary: TokenizerVocabulary, lexicon: Lexicon | None
) -> dict[tuple[int, ...], str]:
    """The words of a lexicon by the codes of their tokens; without those that are no one word."""
    fold = str.lower if vocabulary.lowercase else str
    words = (word for lemma, found in (lexicon or {}).items() for word in (lemma, *found))
    texts = sorted({fold(word) for word in words})
    pairs = zip(vocabulary.pieces(texts), texts, strict=True)
    return {pieces: text for pieces, text in pairs if pieces}


def _synonyms(texts: Vocabulary, lexicon: Lexicon, tables: WordTables) -> tuple[Tensor, Tensor]:
    """The synonyms of each word that have no more tokens than it has, and their number."""
    synonyms, counts = synonyms_within(texts, lexicon)
    lengths = functional.pad(tables.lengths, (0, 1))
    fits = (synonyms > PAD) & (lengths[synonyms] <= lengths[:, None])
    first = (~fits).int().argsort(dim=1, stable=True)
    return synonyms.where(fits, PAD).gather(1, first), fits.sum(1).minimum(counts)


def _further(sentences: Sentences, tags: Tensor, continued: Tensor) -> Tensor:
    """The tag that most tokens have after a word's first one, by the tag of the first: (K,).

    Where training has no word of several tokens, it is `continued` if the others have tags at all.
    """
    size = len(continued)
    first = tags.gather(1, latest(sentences.heads))
    others = sentences.moves & ~sentences.heads & (first != IGNORED)
    pairs = first[others] * (size + 1) + tags[others].clamp(min=-1) + 1
    counts = pairs.bincount(minlength=size * (size + 1)).view(size, size + 1)
    most = counts.argmax(1) - 1
    most = most.where(most >= 0, IGNORED)
    others_have_tags = counts[:, 1:].sum() > counts[:, 0].sum()
    default = continued.where(others_have_tags, IGNORED)
    return most.where(counts.sum(1) > 0, default)
