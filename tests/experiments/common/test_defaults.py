"""Which ops a search takes where a user does not say."""

import pytest

from adaptaug.children import CHILDREN
from adaptaug.data import load
from adaptaug.errors import AdaptAugError
from experiments.common.cli import ChildOptions
from experiments.common.defaults import PEAK_LEARNING_RATES, suiting
from experiments.train_policy import Options


def test_ops_without_synonyms_are_left_out_and_named(capsys) -> None:
    ops = ("rotate", "synonym", "masking", "insertion", "mention")
    assert suiting(ops, load("opinions"), None) == ("masking",)
    assert capsys.readouterr().out.strip().endswith(": synonym, insertion")
    assert suiting(ops, load("opinions"), "opinions") == ("synonym", "masking", "insertion")
    assert suiting(("hue", *ops), load("digits"), None) == ("rotate",)  # digits are grayscale
    assert capsys.readouterr().out == ""


def test_ops_of_the_users_that_need_synonyms_are_left_out_of_a_search_without_any() -> None:
    options = Options(dataset=("opinions",), ops=("rotate", "synonym", "masking"))
    task = options.training.task("opinions", 100, 10)
    assert options.op_names(task) == ("rotate", "masking")
    assert options.op_names(task.but(lexicon="opinions")) == ("rotate", "synonym", "masking")


def test_no_op_that_suits() -> None:
    with pytest.raises(AdaptAugError, match="some op must suit tagging data, got rotate for data"):
        suiting(("rotate",), load("mentions"), None)


def test_a_search_over_images_and_words_takes_the_ops_of_both() -> None:
    options = Options(dataset=("opinions", "digits"), training=ChildOptions(lexicon="opinions"))
    ops = options.op_names(options.training.task("opinions", 100, 10))
    assert ops[:5] == ("synonym", "insertion", "swap", "deletion", "masking")
    assert {"rotate", "mixup"} < set(ops)


def test_every_child_has_its_usual_learning_rate() -> None:
    assert set(PEAK_LEARNING_RATES) == set(CHILDREN)
    options = [
        ChildOptions(),
        ChildOptions(child="resnet18"),
        ChildOptions(peak_learning_rate=0.5, child="resnet18"),
        ChildOptions(child="bert"),
        ChildOptions(child="bert", pretrained="some/model"),
    ]
    rates = [option.task("digits", 100, 10).peak_learning_rate for option in options]
    assert rates == [1e-2, 1e-3, 0.5, 5e-4, 2e-5]


def test_options_reach_the_task() -> None:
    options = ChildOptions(
        pretrained="some/model", schedule="linear", optimizer="adamw", weight_decay=0.01
    )
    task = options.task("opinions", 100, 10)
    given = task.pretrained, task.schedule, task.optimizer, task.weight_decay
    assert given == ("some/model", "linear", "adamw", 0.01)
