"""Tables of training tokens, mentions and synonyms, by hand."""

import pickle

import pytest
import torch
from torch import tensor

from adaptaug.data.examples import Examples
from adaptaug.data.vocabulary import SPECIALS, Vocabulary, build_vocabulary
from adaptaug.errors import AdaptAugError
from adaptaug.ops import build_tables
from adaptaug.ops.lookup import tag_tables

CLASSES = ("O", "B-PER", "I-PER", "B-LOC")
TRAIN = Examples(tensor([[3, 10, 11, 12], [10, 4, 20, 0]]), tensor([[0, 1, 2, 2], [1, 0, 3, -100]]))
VOCABULARY = Vocabulary((*SPECIALS, "good", "fine", "not", "film"))
LEXICON = {"good": ("fine", "nice"), "not": ("fine",), "fine": ("good",)}


def test_tokens_are_listed_by_tag_once_per_occurrence():
    tables = tag_tables(TRAIN, CLASSES)
    assert tables.tokens.tolist() == [3, 4, 10, 10, 11, 12, 20, 0]
    assert tables.token_starts.tolist() == [0, 2, 4, 6]
    assert tables.token_counts.tolist() == [2, 2, 2, 1]


def test_mentions_are_listed_by_type():
    tables = tag_tables(TRAIN, CLASSES)
    assert tables.mentions.tolist() == [[10, 11, 12], [10, 0, 0], [20, 0, 0], [0, 0, 0]]
    assert tables.mention_lengths.tolist() == [3, 1, 1, 0]
    assert tables.mention_starts.tolist() == [0, 0, 2, 2]
    assert tables.mention_counts.tolist() == [0, 2, 0, 1]


def test_outside_begin_and_inside_tags_match_hand_computation():
    tables = tag_tables(TRAIN, CLASSES)
    assert tables.outside.tolist() == [True, False, False, False]
    assert tables.begins.tolist() == [False, True, False, True]
    assert tables.inside.tolist() == [False, False, True, False]
    assert tables.continued.tolist() == [0, 2, 2, 3]  # there is no I-LOC


def test_examples_without_mentions_make_tables():
    tables = tag_tables(Examples(tensor([[3, 0]]), tensor([[0, -100]])), CLASSES)
    assert tables.mentions.tolist() == [[0]]
    assert tables.mention_counts.tolist() == [0, 0, 0, 0]


def test_stop_words_have_no_synonyms():
    train = Examples(tensor([[3, 4]]), tensor([1]))
    tables = build_tables(VOCABULARY, LEXICON, train, ("bad", "good"), "text")
    assert tables.vocabulary_size == 7
    assert tables.tags is None
    assert tables.synonyms.tolist()[3:5] == [[4], [3]]
    assert tables.synonym_counts.tolist() == [0, 0, 0, 1, 1, 0, 0]


def test_lexicon_of_stop_words_alone_is_refused():
    train = Examples(tensor([[3, 4]]), tensor([1]))
    vocabulary = build_vocabulary(["the a film"])
    with pytest.raises(AdaptAugError, match="besides stop words, got none: 1 words"):
        build_tables(vocabulary, {"the": ("a",)}, train, ("bad", "good"), "text")


def test_without_a_lexicon_there_are_no_synonyms():
    tables = build_tables(VOCABULARY, None, TRAIN, CLASSES, "tagging")
    assert tables.synonyms is None
    assert tables.synonym_counts is None
    assert tables.tags.token_counts.tolist() == [2, 2, 2, 1]


def test_tables_move_to_a_device_and_pickle():
    tables = build_tables(VOCABULARY, LEXICON, TRAIN, CLASSES, "tagging")
    moved = tables.to("meta")
    assert moved.vocabulary_size == 7
    assert moved.synonyms.is_meta
    assert moved.tags.mentions.is_meta
    again = pickle.loads(pickle.dumps(tables))
    assert torch.equal(again.tags.tokens, tables.tags.tokens)


def test_lexicon_without_the_words_and_tags_not_in_bio_form_are_refused():
    with pytest.raises(AdaptAugError, match="lexicon"):
        build_tables(VOCABULARY, {"cat": ("dog",)}, TRAIN, CLASSES, "tagging")
    with pytest.raises(AdaptAugError, match="'NOUN'"):
        build_tables(VOCABULARY, None, TRAIN, ("NOUN", "VERB", "X", "Y"), "tagging")
