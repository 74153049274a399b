"""Pretrained word vectors in GloVe's text form."""

import gzip
import re
from pathlib import Path

import pytest

from adaptaug.data import build_vocabulary, load_vectors
from adaptaug.errors import AdaptAugError

WORDS = build_vocabulary([["good", "Rome", "rome", "Bad"]], lowercase=False)
LINES = "good 1 -2.5\nrome 3 4\nbad 5e-1 6\nother 7 8\n"


@pytest.mark.parametrize("header", ["", "4 2\n"])
@pytest.mark.parametrize("name", ["v.txt", "v.txt.gz"])
def test_vectors_match_the_file_by_hand(tmp_path: Path, name: str, header: str) -> None:
    data = (header + LINES.replace("\n", " \n", 1)).encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    vectors, found = load_vectors(tmp_path / name, WORDS)
    expected = {"good": [1.0, -2.5], "Rome": [3.0, 4.0], "rome": [3.0, 4.0], "Bad": [0.5, 6.0]}
    assert vectors.tolist() == [expected.get(word, [0.0, 0.0]) for word in WORDS.words]
    assert found.tolist() == [word in expected for word in WORDS.words]


def test_own_case_of_a_word_is_preferred(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text("rome 1 1\nRome 2 2\n", encoding="utf-8")
    vectors, _ = load_vectors(tmp_path / "v.txt", WORDS)
    assert vectors[WORDS.id("Rome")].tolist() == [2, 2]
    assert vectors[WORDS.id("rome")].tolist() == [1, 1]


def test_word_with_a_space_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text("rome 1 1\ngood by me 2 2\n", encoding="utf-8")
    assert load_vectors(tmp_path / "v.txt", WORDS)[1].tolist().count(True) == 2


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("good 1", "must have a word and 2 values, got 1 values in line 2 of file '{}'"),
        ("good 1 2 3", "must have a word and 2 values, got 3 values in line 2 of file '{}'"),
        ("", "must have a word and 2 values, got 0 values in line 2 of file '{}'"),
        ("good 1 x", "must be numbers (could not convert string to float: 'x') in line 2 of file"),
        ("good 1 nan", "word vectors must be finite, got '1 nan' in line 2 of file '{}'"),
    ],
)
def test_malformed_line_is_refused_with_its_number(
    tmp_path: Path, line: str, sentence: str
) -> None:
    path = tmp_path / "v.txt"
    path.write_text(f"other 1 2\n{line}\nbad 1 2\n", encoding="utf-8")
    with pytest.raises(AdaptAugError, match=re.escape(sentence.format(path))):
        load_vectors(path, WORDS)


@pytest.mark.parametrize("text", ["other 1 2\n", "", "[PAD]\n"])
def test_file_without_a_known_word_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "v.txt").write_text(text, encoding="utf-8")
    with pytest.raises(
        AdaptAugError, match=r"got none of 7 in file|must have a word and its values"
    ):
        load_vectors(tmp_path / "v.txt", WORDS)


def test_missing_file_is_refused() -> None:
    with pytest.raises(
        AdaptAugError, match=r"^word vectors must be an existing file, got 'no/such'"
    ):
        load_vectors("no/such", WORDS)
