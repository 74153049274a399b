"""Made-up words: their frequencies, typos, synonyms; chunks among fillers."""

from collections import Counter

import numpy as np
import pytest

from adaptaug.data.toy.words import FILLER, Words, interleave, unseen
from adaptaug.ops.stop_words import STOP_WORDS


def words(exponent: float = 0.0, names: int = 0) -> Words:
    return Words([5, 6, 6], 200, exponent, np.random.default_rng(0), names)


def test_meanings_have_their_numbers_of_words_all_different() -> None:
    made = words().by_meaning
    assert {meaning: len(found) for meaning, found in made.items()} == {
        FILLER: 200,
        0: 5,
        1: 6,
        2: 6,
    }
    every = [word for found in made.values() for word in found]
    assert len(set(every)) == 217
    assert not STOP_WORDS & set(every)


def test_names_alone_begin_with_a_capital() -> None:
    made = words(names=2).by_meaning
    capitals = {meaning for meaning, found in made.items() if any(map(str.istitle, found))}
    assert capitals == {0, 1}


def test_what_is_written_is_read_even_if_misspelled() -> None:
    rows, made = [[0, FILLER, 2], [], [1] * 50], words(names=1)
    for typos in (0.0, 1.0):
        written = made.write(rows, typos, np.random.default_rng(1))
        assert [made.read(row) for row in written] == rows
        known = {word for found in made.by_meaning.values() for word in found}
        assert all((word in known) == (typos == 0) for row in written for word in row)


def test_word_of_another_origin_is_a_filler() -> None:
    assert words().read(["[MASK]", "[UNK]", "hello"]) == [FILLER] * 3


@pytest.mark.parametrize(("exponent", "shares"), [(0.0, [0.2] * 5), (1.0, [60, 30, 20, 15, 12])])
def test_frequencies_follow_the_power_of_the_rank(exponent: float, shares: list[float]) -> None:
    made = words(exponent)
    (row,) = made.write([[0] * 20_000], 0.0, np.random.default_rng(1))
    counts = Counter(row)
    expected = np.array(shares) / sum(shares)
    found = [counts[word] / len(row) for word in made.by_meaning[0]]
    np.testing.assert_allclose(found, expected, atol=0.015)


@pytest.mark.parametrize(
    ("kind", "pairs"),
    [
        ("fillers", {(FILLER, FILLER)}),
        ("within", {(FILLER, FILLER), (1, 1), (2, 2)}),
        ("across", {(FILLER, FILLER), (1, 2), (2, 1)}),
    ],
)
def test_synonyms_have_the_meanings_of_the_kind(kind: str, pairs: set[tuple[int, int]]) -> None:
    made = words()
    lexicon = made.lexicon(kind, (1, 2), 1.0, np.random.default_rng(2))
    found = {
        (*made.read([word]), *made.read([synonym]))
        for word, synonyms in lexicon.items()
        for synonym in synonyms
    }
    assert found == pairs
    assert all(word not in synonyms for word, synonyms in lexicon.items())
    assert set(lexicon) >= set(made.by_meaning[FILLER])
    assert kind == "fillers" or set(lexicon) >= {*made.by_meaning[1], *made.by_meaning[2]}


def test_coverage_thins_out_fillers_alone() -> None:
    made = words()
    lexicon = made.lexicon("within", (1,), 0.25, np.random.default_rng(2))
    covered = len(set(lexicon) & set(made.by_meaning[FILLER]))
    assert 20 < covered < 80
    assert set(lexicon) >= set(made.by_meaning[1])


def test_chunks_stay_whole_and_in_order() -> None:
    draws = np.random.default_rng(0)
    seen = {tuple(interleave([(1, 2), (3,)], 2, draws)) for _ in range(200)}
    assert seen == {
        (1, 2, 3, -1, -1), (1, 2, -1, 3, -1), (1, 2, -1, -1, 3),
        (-1, 1, 2, 3, -1), (-1, 1, 2, -1, 3), (-1, -1, 1, 2, 3),
    }  # fmt: skip


def test_sentences_of_the_pool_are_left_out_after_it() -> None:
    rows = [["a"], ["b", "c"], ["b"], ["a"], ["b", "c"], ["c", "b"], ["d"]]
    assert unseen(rows, 2, 2) == [2, 5]
    assert unseen(rows, 2, 9) == [2, 5, 6]
