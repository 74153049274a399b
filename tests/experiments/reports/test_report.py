"""Tables and figures of a report, compared with numbers computed by hand."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.statistics import summarise
from experiments.reports.drawing import draw_interval, label_points, new_figure
from experiments.reports.report import arms_table, write_report
from experiments.reports.tables import budget_rows, difference_text

TASK = {"dataset": "digits", "child": "cnn", "n_train": 100, "steps": 1600}
OPS = ["rotate", "hflip", "noise"]


def records(accuracy, seeds=7, task=TASK):
    """Records in which every seed adds a thousandth to each arm's accuracy."""
    return [
        {
            "arm": arm,
            "seed": seed,
            "accuracy": mean + seed / 1000,
            "f1": mean,
            "seconds": 1.0 if arm == "none" else 1.5,
            "ops": OPS,
            "magnitudes": [[0.5, 0.0, 0.25], [0.1, 0.0, 0.25]][: 2 - seed % 2],  # one stops early
            **task,
        }
        for arm, mean in accuracy.items()
        for seed in range(seeds)
    ]


def report_of(accuracy, **more):
    found = records(accuracy)
    return {"task": TASK, **summarise(found), **more}, found


ACCURACY = {"none": 0.875, "learned": 0.9, "best constant": 0.9, "RandAugment": 0.925}


def test_arms_table_matches_hand_computation():
    summary, _ = report_of(ACCURACY)

    assert arms_table(summary) == (
        "arm            accuracy %  95% interval  learned minus arm  learned is  cost\n"
        "RandAugment          92.8  92.6 to 93.0  -2.5 [-2.5, -2.5]       worse  1.50\n"
        "learned              90.3  90.1 to 90.5                                 1.50\n"
        "best constant        90.3  90.1 to 90.5  +0.0 [+0.0, +0.0]         tie  1.50\n"
        "none                 87.8  87.6 to 88.0  +2.5 [+2.5, +2.5]      better  1.00"
    )


def test_tables_of_a_task_with_metric_f1_show_f1_and_the_accuracy_beside_it():
    found = records({"none": 0.875, "learned": 0.9})
    for record in found:
        record["f1"] = 0.5 if record["arm"] == "none" else 0.25
    summary = {"task": TASK | {"modality": "tagging"}, **summarise(found, "f1")}

    assert arms_table(summary) == (
        "arm      F1 %  95% interval     learned minus arm  learned is  accuracy %  cost\n"
        "none     50.0  50.0 to 50.0  -25.0 [-25.0, -25.0]       worse        87.8  1.00\n"
        "learned  25.0  25.0 to 25.0                                          90.3  1.50"
    )
    assert budget_rows([summary])[1] == ("none", "50.0 ▲", "50.0")


def test_arms_table_names_arms_with_diverged_runs():
    found = records({"none": 0.875, "learned": 0.9})
    assert "diverged" not in arms_table({"task": TASK, **summarise(found)})
    for record in found:
        record["diverged"] = record["arm"] == "learned" and record["seed"] == found[0]["seed"]
    seeds = len(found) // 2
    said = arms_table({"task": TASK, **summarise(found)}).splitlines()[-1]
    assert said == f"Diverged runs, scored as chance: learned 1 of {seeds}."


def test_arms_table_without_learned_and_none_leaves_cells_empty():
    summary, _ = report_of({"ramp": 0.5})

    assert arms_table(summary).splitlines()[1].split() == ["ramp", "50.3", "50.1", "to", "50.5"]


def test_budget_table_marks_arms_better_and_worse_than_the_learned_policy():
    budgets = []
    for steps, shift in ((100, 0.0), (400, 0.05)):
        task = TASK | {"steps": steps}
        found = records({"learned": 0.8, "none": 0.775 + shift, "ramp": 0.8}, task=task)
        budgets.append({"task": task, **summarise(found)})
    del budgets[1]["arms"]["ramp"]

    heading, *rows = budget_rows(budgets)

    assert heading == ("arm", "100 steps", "400 steps", "mean")
    assert ("none", "77.8 ▼", "82.8 ▲", "80.3") in rows
    assert ("learned", "80.3", "80.3", "80.3") in rows
    assert rows[-1] == ("ramp", "80.3 =", "", "")


def test_marks_of_budgets_are_corrected_over_arms_and_budgets(tmp_path):
    # At each budget the learned arm is above none with p = 0.0205, 0.041 after Holm's correction
    # over two arms. Over two budgets and arms the smallest p counts four times.
    noise = [-0.02, 0.01, 0.0, 0.02, -0.01, 0.03, 0.0]
    budgets = []
    for steps in (100, 400):
        found = records({"learned": 0.8, "none": 0.8, "ramp": 0.8}, task=TASK | {"steps": steps})
        for record in found:
            if record["arm"] == "none":
                record["accuracy"] -= 0.016 + noise[record["seed"]]
        budgets.append({"task": TASK | {"steps": steps}, **summarise(found)})
    assert ("none", "78.3 ▼", "78.3 ▼", "78.3") in budget_rows(budgets)
    summary = {**budgets[0], "budgets": budgets}

    text = write_report(tmp_path, summary, found).read_text()

    assert "| none | 78.3 = | 78.3 = | 78.3 |" in text
    assert "is better than: no arm. Tied with: none, ramp." in text
    written = json.loads((tmp_path / "summary.json").read_text())
    difference = written["budgets"][1]["learned_minus_score"]["none"]
    assert difference["p_holm"] == pytest.approx(4 * difference["p"])
    assert written["learned_minus_score"]["none"] == difference


