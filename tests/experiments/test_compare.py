"""Arms over tasks in one table, from the command line."""

import json
from pathlib import Path

import pytest

from adaptaug.artefact import Policy, save_policy
from adaptaug.evaluation import Pool
from adaptaug.policy import PolicyNetwork
from experiments import compare
from experiments.cli import ChildOptions, main
from experiments.compare import read_task

SMALL = [
    "--seeds", "2", "--training.processes", "0", "--training.width", "4",
    "--training.n-test", "40", "--training.n-validation", "100",
]  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("cheap", "dear"):
        save_policy(tmp_path / name / "policy", Policy(PolicyNetwork(2), ("rotate", "hflip")))
    return tmp_path


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["compare.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        main(compare.Options, compare.run, compare.__doc__)
    return ended.value.code


def test_policies_and_rules_over_several_tasks(here: Path, monkeypatch, capsys) -> None:
    code = call(
        monkeypatch, "--name", "a", "--tasks", "digits:50x8", "digits:40x4", "opinions:50x4@bilstm",
        "--policy", "cheap/policy", "dear/policy", "--no-robustness",
        "--arms", "none", "constant", "learned", *SMALL,
    )  # fmt: skip
    assert code == 0
    run = here / "runs" / "a"
    summary = json.loads((run / "summary.json").read_text())
    images = {"none", "constant", "learned cheap", "learned dear"}
    arms = [set(entry["arms"]) for entry in summary["tasks"]]
    assert arms == [images, images, {"none", "constant"}]
    assert [entry["task"]["steps"] for entry in summary["tasks"]] == [8, 4, 4]
    records = json.loads((run / "records.json").read_text())
    assert len(records) == 2 * (4 + 4 + 2)
    assert {record["seed"] for record in records} == {1_000_000, 1_000_001}
    # The rules act on the policies' ops, and twins of one network do the same.
    assert {tuple(r["ops"]) for r in records if r["dataset"] == "digits"} == {("rotate", "hflip")}
    twins = [[r["accuracy"] for r in records if r["arm"] == f"learned {n}"] for n in
             ("cheap", "dear")]  # fmt: skip
    assert twins[0] == twins[1]
    report = (run / "report.md").read_text()
    assert "| arm | digits, cnn, 50 examples, 8 steps |" in report
    assert "### Against the learned policy" in report
    assert "### Robustness" not in report
    assert (run / "cost-digits-cnn-50x8.png").exists()
    assert "opinions-bilstm-50x4" in capsys.readouterr().out


def test_an_interruption_leaves_the_tasks_that_are_done(here: Path, monkeypatch, capsys) -> None:
    trained = Pool.run

    def run(pool: Pool, jobs, label, **more):
        if label == "task 2/2":
            raise KeyboardInterrupt
        return trained(pool, jobs, label, **more)

    monkeypatch.setattr(Pool, "run", run)
    code = call(
        monkeypatch,
        "--name",
        "a",
        "--tasks",
        "digits:50x8",
        "digits:50x4",
        "--arms",
        "none",
        *SMALL,
    )
    assert code == 130
    assert "interrupted after 1 of 2 tasks" in capsys.readouterr().err
    run_folder = here / "runs" / "a"
    assert len(json.loads((run_folder / "records.json").read_text())) == 2
    summary = json.loads((run_folder / "summary.json").read_text())
    assert [entry["task"]["steps"] for entry in summary["tasks"]] == [8]
    assert (run_folder / "report.md").exists()


def test_a_task_in_words() -> None:
    task = read_task("opinions:50x20", ChildOptions(lexicon="opinions"))
    assert (task.dataset, task.n_train, task.steps, task.child) == ("opinions", 50, 20, "bilstm")
    assert read_task("digits:50x20@resnet18", ChildOptions()).child == "resnet18"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--tasks", "digits"], "a task must read DATASET:N_TRAINxSTEPS[@CHILD], got 'digits'"),
        (["--tasks", "digits:100"], "a task must read"),
        (["--tasks", "digits:100x"], "a task must read"),
        (["--tasks", "digits:0x4"], "n_train must be at least 1"),
        (["--tasks", "digits:50x4@transformer"], "child must be one of"),
        (["--tasks", "./nowhere:50x4"], "./nowhere"),
        (["--arms", "none", "oracle"], "an arm must be one of none, crop and flip"),
        (["--arms", "EDA"], "an arm must suit one of the tasks, got 'EDA' for digits"),
        (["--arms", "learned"], "arm 'learned' needs a policy"),
        (["--arms", "best constant"], "constant_trainings must be at least 12"),
        (["--policy", "nowhere"], "nowhere"),
        (["--policy", "cheap/policy", "cheap/policy"], "folders of different names, got 'cheap'"),
        (["--tasks"], "tasks must be at least 1"),
        (["--arms"], "arms must be at least 1"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(
    here: Path, monkeypatch, capsys, arguments: list[str], sentence: str
) -> None:
    assert call(monkeypatch, "--name", "bad", *SMALL, *arguments) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ")
    assert sentence in error
    assert "\n" not in error
    assert not (here / "runs").exists()
