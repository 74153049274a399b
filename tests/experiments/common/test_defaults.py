"""Default ops, learning rates and tasks."""

import pytest

from adaptaug.children import CHILDREN
from adaptaug.data import load
from adaptaug.errors import AdaptAugError
from experiments.common.cli import ChildOptions
from experiments.common.defaults import PEAK_LEARNING_RATES, suiting
from experiments.train_policy import Options


def test_ops_that_need_synonyms_are_left_out_and_printed(capsys) -> None:
    ops = ("rotate", "synonym", "masking", "insertion", "mention")
    assert suiting(ops, load("opinions"), None) == ("masking",)
    assert capsys.readouterr().out.strip().endswith(": synonym, insertion")
    assert suiting(ops, load("opinions"), "opinions") == ("synonym", "masking", "insertion")
    assert suiting(("hue", *ops), load("digits"), None) == ("rotate",)  # digits are grayscale
    assert capsys.readouterr().out == ""


def test_search_without_lexicon_drops_the_users_ops_that_need_synonyms() -> None:
    options = Options(dataset=("opinions",), ops=("rotate", "synonym", "masking"))
    task = options.training.task("opinions", 100, 10)
    assert options.op_names(task) == ("rotate", "masking")
    assert options.op_names(task.but(lexicon="opinions")) == ("rotate", "synonym", "masking")


def test_op_space_without_an_op_for_the_data_is_an_error() -> None:
    with pytest.raises(AdaptAugError, match="some op must suit tagging data, got rotate for data"):
        suiting(("rotate",), load("mentions"), None)


def test_search_over_two_modalities_has_the_ops_of_both() -> None:
    options = Options(dataset=("opinions", "digits"), training=ChildOptions(lexicon="opinions"))
    ops = options.op_names(options.training.task("opinions", 100, 10))
    assert ops[:5] == ("synonym", "insertion", "swap", "deletion", "masking")
    assert {"rotate", "mixup"} < set(ops)


def test_default_learning_rate_depends_on_the_child() -> None:
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


def test_child_options_are_passed_to_the_task() -> None:
    options = ChildOptions(
        pretrained="some/model", schedule="linear", optimizer="adamw", weight_decay=0.01
    )
    task = options.task("opinions", 100, 10)
    given = task.pretrained, task.schedule, task.optimizer, task.weight_decay
    assert given == ("some/model", "linear", "adamw", 0.01)