@pytest.mark.filterwarnings("error")
def test_report_has_all_sections_and_figures(tmp_path):
    budgets = []
    for steps in (100, 1600):
        task = TASK | {"steps": steps}
        budgets.append({"task": task, **summarise(records(ACCURACY, task=task))})
    summary, found = report_of(
        ACCURACY,
        command="python -m experiments.train_policy --name digits",
        search={"episodes": 1440, "seconds": 310.25, "gains": {"fitted": 0.1}},
        budgets=budgets,
        min_epochs={"min_epochs": 3.0, "epochs": [2.0, 4.0, 8.0], "gains": [-0.1, 0.1, 0.2]},
    )

    path = write_report(tmp_path, summary, found)

    text = path.read_text()
    assert text.startswith("# AdaptAug: digits, cnn, 100 training examples, 1,600 steps\n")
    assert "reaches 90.3% accuracy" in text
    assert "better than: none. Tied with: best constant. Worse than: RandAugment." in text
    assert "- command: `python -m experiments.train_policy --name digits`" in text
    assert "- seeds (7): 0 to 6" in text
    assert "- search: episodes 1,440, seconds 310.2\n" in text
    assert "| **learned** | 90.3 | 90.1 to 90.5 |" in text
    assert "| none | 87.8 ▼ | 87.8 ▼ | 87.8 |" in text
    assert "With so few seeds" not in text
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    figures = ["scores", "budgets", "cost", "magnitudes", "min_epochs"]
    written = {"report.md", "summary.json", *(f"{name}.png" for name in figures)}
    assert {file.name for file in tmp_path.iterdir()} == written
    for name in figures:
        assert f"![{name}]({name}.png)\n\n" in text
        with Image.open(tmp_path / f"{name}.png") as image:
            assert image.format == "PNG"
            assert np.asarray(image.convert("L")).std() > 5  # something is drawn


@pytest.mark.filterwarnings("error")
def test_report_of_one_arm_and_one_seed_leaves_out_the_other_figures(tmp_path):
    found = records({"none": 0.5}, seeds=1)

    text = write_report(tmp_path, {"task": TASK, **summarise(found)}, found).read_text()

    assert "There is no learned policy among them." in text
    assert "| none | 50.0 |  |" in text  # no interval of one seed
    assert "With so few seeds (1) every difference counts as a tie" in text
    assert {path.name for path in tmp_path.glob("*.png")} == {"scores.png", "cost.png"}


def test_report_does_not_import_pyplot(tmp_path):
    summary, found = report_of(ACCURACY)
    before = "matplotlib.pyplot" in sys.modules

    write_report(tmp_path, summary, found)

    assert ("matplotlib.pyplot" in sys.modules) == before


def test_report_into_a_missing_folder_is_a_one_sentence_error(tmp_path):
    summary, found = report_of(ACCURACY)

    with pytest.raises(AdaptAugError, match="cannot write"):
        write_report(tmp_path / "missing", summary, found)


def test_interval_is_drawn_in_per_cent_not_as_a_fraction():
    axes = new_figure(4, 3, "title").subplots()

    draw_interval(axes, 2, {"mean": -0.5, "ci95": [-0.75, 0.25]}, "black", "+.1f")

    bar, dot = axes.get_lines()
    assert bar.get_xydata().tolist() == [[-75, 2], [25, 2]]
    assert dot.get_xydata().tolist() == [[-50, 2]]
    assert axes.texts[0].get_text() == "−50.0"


def test_one_value_is_drawn_as_a_point_without_a_bar():
    axes = new_figure(4, 3, "title").subplots()

    draw_interval(axes, 0, {"mean": 0.25, "ci95": None}, "black", ".1f")

    (dot,) = axes.get_lines()
    assert dot.get_xydata().tolist() == [[25, 0]]
    assert axes.texts[0].get_text() == "25.0"


def test_difference_of_one_pair_is_shown_without_an_interval():
    assert difference_text({"mean": -0.022, "ci95": None}) == "-2.2"
    assert difference_text({"mean": -0.022, "ci95": [-0.03, 0.01]}) == "-2.2 [-3.0, +1.0]"


def test_labels_of_close_points_do_not_overlap():
    draws = np.random.default_rng(0).normal(size=(14, 2)) * 0.01
    points = {f"arm number {i}": (1 + x, 90 + y) for i, (x, y) in enumerate(draws)}
    figure = new_figure(10, 6, "title")
    axes = figure.subplots()
    axes.plot(*zip(*points.values(), strict=True), "o")
    axes.plot([0.5, 1.5], [89.5, 90.5], alpha=0)  # all points lie in the middle

    label_points(figure, axes, points)

    boxes = [text.get_window_extent() for text in axes.texts]
    frame = axes.get_window_extent()
    assert sorted(text.get_text() for text in axes.texts) == sorted(points)
    for index, box in enumerate(boxes):
        assert frame.x0 <= box.x0
        assert box.x1 <= frame.x1
        assert not any(box.overlaps(other) for other in boxes[:index])
        assert not any(box.contains(*axes.transData.transform(p)) for p in points.values())
