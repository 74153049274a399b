"""Tables and figures of a comparison, against numbers worked out by hand."""

import pytest

from adaptaug.evaluation.statistics import summarise
from adaptaug.training.task import Task
from experiments.reports.comparison_report import (
    adapts,
    interval_rows,
    learned_rows,
    overview_rows,
    robustness_rows,
    score_rows,
    slugs,
    write_comparison,
)
from experiments.reports.figures import unbeaten

TASK = {"dataset": "data/digits", "child": "cnn", "n_train": 100, "steps": 400}


def records(accuracy: dict, seeds: int = 3) -> list[dict]:
    return [
        {
            "arm": arm, "seed": seed, "accuracy": mean + seed / 1000, "f1": 0.5, "precision": 0.25,
            "recall": 0.75, "loss": 1.5, "seconds": 1.0 if arm == "none" else 2.0,
            "controller_seconds": 0.5, "robustness": {"clean": 0.5, "noise/1": 0.4, "noise/2": 0.2},
            "ops": ["rotate"], "magnitudes": [[0.0], [0.0]] if arm == "none" else [[0.5], [0.1]],
        }
        for arm, mean in accuracy.items()
        for seed in range(seeds)
    ]  # fmt: skip


def entry_of(accuracy: dict, **task) -> dict:
    found = records(accuracy)
    entry = {
        "name": "a",
        "task": TASK | task,
        "settings": {},
        "chance": 0.1,
        "seeds": [0, 1, 2],
        "notes": [],
    }
    return entry | summarise(found)


def test_scores_by_hand() -> None:
    heading, best, plain = score_rows(entry_of({"none": 0.5, "learned": 0.6}))
    assert heading == (
        "arm", "accuracy %", "95% interval", "F1 %", "precision %", "recall %", "test loss",
        "minus none", "p", "seconds", "cost", "controller",
    )  # fmt: skip
    assert best[:2] == ("learned", "60.1")
    assert best[3:7] == ("50.0", "25.0", "75.0", "1.500")
    assert best[7] == "+10.0 [+10.0, +10.0]"
    assert float(best[8]) <= 1
    assert best[9:11] == ("2.0", "2.00")
    assert plain[7:11] == ("", "", "1.0", "1.00")


def test_intervals_by_hand() -> None:
    entry = entry_of({"none": 0.5})
    entry["arms"]["none"]["loss"]["ci95"] = [1.25, 1.625]
    assert interval_rows(entry) == [
        ("arm", "F1 %", "precision %", "recall %", "test loss", "seconds"),
        ("none", "50.0 to 50.0", "25.0 to 25.0", "75.0 to 75.0", "1.25 to 1.62", "1 to 1"),
    ]


def test_intervals_of_tagging_leave_out_the_score_in_front() -> None:
    tagging = interval_rows(entry_of({"none": 0.5}, modality="tagging"))
    assert tagging[0][1:4] == ("accuracy %", "precision %", "recall %")
    assert tagging[1][1] == "50.0 to 50.2"


def test_severities_are_averaged() -> None:
    rows = robustness_rows(entry_of({"none": 0.5}))
    assert rows == [("arm", "clean", "noise"), ("none", "50.0", "30.0")]


def test_marks_against_none_and_against_the_learned_policy() -> None:
    entries = [entry_of({"none": 0.5, "learned": 0.6, "bad": 0.4}), entry_of({"none": 0.5})]
    entries[1]["task"] = TASK | {"steps": 100}
    assert overview_rows(entries) == [
        ("arm", "400 steps", "100 steps"),
        ("none", "50.1", "50.1"),
        ("learned", "60.1 ▲", ""),
        ("bad", "40.1 ▼", ""),
    ]
    assert learned_rows(entries[0])[1:] == [
        ("none", "+10.0 [+10.0, +10.0]", "better"),
        ("bad", "+20.0 [+20.0, +20.0]", "better"),
    ]


def test_tagging_is_judged_by_f1() -> None:
    rows = score_rows(entry_of({"none": 0.9}, modality="tagging"))
    assert rows[0][1] == "F1 %"
    assert rows[1][1] == "50.0"
    assert "accuracy %" in rows[0]


@pytest.mark.filterwarnings("error")
def test_report_says_who_is_no_better_than_chance_and_what_was_noted(tmp_path) -> None:
    entry = entry_of({"none": 0.5, "lost": 0.05})
    entry |= {"notes": ["generated: held at 0"], "more": {"title": "More", "text": "and more"}}
    summary = {"title": "a test", "notes": ["less"], "command": "run", "tasks": [entry]}
    found = records({"none": 0.5, "lost": 0.05})
    text = write_comparison(tmp_path, summary, [found]).read_text()
    assert "Chance is 10.0%; **no better than that: lost.**" in text
    assert "Worse: lost." in text
    assert "**generated: held at 0**" in text
    assert "### More\n\nand more" in text
    assert "With so few seeds (3)" in text
    assert {path.name for path in tmp_path.glob("*.png")} == {
        "accuracy-a.png", "cost-a.png", "magnitudes-a-lost.png", "robustness-a.png",
    }  # fmt: skip


def test_the_search_of_the_best_constant_is_told_with_its_lambda(tmp_path) -> None:
    search = {"constant_trainings": 12, "cost_weight": 0.2, "constant": {"rotate": 0.5}}
    entry = entry_of({"none": 0.5}) | {"search": search}
    summary = {"title": "a test", "notes": [], "command": "run", "tasks": [entry]}
    text = write_comparison(tmp_path, summary, [records({"none": 0.5})]).read_text()
    assert "best constant: trainings 12, cost weight 0.2, rotate 0.5" in text


def test_every_task_has_a_name_of_its_own() -> None:
    datasets = ("data/digits?size=32&mode=RGB", "a/mnist", "b/mnist/", "c/mnist")
    assert slugs([*(Task(dataset, 100, 400) for dataset in datasets), Task("mnist", 100, 40)]) == [
        "digits-size-32-mode-RGB-cnn-100x400", "mnist-cnn-100x400", "mnist-cnn-100x400-2",
        "mnist-cnn-100x400-3", "mnist-cnn-100x40",
    ]  # fmt: skip


def test_only_what_varies_over_a_run_adapts() -> None:
    found = records({"none": 0.5, "reactive": 0.5, "ramp": 0.5})
    assert [adapts(arm, found) for arm in ("none", "reactive", "ramp")] == [False, True, False]


def test_the_unbeaten_by_hand() -> None:
    points = [(1.0, 50.0), (2.0, 60.0), (1.5, 40.0), (3.0, 60.0), (0.5, 10.0), (2.0, 55.0)]
    assert unbeaten(points) == [(0.5, 10.0), (1.0, 50.0), (2.0, 60.0)]
