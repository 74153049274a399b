"""Splits: disjoint, stratified, fixed by the seed, and refused where rows are too few."""

import re
from typing import Any

import pytest
import torch
from torch import Tensor

from adaptaug.data import IGNORED, PAD, Source, from_tagged, from_tensors, load, split
from adaptaug.data.splitting import stratified_order
from adaptaug.errors import AdaptAugError


def source_of(targets: list[int], test_targets: list[int] | None = None) -> Source:
    """Images whose single pixel is their row, so that a row can be recognised."""
    test_targets = test_targets or targets

    def images(count: int) -> Tensor:
        return torch.arange(count, dtype=torch.uint8).reshape(-1, 1, 1, 1)

    return from_tensors(
        images(len(targets)),
        torch.tensor(targets),
        images(len(test_targets)),
        torch.tensor(test_targets),
        name="toy",
    )


def ids(inputs: Tensor) -> list[int]:
    return [int(pixel) for pixel in inputs.flatten()]


def test_splits_are_disjoint_and_stratified() -> None:
    source = source_of([0, 1] * 50)
    parts = split(source, n_train=40, n_validation=20, seed=0)
    train, validation = ids(parts.train.inputs), ids(parts.validation.inputs)
    assert len(set(train) | set(validation)) == 60
    assert parts.train.targets.bincount().tolist() == [20, 20]
    assert parts.validation.targets.bincount().tolist() == [10, 10]
    assert [row % 2 for row in train] == parts.train.targets.tolist()  # images keep their labels
    assert len(parts.test) == 100
    assert parts.num_classes == 2


def test_proportions_follow_the_pool() -> None:
    parts = split(source_of([0] * 60 + [1] * 30 + [2] * 10), 20, 10, seed=3)
    assert parts.train.targets.bincount().tolist() == [12, 6, 2]
    assert parts.validation.targets.bincount().tolist() == [6, 3, 1]


@pytest.mark.parametrize("seed", range(5))
def test_two_rows_of_a_rare_class_go_one_to_each_split(seed: int) -> None:
    parts = split(source_of([0] * 98 + [1] * 2), n_train=90, n_validation=10, seed=seed)
    assert parts.train.targets.bincount().tolist() == [89, 1]
    assert parts.validation.targets.bincount().tolist() == [9, 1]


def test_seed_fixes_the_draw_and_does_not_change_the_test_split() -> None:
    source = load("digits")
    state = torch.get_rng_state()
    once, again, other = (split(source, 100, 100, seed, n_test=50) for seed in (7, 7, 8))
    assert torch.equal(once.train.inputs, again.train.inputs)
    assert torch.equal(once.validation.inputs, again.validation.inputs)
    assert not torch.equal(once.train.inputs, other.train.inputs)
    assert torch.equal(once.test.inputs, other.test.inputs)
    assert torch.equal(state, torch.get_rng_state())


def test_rows_restrict_the_pool_for_all_seeds() -> None:
    source = source_of([0, 1] * 50)
    drawn: list[set[int]] = []
    for rows in ((0, 50), (50, 100)):
        draws = [split(source, 20, 20, seed, rows=rows) for seed in range(5)]
        inputs = [part.inputs for parts in draws for part in (parts.train, parts.validation)]
        drawn.append(set(ids(torch.cat(inputs))))
    assert not drawn[0] & drawn[1]
    assert all(40 < len(rows) <= 50 for rows in drawn)


def test_smaller_test_split_is_part_of_a_larger_one() -> None:
    source = source_of([0, 1] * 50)
    small, large = (split(source, 10, 10, 0, n_test=count).test for count in (10, 30))
    assert set(ids(small.inputs)) < set(ids(large.inputs))
    assert small.targets.bincount().tolist() == [5, 5]


