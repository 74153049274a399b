"""One task in `summary.json`: its metric, and its name in tables and figures."""

import pytest

from adaptaug.training.task import Task
from experiments.reports.summary import budget_name, described, slugs, task_name, task_summary

TASK = {"dataset": "digits", "child": "cnn", "n_train": 100, "steps": 1600}


@pytest.mark.parametrize(
    ("task", "metric"),
    [
        (Task("digits"), "accuracy"),
        (Task("digits", metric="f1"), "f1"),
        (Task("opinions", child="bilstm"), "accuracy"),
        (Task("mentions", child="tagger"), "f1"),  # whatever the policy is rewarded for
    ],
)
def test_score_is_f1_in_tagging_and_the_rewarded_metric_elsewhere(task: Task, metric: str) -> None:
    record = {"arm": "none", "seed": 0, "accuracy": 0.75, "f1": 0.5, "seconds": 1.0}
    summary = task_summary(task, [record])
    assert summary["metric"] == metric
    assert summary["arms"]["none"]["score"]["mean"] == record[metric]
    assert summary["arms"]["none"]["accuracy"]["mean"] == 0.75


def test_described_task_names_its_metric_only_if_it_is_not_accuracy() -> None:
    assert described(Task()) == {
        "dataset": "digits", "child": "cnn", "n_train": 100, "steps": 400, "modality": "image",
    }  # fmt: skip
    assert described(Task(metric="f1"))["metric"] == "f1"


def test_names_of_budgets_show_only_what_differs() -> None:
    tasks = [TASK | {"dataset": "hub/cifar10"}, TASK | {"dataset": "data/mnist/", "n_train": 2000}]
    budgets = [{"task": task} for task in tasks]
    assert task_name(tasks[0]) == "cifar10, cnn, 100 training examples, 1,600 steps"
    assert budget_name(tasks[1], budgets) == "mnist, 2,000 examples"
    assert budget_name(TASK, budgets[:0]) == "digits, cnn, 100 examples, 1,600 steps"


def test_slugs_are_unique_and_free_of_special_characters() -> None:
    datasets = ("data/digits?size=32&mode=RGB", "a/mnist", "b/mnist/", "c/mnist")
    assert slugs([*(Task(dataset, 100, 400) for dataset in datasets), Task("mnist", 100, 40)]) == [
        "digits-size-32-mode-RGB-cnn-100x400", "mnist-cnn-100x400", "mnist-cnn-100x400-2",
        "mnist-cnn-100x400-3", "mnist-cnn-100x40",
    ]  # fmt: skip
