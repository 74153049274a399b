"""What is read from a tokenizer, against what the tokenizer itself says of sentences."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models
from torch import Tensor, tensor

from adaptaug.data.tokenizer import TokenizerVocabulary, from_tokenizer, is_tokenizer, shifted
from adaptaug.errors import AdaptAugError

Of = Callable[[str], Tokenizer]
NAMES = ["bert", "roberta", "gpt2", "t5"]
TEXTS = ["the film was not unbelievable", "a great movie, fine", "good", "John don't play Paris"]


def _encoded(tokenizer: Tokenizer, texts: list[Any]) -> tuple[Tensor, Tensor, Tensor]:
    """Ids, attention mask and token types of a padded batch."""
    rows = tokenizer.encode_batch(texts)
    return (
        tensor([row.ids for row in rows]),
        tensor([row.attention_mask for row in rows]),
        tensor([row.type_ids for row in rows]),
    )


@pytest.mark.parametrize(
    ("name", "pad", "mask", "left", "fixed"),
    [
        ("bert", 0, 6, False, [0, 4, 5, 6]),  # [UNK], 3, stands for a word
        ("roberta", 1, 4, False, [0, 1, 2, 4]),
        ("gpt2", 0, None, True, [0]),
        ("t5", 0, 2, False, [0, 1]),  # <unk> hides words
    ],
)
def test_ids_and_side_are_the_tokenizers_own(
    tokenizer_of: Of, name: str, pad: int, mask: int | None, left: bool, fixed: list[int]
) -> None:
    read = from_tokenizer(tokenizer_of(name))
    assert (read.pad_id, read.mask_id, read.left_padded) == (pad, mask, left)
    assert (read.fixed.nonzero()[0][1:] - 1).tolist() == fixed
    assert len(read) == tokenizer_of(name).get_vocab_size()


@pytest.mark.parametrize("name", NAMES)
def test_tokens_continue_a_word_as_the_tokenizer_says(tokenizer_of: Of, name: str) -> None:
    """Its own pre-tokenizer splits into words; spaces and punctuation come before a new one."""
    tokenizer = tokenizer_of(name)
    read = from_tokenizer(tokenizer)
    for text in TEXTS:
        encoding = tokenizer.encode(text, add_special_tokens=False)
        for first, second in pairwise(range(len(encoding))):
            a, b = encoding.ids[first] + 1, encoding.ids[second] + 1
            (_, end), (start, _) = encoding.offsets[first], encoding.offsets[second]
            space_or_letter = text[end - 1].isspace() or text[end - 1].isalnum()
            together = end == start and space_or_letter and text[start].isalnum()
            assert (read.left[b] == read.right[a]) == together, (text, encoding.tokens, second)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("masked", [False, True])
def test_codes_give_back_ids_masks_and_types(tokenizer_of: Of, name: str, masked: bool) -> None:
    tokenizer = tokenizer_of(name)
    read = from_tokenizer(tokenizer)
    ids, attention, types = _encoded(tokenizer, [*TEXTS, ("good", "not bad"), (TEXTS[0], "a")])
    codes, start = read.codes(ids, attention if masked else None, types)
    assert torch.equal(codes > 0, attention.sort(dim=1, descending=True).values.bool())
    assert start.any() == read.left_padded
    back = read.ids(codes, tensor(read.left_padded))
    for given, returned in zip((ids, attention, types, start), back, strict=True):
        assert torch.equal(returned, given)


def test_codes_by_hand(tokenizer_of: Of) -> None:
    read = from_tokenizer(tokenizer_of("bert"))
    size = len(read)
    types = tensor([[0, 0, 1, 0]])
    codes, _ = read.codes(tensor([[4, 10, 5, 0]]), None, types)
    assert codes.tolist() == [[5, 11, 6 + size, 0]]


def test_end_of_text_is_a_token_where_the_mask_says_so(tokenizer_of: Of) -> None:
    read = from_tokenizer(tokenizer_of("gpt2"))  # pads with the end of the text, 0
    ids = tensor([[0, 0, 9, 8, 0], [7, 9, 8, 7, 0]])
    codes, _ = read.codes(ids, tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]]))
    assert codes.tolist() == [[10, 9, 1, 0, 0], [8, 10, 9, 8, 1]]
    codes, _ = read.codes(ids)  # without it, padding is on the tokenizer's side if on both
    assert codes.tolist() == [[10, 9, 1, 0, 0], [8, 10, 9, 8, 0]]


@pytest.mark.parametrize("name", NAMES)
def test_words_of_a_lexicon_have_the_codes_that_they_have_in_a_sentence(
    tokenizer_of: Of, name: str
) -> None:
    tokenizer = tokenizer_of(name)
    read = from_tokenizer(tokenizer)
    words = ["great", "unbelievable"]
    inside = tokenizer.encode("the great unbelievable", add_special_tokens=False)
    placed = list(zip(inside.ids, _spans(inside), strict=True))
    ids = [[number + 1 for number, word in placed if word == n] for n in (1, 2)]
    assert [list(pieces) for pieces in read.pieces(words)] == ids
    assert read.words[ids[0][0]] == "great"
    assert read.pieces(["two words"]) == [()]


def _spans(encoding: Any) -> list[int]:
    """The word of each token of "the great unbelievable": 0, 1 or 2."""
    return [(end > 3) + (end > 9) for _, end in encoding.offsets]


def test_words_at_the_beginning_of_a_text_have_a_form_after_a_space(tokenizer_of: Of) -> None:
    tokenizer = tokenizer_of("roberta")
    read = from_tokenizer(tokenizer)
    bare, spaced = (tokenizer.token_to_id(token) + 1 for token in ("great", "Ġgreat"))
    assert read.spaced[[bare, spaced]].tolist() == [spaced, spaced]
    assert read.words[bare] == ""


def test_chinese_characters_are_words() -> None:
    tokens = {"<pad>": 0, "▁我": 1, "爱": 2, "电": 3, "abc": 4, "▁": 5, "▁x": 6}
    read = from_tokenizer(Tokenizer(models.WordLevel(tokens, unk_token="<pad>")))
    for a, b in ((1, 2), (2, 3), (3, 4)):
        assert read.left[b + 1] != read.right[a + 1]
    assert read.left[5] == read.right[7]


@pytest.mark.parametrize("space", ["Ġ", "▁", " "])
def test_characters_are_words_between_spaces(space: str) -> None:
    """One token in 300 is the space; "a" and "b" make a word, with the space before it."""
    tokens = {token: n for n, token in enumerate(["[PAD]", space, "a", "b", ",", *_fillers()])}
    read = from_tokenizer(Tokenizer(models.WordLevel(tokens, unk_token="[PAD]")))
    gap, a, b, comma = range(2, 6)
    pairs = ((gap, a), (a, b), (b, a), (a, gap), (a, comma), (comma, a), (gap, gap))
    together = [bool(read.left[after] == read.right[before]) for before, after in pairs]
    assert together == [True, True, True, False, False, False, False]


def _fillers() -> list[str]:
    return [f"x{number}" for number in range(295)]


@pytest.mark.parametrize("tokens", [["good", "##x", *map(str, range(300))], ["good", "bad"]])
def test_vocabulary_without_marks_has_whole_words(tokens: list[str]) -> None:
    numbers = {token: number for number, token in enumerate(["[PAD]", *tokens])}
    read = from_tokenizer(Tokenizer(models.WordLevel(numbers, unk_token="[PAD]")))
    assert read.left[2] != read.right[3]
    assert read.words[2] == "good"


def test_tokenizer_without_padding_is_refused() -> None:
    made = Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))
    with pytest.raises(AdaptAugError, match="padding token, got none in Tokenizer"):
        from_tokenizer(made)


def test_tokenizers_of_transformers_are_read_alike(tokenizer_of: Of) -> None:
    transformers = pytest.importorskip("transformers")
    raw = tokenizer_of("bert")
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", mask_token="[MASK]", padding_side="left",
    )  # fmt: skip
    read, other = from_tokenizer(wrapped), from_tokenizer(raw)
    assert is_tokenizer(wrapped)
    assert is_tokenizer(raw)
    assert not is_tokenizer(["a", "list"])
    assert (read.left_padded, other.left_padded) == (True, False)
    for name in ("pad_id", "mask_id", "words"):
        assert getattr(read, name) == getattr(other, name)
    for name in ("fixed", "left", "right", "spaced"):
        assert getattr(read, name).tolist() == getattr(other, name).tolist()
    assert read.pieces(["unbelievable"]) == other.pieces(["unbelievable"])


def test_rows_move_by_their_own_number_of_places() -> None:
    values = tensor([[1, 2, 3], [4, 5, 6]])
    assert shifted(values, tensor([1, -2]), 0).tolist() == [[2, 3, 0], [0, 0, 4]]
    assert shifted(values[..., None], tensor([0, 1]), 9).tolist() == [
        [[1], [2], [3]],
        [[5], [6], [9]],
    ]


def test_vocabulary_in_lower_case_is_found(tokenizer_of: Of) -> None:
    read: dict[str, TokenizerVocabulary] = {n: from_tokenizer(tokenizer_of(n)) for n in NAMES}
    assert {name for name, each in read.items() if each.lowercase} == {"bert"}
