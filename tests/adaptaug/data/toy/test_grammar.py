"""The grammar, and the two toy data sets that are made with it."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from adaptaug.data import Examples, load, split
from adaptaug.data.toy import mentions, opinions
from adaptaug.data.toy.grammar import expand, synonyms_of

GRAMMAR = {
    "start": ("{view} , not {~view} {PLACE}",),
    "view+": ("good",),
    "view-": ("bad",),
    "PLACE": ("New {name} here",),
    "name": ("York",),
}


@pytest.mark.parametrize(
    ("positive", "words"), [(True, "good , not bad"), (False, "bad , not good")]
)
def test_polarity_and_tags_match_hand_computation(positive: bool, words: str) -> None:
    drawn = expand(GRAMMAR, "start", positive, np.random.default_rng(0))
    tags = "O O O O B-PLACE I-PLACE I-PLACE"
    expected = zip(f"{words} New York here".split(), tags.split(), strict=True)
    assert drawn == list(expected)


def test_alternatives_are_drawn_uniformly() -> None:
    draws = np.random.default_rng(0)
    words = [expand({"s": ("a", "b", "c")}, "s", True, draws)[0][0] for _ in range(3000)]
    assert all(900 < words.count(word) < 1100 for word in "abc")


def test_words_of_a_group_are_synonyms() -> None:
    expected = {"a": ("b",), "b": ("a", "c"), "c": ("b",)}
    assert synonyms_of(["a b", "b c"]) == expected


@pytest.mark.parametrize("make", [opinions.opinions, mentions.mentions])
def test_data_set_is_the_same_each_time(make: object) -> None:
    assert callable(make)
    once, again = make(), make()
    assert once.vocabulary == again.vocabulary
    assert torch.equal(once.train.inputs, again.train.inputs)
    assert torch.equal(once.test.targets, again.test.targets)


def test_opinions_have_their_sizes_and_balanced_classes() -> None:
    source = load("opinions")
    assert (source.name, source.modality) == ("opinions", "text")
    assert source.classes == ("negative", "positive")
    assert (len(source.train), len(source.test)) == (4000, 600)
    share = source.test.targets.float().mean()
    assert 0.45 < share < 0.55
    assert int((source.train.inputs == 1).sum()) == 0
    lengths = (source.train.inputs != 0).sum(1)
    assert 10 < lengths.median() < 25


def words_that_occur(examples: Examples, count: int) -> Tensor:
    table = torch.zeros(len(examples), count)
    return table.scatter_(1, examples.inputs, 1.0)[:, 1:]  # without padding


@pytest.mark.parametrize(("n_train", "low", "high"), [(200, 0.62, 0.8), (2000, 0.75, 0.9)])
def test_opinions_can_be_learned_in_part(n_train: int, low: float, high: float) -> None:
    source = load("opinions")
    assert source.vocabulary is not None
    count = len(source.vocabulary)
    parts = split(source, n_train, 200, seed=0)
    model = LogisticRegression(max_iter=500)
    model.fit(words_that_occur(parts.train, count), parts.train.targets)
    assert low < model.score(words_that_occur(parts.test, count), parts.test.targets) < high


def test_mentions_have_their_sizes_and_every_tag() -> None:
    source = load("mentions")
    assert (source.name, source.modality) == ("mentions", "tagging")
    assert source.classes == ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG")
    assert (len(source.train), len(source.test)) == (2000, 400)
    assert all((source.test.targets == label).any() for label in range(source.num_classes))


def test_name_alone_does_not_determine_its_type() -> None:
    source = load("mentions")
    assert source.vocabulary is not None
    name = source.vocabulary.id("Lincoln")
    tags = source.train.targets[source.train.inputs == name].unique().tolist()
    assert {source.classes[tag] for tag in tags} >= {"B-PER", "B-LOC", "B-ORG"}
