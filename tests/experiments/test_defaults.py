"""Which ops a search takes where a user does not say."""

import pytest

from adaptaug.data import load
from adaptaug.errors import AdaptAugError
from experiments.cli import ChildOptions
from experiments.defaults import suiting
from experiments.train_policy import Options


def test_ops_without_synonyms_are_left_out_and_named(capsys) -> None:
    ops = ("rotate", "synonym", "masking", "insertion", "mention")
    assert suiting(ops, load("opinions"), None) == ("masking",)
    assert capsys.readouterr().out.strip().endswith(": synonym, insertion")
    assert suiting(ops, load("opinions"), "opinions") == ("synonym", "masking", "insertion")
    assert suiting(("hue", *ops), load("digits"), None) == ("rotate",)  # digits are grayscale
    assert capsys.readouterr().out == ""


def test_no_op_that_suits() -> None:
    with pytest.raises(AdaptAugError, match="some op must suit tagging data, got rotate for data"):
        suiting(("rotate",), load("mentions"), None)


def test_a_search_over_images_and_words_takes_the_ops_of_both() -> None:
    options = Options(dataset=("opinions", "digits"), training=ChildOptions(lexicon="opinions"))
    ops = options.op_names(options.training.task("opinions", 100, 10))
    assert ops[:5] == ("synonym", "insertion", "swap", "deletion", "masking")
    assert {"rotate", "mixup"} < set(ops)
