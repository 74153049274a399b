"""Tables and figures of a comparison, compared with numbers computed by hand."""

import pytest

from adaptaug.evaluation.statistics import summarise
from experiments.reports.comparison_report import (
    interval_rows,
    learned_rows,
    overview_rows,
    robustness_rows,
    score_rows,
    varies,
    write_comparison,
)
from experiments.reports.figures import pareto_front

TASK = {"dataset": "data/digits", "child": "cnn", "n_train": 100, "steps": 400}


def records(accuracy: dict, seeds: int = 7) -> list[dict]:
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


def entry_of(accuracy: dict, seeds: int = 7, **task) -> dict:
    found = records(accuracy, seeds)
    entry = {
        "name": "a",
        "task": TASK | task,
        "settings": {},
        "chance": 0.1,
        "seeds": list(range(seeds)),
        "notes": [],
    }
    return entry | summarise(found, "f1" if task.get("modality") == "tagging" else "accuracy")


def test_score_rows_match_hand_computation() -> None:
    heading, best, plain = score_rows(entry_of({"none": 0.5, "learned": 0.6}))
    assert heading == (
        "arm", "accuracy %", "95% interval", "F1 %", "precision %", "recall %", "test loss",
        "minus none", "p", "seconds", "cost", "controller",
    )  # fmt: skip
    assert best[:2] == ("learned", "60.3")
    assert best[3:7] == ("50.0", "25.0", "75.0", "1.500")
    assert best[7] == "+10.0 [+10.0, +10.0]"
    assert best[8] == "<0.001"
    assert best[9:11] == ("2.0", "2.00")
    assert plain[7:11] == ("", "", "1.0", "1.00")


def test_interval_rows_match_hand_computation() -> None:
    entry = entry_of({"none": 0.5})
    entry["arms"]["none"]["loss"]["ci95"] = [1.25, 1.625]
    assert interval_rows(entry) == [
        ("arm", "F1 %", "precision %", "recall %", "test loss", "seconds"),
        ("none", "50.0 to 50.0", "25.0 to 25.0", "75.0 to 75.0", "1.25 to 1.62", "1 to 1"),
    ]


def test_interval_rows_omit_the_score_that_score_rows_have() -> None:
    tagging = interval_rows(entry_of({"none": 0.5}, modality="tagging"))
    assert tagging[0][1:4] == ("accuracy %", "precision %", "recall %")
    assert tagging[1][1] == "50.1 to 50.5"


def test_robustness_rows_average_over_severities() -> None:
    rows = robustness_rows(entry_of({"none": 0.5}))
    assert rows == [("arm", "clean", "noise"), ("none", "50.0", "30.0")]


def test_overview_marks_compare_with_none_and_learned_rows_with_the_policy() -> None:
    entries = [entry_of({"none": 0.5, "learned": 0.6, "bad": 0.4}), entry_of({"none": 0.5})]
    entries[1]["task"] = TASK | {"steps": 100}
    assert overview_rows(entries) == [
        ("arm", "400 steps", "100 steps"),
        ("none", "50.3", "50.3"),
        ("learned", "60.3 ▲", ""),
        ("bad", "40.3 ▼", ""),
    ]
    assert learned_rows(entries[0])[1:] == [
        ("none", "+10.0 [+10.0, +10.0]", "better"),
        ("bad", "+20.0 [+20.0, +20.0]", "better"),
    ]


def test_score_of_tagging_is_f1() -> None:
    rows = score_rows(entry_of({"none": 0.9}, modality="tagging"))
    assert rows[0][1] == "F1 %"
    assert rows[1][1] == "50.0"
    assert "accuracy %" in rows[0]


def test_notes_under_tables_name_the_metric(tmp_path) -> None:
    entries = [entry_of({"none": 0.9}, modality="tagging"), entry_of({"none": 0.9}) | {"name": "b"}]
    summary = {"title": "a test", "notes": [], "command": "run", "tasks": entries}
    text = write_comparison(tmp_path, summary, 2 * [records({"none": 0.9})]).read_text()
    assert "\n\nTest accuracy or F1 in per cent. ▲" in text
    assert "\n\nTest F1 in per cent on clean" in text
    assert "\n\nTest accuracy in per cent on clean" in text


