"""Tasks: fields that are refused, plain data, and how budgets are drawn from ranges."""

import json
from typing import Any

import numpy as np
import pytest

from adaptaug.errors import AdaptAugError
from adaptaug.training.task import Task, TaskRange


def test_boundaries_are_those_of_its_rhythm() -> None:
    assert Task(steps=12, decisions=3).boundaries() == [4, 8, 12]
    assert Task(steps=12, decision_interval=5).boundaries() == [5, 10, 12]


def test_epochs_match_hand_computation() -> None:
    assert Task(steps=400, batch_size=32, n_train=100).epochs == 128


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"n_train": 0}, "n_train must be at least 1, got 0"),
        ({"steps": -3}, "steps must be at least 1, got -3"),
        ({"n_validation": 0}, "n_validation must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"width": 0}, "width must be at least 1, got 0"),
        ({"decisions": 0}, "decisions must be at least 1, got 0"),
        ({"patience": 0}, "patience must be at least 1, got 0"),
        (
            {"max_tokens": 257},
            "max_tokens must be at most 256, as sentences are cut when read, got 257",
        ),
        (
            {"decision_interval": 0},
            "decision_interval must lie between 1 and the run's 400 steps, got 0",
        ),
        (
            {"decision_interval": 401},
            "decision_interval must lie between 1 and the run's 400 steps, got 401",
        ),
        ({"peak_learning_rate": 0.0}, "peak_learning_rate must be a positive number, got 0.0"),
        (
            {"peak_learning_rate": float("nan")},
            "peak_learning_rate must be a positive number, got nan",
        ),
        ({"weight_decay": -0.1}, "weight_decay must be a number of at least 0, got -0.1"),
        ({"weight_decay": float("inf")}, "weight_decay must be a number of at least 0, got inf"),
        ({"weight_decay": "0"}, "weight_decay must be a number, got '0'"),
        ({"n_validation": 50.5}, "n_validation must be a whole number, got 50.5"),
        ({"patience": "3"}, "patience must be a whole number, got '3'"),
    ],
)
def test_field_out_of_range_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(AdaptAugError) as caught:
        Task(**changes)
    assert str(caught.value) == sentence
    with pytest.raises(AdaptAugError):
        Task().but(**changes)


def test_range_draws_log_uniformly_and_reaches_both_ends() -> None:
    tasks = TaskRange(Task(), steps=(2, 8), n_train=(5, 5))
    random = np.random.default_rng(0)
    drawn = [tasks.draw(random) for _ in range(2000)]
    steps = np.array([task.steps for task in drawn])
    assert set(steps) == set(range(2, 9))
    assert {task.n_train for task in drawn} == {5}
    # log-uniform: as many between 2 and 4 as between 4 and 8
    assert (steps < 4).mean() + (steps == 4).mean() / 2 == pytest.approx(0.5, abs=0.05)


def test_one_seed_draws_the_same_tasks() -> None:
    tasks = TaskRange(Task(), steps=(100, 800), n_train=(50, 400))
    first, second = (
        [tasks.draw(random) for _ in range(5)]
        for random in (np.random.default_rng(3), np.random.default_rng(3))
    )
    assert first == second


def test_plain_data_round_trip_is_exact() -> None:
    tasks = TaskRange(Task(dataset="toy", rows=(0, 500)), steps=(100, 800), n_train=(50, 50))
    data = json.loads(json.dumps(tasks.to_dict()))
    again = TaskRange.from_dict(data)
    assert (again.steps, again.n_train) == (tasks.steps, tasks.n_train)
    assert again.task.rows == (0, 500)
    assert again.to_dict() == tasks.to_dict()
    assert [again.draw(np.random.default_rng(s)) for s in range(5)] == [
        tasks.draw(np.random.default_rng(s)) for s in range(5)
    ]


def test_data_sets_of_a_family_are_drawn_by_their_seeds() -> None:
    data = {"dataset": "shapes?seed=3-5", "steps": [10, 20]}
    tasks = TaskRange.from_dict(data)
    random = np.random.default_rng(0)
    drawn = {tasks.draw(random).dataset for _ in range(50)}
    assert drawn == {"shapes?seed=3", "shapes?seed=4", "shapes?seed=5"}
    assert tasks.task.dataset == "shapes?seed=3"
    assert tasks.to_dict()["dataset"] == "shapes?seed=3-5"
    assert TaskRange.from_dict(tasks.to_dict()) == tasks


def test_one_number_is_a_range_of_one() -> None:
    tasks = TaskRange.from_dict({"steps": 20, "n_train": np.int64(30)})
    assert (tasks.steps, tasks.n_train) == ((20, 20), (30, 30))
    assert tasks.draw(np.random.default_rng(0)) == Task(steps=20, n_train=30)
    assert TaskRange.from_dict({}).draw(np.random.default_rng(0)) == Task()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"colour": "red"}, "got \\['colour'\\]"),
        ({"steps": (5, 4)}, "steps must be a range of ascending positive numbers, got \\(5, 4\\)"),
        ({"n_train": (0, 4)}, "n_train must be a range .*, got \\(0, 4\\)"),
        ({"steps": "many"}, "must be a whole number or a pair of them, got 'many'"),
        ({"steps": None}, "must be a whole number or a pair of them, got None"),
        ({"steps": (1, 2, 3)}, "must be a whole number or a pair of them, got \\(1, 2, 3\\)"),
        ({"steps": "12"}, "must be a whole number or a pair of them, got '12'"),
        ({"steps": [4.9, 20]}, "must be a whole number or a pair of them, got \\[4.9, 20\\]"),
        ({"rows": [0]}, "must be a whole number or a pair of them, got \\[0\\]"),
        ({"dataset": 7}, "dataset must be a name, got 7"),
        ({"dataset": "shapes?seed=5-3"}, "a range of seeds must ascend, got 'shapes.seed=5-3'"),
        ({"steps": (5, 50), "decision_interval": 10}, "between 1 and the run's 5 steps, got 10"),
    ],
)
def test_wrong_range_is_refused(data: dict[str, Any], sentence: str) -> None:
    with pytest.raises(AdaptAugError, match=sentence):
        TaskRange.from_dict(data)
