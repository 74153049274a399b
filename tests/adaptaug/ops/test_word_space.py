"""Every op for sentences on the ids of small tokenizers: words are whole, special tokens stay."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from torch import Generator, Tensor, tensor

from adaptaug.data.examples import Examples
from adaptaug.data.tokenizer import TokenizerVocabulary, from_tokenizer
from adaptaug.errors import AdaptAugError
from adaptaug.ops import EDA, TAGGING_OPS, TEXT_OPS, Op, OpSpace
from adaptaug.ops.word_space import WordOpSpace, make_word_space

Of = Callable[[str], Tokenizer]
NAMES = ["bert", "roberta", "gpt2", "t5"]
TEXTS: list[Any] = [
    "the film was not unbelievable, great",
    ("a great unbelievable movie was playing", "not bad"),
    "good",
    ("bad", "the film was playing"),
] * 50
LEXICON = {"great": ("good", "fine", "unbelievable"), "unbelievable": ("great",), "bad": ("a",)}
CLASSES = ("O", "B-PER", "I-PER")
EMPTY = Examples(torch.zeros(0, 1, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))


def _codes(tokenizer: Tokenizer, texts: Sequence[Any]) -> Tensor:
    rows = tokenizer.encode_batch(list(texts))
    fields = ("ids", "attention_mask", "type_ids")
    values = (tensor([getattr(row, name) for row in rows]) for name in fields)
    return from_tokenizer(tokenizer).codes(*values)[0]


def _space(tokenizer: Tokenizer, ops: Sequence[str | Op], lexicon: Any = None) -> WordOpSpace:
    return make_word_space(OpSpace(ops), from_tokenizer(tokenizer), lexicon, EMPTY, ())


def _applied(space: OpSpace, codes: Tensor, magnitude: float = 1.0, seed: int = 0) -> Tensor:
    labels, generator = torch.arange(len(codes)), Generator().manual_seed(seed)
    result, targets = space.apply(codes, labels, [magnitude] * len(space), generator)
    assert targets is labels
    return result


def _runs(read: TokenizerVocabulary, row: Tensor) -> tuple[list[int], list[list[tuple[int, ...]]]]:
    """The special tokens of a row, and the words between them, found one token after the other."""
    special: list[int] = []
    runs: list[list[tuple[int, ...]]] = [[]]
    last, last_type = None, 0
    for code in row[row > 0].tolist():
        kind, plain = divmod(code - 1, len(read))
        plain += 1
        if read.fixed[plain] and plain - 1 != read.mask_id:
            special.append(code)
            runs.append([])
            last = None
            continue
        if kind != last_type:
            runs.append([])
            last = None
        if last is not None and read.left[plain] == read.right[last]:
            runs[-1][-1] = (*runs[-1][-1], code)
        else:
            runs[-1].append((code,))
        last, last_type = plain, kind
    return special, runs


@pytest.mark.parametrize("op", [*TEXT_OPS, EDA], ids=lambda op: op.name)
@pytest.mark.parametrize("name", NAMES)
def test_special_tokens_stay_and_padding_is_on_the_right(
    tokenizer_of: Of, name: str, op: Op
) -> None:
    tokenizer = tokenizer_of(name)
    read, codes = from_tokenizer(tokenizer), _codes(tokenizer, TEXTS)
    space = _space(tokenizer, [op], LEXICON)
    result = _applied(space, codes)
    assert result.shape == codes.shape
    assert result.dtype == torch.int64
    assert not ((result == 0)[:, :-1] & (result > 0)[:, 1:]).any()
    assert bool(torch.equal(result, codes)) != space.applies("text")[0]
    for row, before in enumerate(codes):
        special, runs = _runs(read, result[row])
        given, old = _runs(read, before)
        assert special == given
        assert [bool(run) for run in runs] == [bool(run) for run in old]  # none is emptied


@pytest.mark.parametrize("name", NAMES)
def test_words_are_swapped_whole_and_within_their_run(tokenizer_of: Of, name: str) -> None:
    tokenizer = tokenizer_of(name)
    read, codes = from_tokenizer(tokenizer), _codes(tokenizer, TEXTS)
    spaced = {int(read.spaced[n]): n for n in range(len(read.spaced)) if read.spaced[n] != n}

    def plain(runs: list[list[tuple[int, ...]]]) -> list[list[tuple[int, ...]]]:
        """Words without regard to a space before them, of each run in alphabetical order."""
        heads = {code: (code - 1) % len(read) + 1 for run in runs for code, *_ in run}
        bare = {code: spaced.get(plain, plain) for code, plain in heads.items()}
        return [sorted((bare[word[0]], *word[1:]) for word in run) for run in runs]

    result = _applied(_space(tokenizer, ["swap"]), codes)
    for row, before in zip(result, codes, strict=True):
        assert plain(_runs(read, row)[1]) == plain(_runs(read, before)[1])


@pytest.mark.parametrize("name", ["bert", "roberta", "t5"])
def test_words_are_masked_whole_by_the_tokenizers_mask(tokenizer_of: Of, name: str) -> None:
    tokenizer = tokenizer_of(name)
    read = from_tokenizer(tokenizer)
    codes = _codes(tokenizer, ["the unbelievable film"] * 400)
    result = _applied(_space(tokenizer, ["masking"]), codes)
    assert read.mask_id is not None
    mask, rows = read.mask_id + 1, {tuple(row[row > 0].tolist()) for row in result}
    start, words = _runs(read, codes[0])
    first, last = [start[:-1], start[-1:]]
    known = [[(mask,), word] for word in words[-2]]
    assert rows == {
        (*first, *a, *b, *c, *last) for a in known[0] for b in known[1] for c in known[2]
    }
    share = (result == mask).sum(1).float().mean() / 3
    assert share.item() == pytest.approx(0.4, abs=0.05)


def test_masking_stays_off_without_a_token_for_it(
    tokenizer_of: Of, caplog: pytest.LogCaptureFixture
) -> None:
    tokenizer = tokenizer_of("gpt2")
    space = _space(tokenizer, ["masking", "deletion"])
    assert space.applies("text") == (False, True)
    assert "without a mask token or unknown token this op stays off: masking" in caplog.text


@pytest.mark.parametrize("name", NAMES)
def test_synonyms_of_several_tokens_replace_and_are_replaced(tokenizer_of: Of, name: str) -> None:
    tokenizer = tokenizer_of(name)
    texts = ["the unbelievable film", "the great film", "the good film", "the fine film"]
    rows = {tuple(row[row > 0].tolist()): n for n, row in enumerate(_codes(tokenizer, texts))}
    space = _space(tokenizer, ["synonym"], LEXICON | {"fine": ("no word",), "the": ("a",)})
    found = []
    for text in texts:
        result = _applied(space, _codes(tokenizer, [text] * 300))
        found.append({rows.get(tuple(row[row > 0].tolist())) for row in result})
    # "unbelievable" has more tokens than "great", so that it does not replace it.
    assert found == [{0, 1}, {1, 2, 3}, {2}, {3}]


@pytest.mark.parametrize("name", NAMES)
def test_contract_of_draws_and_of_magnitude_zero(tokenizer_of: Of, name: str) -> None:
    tokenizer = tokenizer_of(name)
    codes, kept = _codes(tokenizer, TEXTS), _codes(tokenizer, TEXTS)
    state = torch.get_rng_state()
    for op in [*TEXT_OPS, EDA]:
        space = _space(tokenizer, [op], LEXICON)
        assert _applied(space, codes, 0.0) is codes
        assert torch.equal(_applied(space, codes, 1e-7), codes)
        assert torch.equal(_applied(space, codes, seed=3), _applied(space, codes, seed=3))
        assert torch.equal(codes, kept)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(("name", "kept"), [("bert", "paris"), ("roberta", "Paris")])
def test_synonyms_keep_their_case_where_the_tokenizer_does(
    tokenizer_of: Of, name: str, kept: str
) -> None:
    tokenizer = tokenizer_of(name)
    wanted = [_codes(tokenizer, [f"the {word} film"])[0] for word in ("John", kept)]
    space = _space(tokenizer, ["synonym"], {"John": ("Paris",)})
    result = _applied(space, wanted[0].repeat(100, 1)).unique(dim=0)
    assert sorted(result.tolist()) == sorted(row.tolist() for row in wanted)


def test_synonyms_of_no_word_and_generated_sentences_are_refused(tokenizer_of: Of) -> None:
    with pytest.raises(AdaptAugError, match="synonym"):
        _space(tokenizer_of("bert"), ["synonym"], {"cat": ("dog",)})
    with pytest.raises(AdaptAugError, match="got a tokenizer for generated_text"):
        _space(tokenizer_of("bert"), ["generated_text"])


def _tagged(tokenizer: Tokenizer, *, all_tokens: bool) -> tuple[Tensor, Tensor]:
    """Sentences whose words have tags, on the first token or on all tokens of each."""
    words = [["the", "film", "unbelievable", "John", "was", "playing"], ["John", "Paris", "bad"]]
    tags = [[0, 0, 1, 2, 0, 0], [1, 1, 0]]
    rows = tokenizer.encode_batch(words, is_pretokenized=True)
    labels = torch.full((2, len(rows[0])), -100)
    for number, (row, each) in enumerate(zip(rows, tags, strict=True)):
        for place, word in enumerate(row.word_ids):
            first = word is not None and word != (row.word_ids[place - 1] if place else None)
            if word is not None and (first or all_tokens):
                labels[number, place] = 2 if each[word] == 1 and not first else each[word]
    codes, start = from_tokenizer(tokenizer).codes(tensor([row.ids for row in rows]))
    assert not start.any()
    return codes, labels


@pytest.mark.parametrize("op", TAGGING_OPS, ids=lambda op: op.name)
@pytest.mark.parametrize("all_tokens", [False, True])
def test_tags_stay_true_of_their_tokens(tokenizer_of: Of, op: Op, all_tokens: bool) -> None:
    tokenizer = tokenizer_of("bert")
    read = from_tokenizer(tokenizer)
    codes, tags = _tagged(tokenizer, all_tokens=all_tokens)
    space = make_word_space(OpSpace([op]), read, LEXICON, Examples(codes, tags), CLASSES)
    count = 300
    ids, labels = space.apply(
        codes.repeat(count, 1), tags.repeat(count, 1), [1.0], Generator().manual_seed(0)
    )
    assert not torch.equal(ids, codes.repeat(count, 1))
    words = {(c, t) for c, t in zip(codes.flatten().tolist(), tags.flatten().tolist(), strict=True)}
    words |= {(read.mask_id + 1, t) for t in (0, 1, 2)} if op.name == "masking" else set()
    words |= {(c + 1, 0) for c in (tokenizer.token_to_id("a"), tokenizer.token_to_id("great"))}
    named = {c for c, t in words if t > 0}
    pairs = set(zip(ids.flatten().tolist(), labels.flatten().tolist(), strict=True))
    for code, tag in pairs:
        assert (code, tag) in words or (tag > 0 and code in named), (code, tag)
    assert torch.equal((labels == -100) | (ids > 0), torch.ones_like(ids).bool())
    special, first = ids == 5, ids == 6
    assert special.sum(1).eq(1).all()
    assert first.sum(1).eq(1).all()
