"""EDA on strings, on sentences whose outcome is known from the authors' code."""

import random

import pytest

from experiments.benchmarks.string_eda import (
    TECHNIQUES,
    eda,
    only_letters,
    random_deletion,
    random_insertion,
    random_swap,
    synonym_replacement,
)

LEXICON = {"good": ("fine", "nice"), "film": ("movie",), "the": ("wrong",)}
WORDS = ["the", "good", "film", "is", "the", "good", "one"]


@pytest.fixture
def draws():
    return random.Random(0)


def test_only_letters_leaves_lower_case_letters_and_single_spaces():
    assert only_letters(" It's a well-made,\tGOOD film!\n") == "its a well made good film "


def test_eda_makes_one_sentence_per_technique(draws):
    results = eda("The good film, 10 times!", LEXICON, draws)
    assert len(results) == len(TECHNIQUES) == 4
    assert results[0] in {"the fine film times", "the nice film times", "the good movie times"}
    assert len(results[1].split()) == 5
    assert sorted(results[2].split()) == ["film", "good", "the", "times"]
    assert eda("film", {}, draws) == ["film"] * 4


def test_synonym_replacement_replaces_all_occurrences_but_no_stop_words(draws):
    results = {" ".join(synonym_replacement(WORDS, 1, LEXICON, draws)) for _ in range(60)}
    assert results == {
        "the fine film is the fine one",
        "the nice film is the nice one",
        "the good movie is the good one",
    }


def test_random_insertion_inserts_the_given_number_of_synonyms(draws):
    for _ in range(20):
        result = random_insertion(WORDS, 2, {"good": ("fine",)}, draws)
        if len(result) == 9:
            assert result.count("fine") == 2
        assert [word for word in result if word != "fine"] == WORDS
    assert random_insertion(WORDS, 2, {}, draws) == WORDS


def test_random_swap_exchanges_two_words(draws):
    result = random_swap(list("abcdef"), 1, {}, draws)
    assert sorted(result) == list("abcdef")
    assert sum(a != b for a, b in zip(result, "abcdef", strict=True)) == 2
    assert random_swap(["a"], 3, {}, draws) == ["a"]


def test_random_deletion_drops_a_tenth_but_never_all_words(draws):
    words = [str(index) for index in range(10_000)]
    result = random_deletion(words, 0, {}, draws)
    assert len(result) == pytest.approx(9000, rel=0.02)
    assert result == sorted(result, key=int)
    assert random_deletion(["a"], 0, {}, draws) == ["a"]