def test_stratified_order_matches_hand_computation() -> None:
    targets = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    order = stratified_order(targets, torch.Generator().manual_seed(0))
    assert sorted(order.tolist()) == list(range(8))
    # Rows stand at -1, 3/8, 5/8 and 2 in both classes, so the classes take turns.
    assert all(set(pair) == {0, 1} for pair in targets[order].reshape(4, 2).tolist())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            {"n_train": 90, "n_validation": 11},
            "n_train and n_validation must be at least 1 and fit in the pool of 100 rows together, "
            "got 90 + 11 for data set 'toy'",
        ),
        (
            {"n_train": 40, "n_validation": 20, "rows": (0, 50)},
            "n_train and n_validation must be at least 1 and fit in the pool of 50 rows together, "
            "got 40 + 20 for data set 'toy'",
        ),
        (
            {"n_train": 0, "n_validation": 10},
            "n_train and n_validation must be at least 1 and fit in the pool of 100 rows together, "
            "got 0 + 10 for data set 'toy'",
        ),
        (
            {"n_train": 10, "n_validation": 10, "rows": (50, 101)},
            "rows must satisfy 0 <= start < stop <= 100, got (50, 101) for data set 'toy'",
        ),
        (
            {"n_train": 10, "n_validation": 10, "n_test": 101},
            "n_test must lie in 1..100, got 101 for data set 'toy'",
        ),
        (
            {"n_train": 10, "n_validation": 10, "n_test": 1},
            "every split needs at least one row of each of the 2 classes, "
            "got none of class '{}' among the 1 rows of split 'test' of data set 'toy'",
        ),
    ],
)
def test_impossible_split_is_refused(arguments: dict[str, Any], sentence: str) -> None:
    pattern = re.escape(sentence).replace(r"\{\}", "[01]")
    with pytest.raises(AdaptAugError, match=f"^{pattern}$"):
        split(source_of([0, 1] * 50), seed=0, **arguments)


@pytest.mark.parametrize("n_train", [1, 50])
def test_class_absent_from_a_split_is_refused(n_train: int) -> None:
    part = "train" if n_train == 1 else "validation"
    with pytest.raises(
        AdaptAugError, match=f"got none of class '.' among .* rows of split '{part}'"
    ):
        split(source_of([0] * 99 + [1]), n_train=n_train, n_validation=10, seed=0)


def test_class_absent_from_the_test_split_is_refused() -> None:
    with pytest.raises(
        AdaptAugError, match="got none of class '1' among the 4 rows of split 'test'"
    ):
        split(source_of([0, 1] * 50, [0, 0, 0, 0]), 10, 10, seed=0)


def tagged(rows: list[list[str]]) -> Source:
    """Tagged sentences, each with a word of its own first."""
    tokens = [[f"w{row}", *["x"] * (len(tags) - 1)] for row, tags in enumerate(rows)]
    return from_tagged(tokens, rows, tokens, rows, "toy", ("O", "B-X", "I-X"))


def test_tagged_sentences_are_disjoint_and_keep_their_tags() -> None:
    source = tagged([["B-X", "I-X"], ["O"]] * 50)
    parts = split(source, 60, 40, seed=0)
    first = [set(part.inputs[:, 0].tolist()) for part in (parts.train, parts.validation)]
    assert [len(words) for words in first] == [60, 40]
    assert not first[0] & first[1]
    assert ((parts.train.inputs == PAD) == (parts.train.targets == IGNORED)).all()
    again, other = split(source, 60, 40, seed=0), split(source, 60, 40, seed=1)
    assert torch.equal(again.train.inputs, parts.train.inputs)
    assert not torch.equal(other.train.inputs, parts.train.inputs)


def test_split_of_tagged_sentences_without_an_entity_is_refused() -> None:
    with pytest.raises(
        AdaptAugError,
        match="besides 'O', got none among the 2 rows of split 'validation'",
    ):
        split(tagged([["O"]] * 100 + [["B-X"]]), 98, 2, seed=0)


@pytest.mark.parametrize("seed", range(30))
def test_few_entities_are_in_every_split_whatever_the_seed(seed: int) -> None:
    parts = split(tagged([["O", "O"]] * 97 + [["O", "B-X"]] * 3), 50, 2, seed=seed, n_test=2)
    for part in (parts.train, parts.validation, parts.test):
        assert (part.targets == 1).any()


def test_texts_are_stratified() -> None:
    parts = split(load("opinions"), 100, 50, seed=3)
    assert abs(int(parts.train.targets.sum()) - 50) <= 1