@pytest.mark.filterwarnings("error")
def test_report_names_arms_at_chance_level_and_shows_notes(tmp_path) -> None:
    entry = entry_of({"none": 0.5, "lost": 0.05}, seeds=7)
    entry |= {"notes": ["generated: held at 0"], "more": {"title": "More", "text": "and more"}}
    summary = {"title": "a test", "notes": ["less"], "command": "run", "tasks": [entry]}
    found = records({"none": 0.5, "lost": 0.05})
    text = write_comparison(tmp_path, summary, [found]).read_text()
    assert "Chance level: 10.0%; **not above it: lost.**" in text
    assert "Worse: lost." in text
    assert "**generated: held at 0**" in text
    assert "### More\n\nand more" in text
    assert "With so few seeds" not in text
    assert {path.name for path in tmp_path.glob("*.png")} == {
        "scores-a.png", "cost-a.png", "magnitudes-a-lost.png", "robustness-a.png",
    }  # fmt: skip


@pytest.mark.filterwarnings("error")
def test_report_of_one_seed_has_means_without_intervals(tmp_path) -> None:
    entry = entry_of({"none": 0.5, "learned": 0.6}, seeds=1)
    summary = {"title": "a test", "notes": [], "command": "run", "tasks": [entry]}
    found = records({"none": 0.5, "learned": 0.6}, seeds=1)
    text = write_comparison(tmp_path, summary, [found]).read_text()
    assert "Better than none: no arm. Tied: learned. Worse: no arm." in text
    assert "With so few seeds (1) every difference counts as a tie" in text
    assert "| **learned** | 60.0 |  | 50.0 | 25.0 | 75.0 | 1.500 | +10.0 |  |" in text
    assert "not above it" not in text


@pytest.mark.parametrize(("tasks", "mark"), [(2, "▲"), (3, "=")])
def test_marks_of_tasks_are_corrected_over_arms_and_tasks(tmp_path, tasks, mark) -> None:
    # On each task the arm is above none with p = 0.0205. Two tasks double it, three triple it.
    noise = [-0.02, 0.01, 0.0, 0.02, -0.01, 0.03, 0.0]
    found = records({"none": 0.5, "good": 0.5})
    for record in found:
        if record["arm"] == "good":
            record["accuracy"] += 0.016 + noise[record["seed"]]
    entries = [entry_of({"none": 0.5}) | summarise(found) for _ in range(tasks)]
    for number, entry in enumerate(entries):
        entry |= {"name": f"task-{number}", "task": TASK | {"steps": 100 + number}}
    summary = {"title": "a test", "notes": [], "command": "run", "tasks": entries}
    text = write_comparison(tmp_path, summary, tasks * [found]).read_text()
    assert f"| good | {' | '.join(tasks * [f'52.3 {mark}'])} |" in text
    better = "good" if mark == "▲" else "no arm"
    assert text.count(f"Better than none: {better}.") == tasks


def test_report_shows_the_search_for_the_best_constant(tmp_path) -> None:
    search = {"constant_trainings": 12, "cost_weight": 0.2, "constant": {"rotate": 0.5}}
    entry = entry_of({"none": 0.5}) | {"search": search}
    summary = {"title": "a test", "notes": [], "command": "run", "tasks": [entry]}
    text = write_comparison(tmp_path, summary, [records({"none": 0.5})]).read_text()
    assert "best constant: trainings 12, cost weight 0.2, rotate 0.5" in text


def test_magnitudes_vary_only_under_adaptive_arms() -> None:
    found = records({"none": 0.5, "reactive": 0.5, "ramp": 0.5})
    assert [varies(arm, found) for arm in ("none", "reactive", "ramp")] == [False, True, False]


def test_pareto_front_matches_hand_computation() -> None:
    points = [(1.0, 50.0), (2.0, 60.0), (1.5, 40.0), (3.0, 60.0), (0.5, 10.0), (2.0, 55.0)]
    assert pareto_front(points) == [(0.5, 10.0), (1.0, 50.0), (2.0, 60.0)]
