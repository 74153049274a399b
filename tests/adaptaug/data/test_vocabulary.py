"""Words and ids: how sentences are cut, counted and looked up."""

import copy
import re

import pytest

from adaptaug.data import MASK, PAD, UNKNOWN, Vocabulary, build_vocabulary
from adaptaug.data.vocabulary import SPECIALS, padded
from adaptaug.errors import AdaptAugError


def test_most_frequent_words_come_first_and_the_alphabet_breaks_ties() -> None:
    vocabulary = build_vocabulary(["b a c", "d a b", "a"], max_words=3)
    assert vocabulary.words == (*SPECIALS, "a", "b", "c")
    assert len(vocabulary) == 6
    assert [vocabulary.id(word) for word in ("a", "A", "c", "d")] == [3, 3, 5, UNKNOWN]


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("I don't know; it's GOOD...", "i do n't know ; it 's good ..."),
        ("does n't  it\n's", "does n't it 's"),
        ("can't we'll café 3,5", "ca n't we 'll café 3 , 5"),
        ("'quoted' 'dumb'", "' quoted ' ' dumb '"),
        ("rock 'n' roll", "rock ' n ' roll"),
        ("Bad.<br /><br>a <BR/> b < br", "bad . a b < br"),
    ],
)
def test_sentence_is_tokenized_as_in_the_penn_treebank(sentence: str, words: str) -> None:
    vocabulary = build_vocabulary([sentence])
    ids = vocabulary.encode([sentence])[0].tolist()
    assert [vocabulary.words[row] for row in ids] == words.split()


def test_tokens_keep_one_id_each() -> None:
    rows = [["U.N.", "don't", "New York", ""], ["U.N."]]
    vocabulary = build_vocabulary(rows, lowercase=False)
    ids = vocabulary.encode([*rows, ["u.n."]])
    assert [vocabulary.words[row] for row in ids[0, :3].tolist()] == rows[0][:3]
    assert ids.shape == (3, 4)
    assert ids[1].tolist() == [vocabulary.id("U.N."), PAD, PAD, PAD]
    assert ids[2].tolist() == [UNKNOWN, PAD, PAD, PAD]


def test_long_sentence_is_cut() -> None:
    vocabulary = build_vocabulary(["a b c d"])
    for sentence in ("a b c d", ["a", "b", "c", "d"]):
        assert vocabulary.encode([sentence], max_tokens=2).tolist() == [[3, 4]]  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("<pad>", "good", "bad"), "must begin with [PAD], [UNK], [MASK], got '<pad>', 'good'"),
        ((), "must begin with [PAD], [UNK], [MASK], got"),
        ((*SPECIALS, "good", "bad", "good"), "must hold each word once, got 'good' twice"),
    ],
)
def test_vocabulary_without_special_tokens_or_with_doubles_is_refused(
    words: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(AdaptAugError, match=re.escape(sentence)):
        Vocabulary(words)


def test_text_cannot_contain_special_tokens() -> None:
    rows = [["[PAD]", "[MASK]", "[UNK]", "word"]]
    vocabulary = build_vocabulary(rows, lowercase=False)
    assert vocabulary.words == (*SPECIALS, "word")
    assert vocabulary.encode(rows).tolist() == [[UNKNOWN] * 3 + [3]]
    assert not {PAD, MASK} & set(vocabulary.encode(["[PAD] [MASK] word"])[0].tolist())


@pytest.mark.parametrize("rows", [["a b", " \n", "a"], [["a"], [], ["b"]]])
def test_sentence_without_a_token_is_refused(rows: list[str] | list[list[str]]) -> None:
    vocabulary = build_vocabulary(rows)
    sentence = "a sentence needs at least one token, got none in row 1 of my file"
    with pytest.raises(AdaptAugError, match=f"^{re.escape(sentence)}$"):
        vocabulary.encode(rows, place="my file")


def test_no_sentences_give_no_rows() -> None:
    assert build_vocabulary([]).encode([]).shape == (0, 0)


def test_pickled_vocabulary_holds_the_words_alone() -> None:
    vocabulary = build_vocabulary(["a b"], lowercase=False)
    vocabulary.encode(["a"])
    assert len(vars(vocabulary)) > 2  # the tokenizer and the ids are kept for the next call
    restored = copy.copy(vocabulary)  # by the protocol that pickle uses
    assert set(vars(restored)) == {"words", "lowercase"}
    assert restored == vocabulary == Vocabulary(vocabulary.words, lowercase=False)
    assert restored.encode(["b a B"]).tolist() == [[4, 3, UNKNOWN]]


def test_rows_are_padded_on_the_right() -> None:
    assert padded([[1], [2, 3], []], -100).tolist() == [[1, -100], [2, 3], [-100, -100]]
