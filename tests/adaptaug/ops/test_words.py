"""Sentences of tokens as rows of words and back, by hand and on small tokenizers."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from torch import Tensor, tensor

from adaptaug.data.tokenizer import TokenizerVocabulary, from_tokenizer
from adaptaug.ops import words
from adaptaug.ops.words import Sentences, WordTables, word_tables

Of = Callable[[str], Tokenizer]
NAMES = ["bert", "roberta", "gpt2", "t5"]
TEXTS = [
    "the film was not unbelievable, great",
    ("a great unbelievable movie", "not bad"),
    "good",
    ("bad", "the film was playing"),
    "",
]


def _codes(tokenizer: Tokenizer, texts: list[Any]) -> tuple[TokenizerVocabulary, Tensor]:
    rows = tokenizer.encode_batch(texts)
    read = from_tokenizer(tokenizer)
    ids, attention, types = (
        tensor([getattr(row, name) for row in rows])
        for name in ("ids", "attention_mask", "type_ids")
    )
    return read, read.codes(ids, attention, types)[0]


@pytest.fixture
def bert(tokenizer_of: Of) -> tuple[Callable[[str], int], TokenizerVocabulary, WordTables]:
    """The code of a token, the vocabulary, and tables in which "unbelievable" is known."""
    tokenizer = tokenizer_of("bert")
    read = from_tokenizer(tokenizer)
    tables, _ = word_tables(read, read.pieces(["unbelievable"]))
    return lambda token: tokenizer.token_to_id(token) + 1, read, tables


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("known", [[], ["unbelievable", "playing", "great"]])
def test_sentences_taken_apart_are_put_together_again(
    tokenizer_of: Of, name: str, known: list[str]
) -> None:
    read, codes = _codes(tokenizer_of(name), TEXTS)
    tables, _ = word_tables(read, read.pieces(known))
    sentences = Sentences(codes, None, tables)
    assert torch.equal(sentences.joined(sentences.words, None)[0], codes)


def test_form_for_gpus_gives_the_same(tokenizer_of: Of, monkeypatch: pytest.MonkeyPatch) -> None:
    read, codes = _codes(tokenizer_of("bert"), TEXTS)
    tables, _ = word_tables(read, [])
    fewest = Sentences(codes, None, tables)
    monkeypatch.setattr(words, "_count", lambda run: words.MOST_RUNS)
    most = Sentences(codes, None, tables)
    assert len(most.words) == 8 * len(codes) > len(fewest.words) == 2 * len(codes)
    first, second = (
        each.joined(each.words.clamp(max=2), None)[0]  # every word becomes one token
        for each in (fewest, most)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, codes)


def test_each_run_between_special_tokens_is_a_row_of_words(bert: Any) -> None:
    code, read, tables = bert
    size = len(read)
    row = ["[CLS]", "a", "un", "##believ", "##able", "film", "[SEP]", "play", "##ing", "[SEP]"]
    codes = tensor([[*map(code, row), 0]])
    codes[0, 7:10] += size  # the second sentence has type 1
    sentences = Sentences(codes, None, tables)
    known, local = size + 2, size + 3 + 7  # after the tokens and an empty word; at position 7
    assert sentences.words.tolist() == [
        [code("a"), known, code("film"), *[0] * 8],
        [local, *[0] * 10],
    ]
    turned = sentences.words[:, [2, 1, 0, *range(3, 11)]]
    turned[1] = 0
    turned[1, 0] = local
    row[1], row[5] = "film", "a"
    result = sentences.joined(turned, None)[0]
    expected = [*map(code, row), 0]
    expected[7:10] = [number + size for number in expected[7:10]]
    assert result.tolist() == [expected]


def test_runs_shrink_and_special_tokens_follow(bert: Any) -> None:
    code, _, tables = bert
    row = ["[CLS]", "a", "film", "was", "[SEP]", "bad", "good", "[SEP]"]
    sentences = Sentences(tensor([[*map(code, row)]]), None, tables)
    fewer = sentences.words.clone()
    fewer[0, :3] = tensor([code("was"), 0, 0])
    fewer[1, 1] = 0
    left = ["[CLS]", "was", "[SEP]", "bad", "[SEP]"]
    assert sentences.joined(fewer, None)[0].tolist() == [[*map(code, left), 0, 0, 0]]


def test_run_that_grows_is_cut_where_it_does_not_fit_and_no_other(bert: Any) -> None:
    code, _, tables = bert
    row = ["[CLS]", "a", "film", "[SEP]", "bad", "good", "[SEP]"]
    sentences = Sentences(tensor([[*map(code, row), 0]]), None, tables)
    assert sentences.words.shape == (2, 8)
    more = sentences.words.clone()
    more[0, :5] = tensor([code(word) for word in ("was", "a", "not", "film", "fun")])
    whole = ["[CLS]", "was", "a", "not", "[SEP]", "bad", "good", "[SEP]"]
    assert sentences.joined(more, None)[0].tolist() == [[*map(code, whole)]]
    more[1, 1] = 0  # what the other run loses makes room
    whole = ["[CLS]", "was", "a", "not", "film", "[SEP]", "bad", "[SEP]"]
    assert sentences.joined(more, None)[0].tolist() == [[*map(code, whole)]]


def test_words_that_do_not_fit_are_cut_whole_but_for_the_first(bert: Any) -> None:
    code, read, tables = bert
    long = len(read) + 2  # "unbelievable", three tokens
    sentences = Sentences(tensor([[*map(code, ["[CLS]", "a", "film", "[SEP]"])]]), None, tables)
    for words_in_row, left in (
        ([code("fun"), long], ["[CLS]", "fun", "[SEP]"]),
        ([long, code("fun")], ["[CLS]", "un", "##believ", "[SEP]"]),
    ):
        row = tensor([[*words_in_row, 0, 0]])
        result = sentences.joined(row, None)[0]
        assert result[result > 0].tolist() == [*map(code, left)]


def test_runs_beyond_the_most_stay(bert: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, tables = bert
    monkeypatch.setattr(words, "MOST_RUNS", 1)
    row = [*map(code, ["[CLS]", "a", "[SEP]", "bad", "good", "[SEP]"])]
    sentences = Sentences(tensor([row]), None, tables)
    assert sentences.words.tolist() == [[code("a"), 0, 0, 0, 0, 0]]
    changed = torch.full_like(sentences.words, 0)
    changed[0, :2] = code("fun")
    row[1] = code("fun")
    assert sentences.joined(changed, None)[0].tolist() == [row]  # no room for the second


def test_first_word_of_a_text_is_the_same_word_after_a_space(tokenizer_of: Of) -> None:
    tokenizer = tokenizer_of("roberta")
    read, codes = _codes(tokenizer, ["great film"])
    tables, _ = word_tables(read, [])
    code = {
        token: tokenizer.token_to_id(token) + 1 for token in ("great", "Ġgreat", "Ġfilm", "film")
    }
    sentences = Sentences(codes, None, tables)
    assert sentences.words[0, :2].tolist() == [code["Ġgreat"], code["Ġfilm"]]
    turned = sentences.joined(sentences.words[:, [1, 0, 2, 3]], None)[0]
    assert turned.tolist() == [[1, code["film"], code["Ġgreat"], 3]]


def test_tags_move_with_words_and_the_rest_of_a_word_has_the_tag_of_training(bert: Any) -> None:
    code, read, _ = bert
    tables, _ = word_tables(read, [])
    row = tensor([[*map(code, ["[CLS]", "un", "##able", "a", ".", "[SEP]"]), 0]])
    tags = tensor([[-100, 1, -100, 0, -100, -100, -100]])  # "." belongs to "a", as its tag says
    for others in ([-100, -100, -100], [0, 2, 2]):
        tables = replace(tables, further=tensor(others))
        sentences = Sentences(row, tags, tables)
        assert sentences.tags is not None
        assert sentences.words[0].bool().tolist() == [True, True, *[False] * 5]
        assert sentences.tags.tolist() == [[1, 0, *[-100] * 5]]
        turn = [1, 0, *range(2, 7)]
        codes, moved = sentences.joined(sentences.words[:, turn], sentences.tags[:, turn])
        assert codes.tolist() == [[*map(code, ["[CLS]", "a", ".", "un", "##able", "[SEP]"]), 0]]
        assert moved is not None
        assert moved.tolist() == [[-100, 0, others[0], 1, others[1], -100, -100]]


def test_words_of_several_tokens_are_listed_once(bert: Any) -> None:
    code, read, _ = bert
    tables, known = word_tables(read, [(1, 2), (3,), (1, 2), (1,) * 65])
    assert known == [(), (1, 2)]
    row = [*map(code, ["[CLS]", "un", "##able", "a", "un", "##able", "[SEP]"])]
    assert Sentences(tensor([row]), None, tables).several() == {(code("un"), code("##able"))}
