"""Search, transfer and sweep from the command line: tiny trainings that write real files."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from adaptaug.data import load
from adaptaug.policy.cost import CostTable
from adaptaug.policy.network import PolicyNetwork
from adaptaug.policy.policy import Policy, load_policy, save_policy
from adaptaug.training.task import Task
from experiments import sweep_ops, train_policy, transfer_policy
from experiments.transfer_policy import search_objective

SMALL = [
    "--episodes", "36", "--steps", "16", "--n-train", "50", "--seeds", "2",
    "--training.processes", "0", "--training.width", "4",
]  # fmt: skip
RUN_FOLDER = {"config.json", "checkpoints", "policy", "summary.json", "report.md"}


@pytest.mark.slow
def test_search_and_transfer_write_complete_run_folders(here: Path, call, capsys) -> None:
    assert call(train_policy, "--name", "a", *SMALL, "--warm-start-share", "0.5") == 0
    run = here / "runs" / "a"
    names = {path.name for path in run.iterdir()}
    assert names >= RUN_FOLDER
    assert any(name.startswith("events.out") for name in names)
    summary = json.loads((run / "summary.json").read_text())
    task = {"dataset": "digits", "child": "cnn", "n_train": 50, "steps": 16, "modality": "image"}
    assert summary["task"] == task
    assert summary["search"]["episodes"] == 36
    arms = {
        "none", "constant", "ramp", "random", "crop", "crop and flip", "RandAugment",
        "TrivialAugment", "none on all labels", "untrained policy", "warm start", "learned",
        "replay", "best constant",
    }  # fmt: skip
    assert set(summary["arms"]) == arms
    assert load_policy(run / "checkpoints" / "warm_start").provenance["episodes"] == 18
    pool = len(load("digits").train)
    trainings, labels = ({arm: summary["arms"][arm][key] for arm in arms} for key in
                         ("trainings", "labels"))  # fmt: skip
    assert trainings == dict.fromkeys(arms, 0) | {
        "learned": 36, "warm start": 18, "replay": 41, "best constant": 12,
    }  # fmt: skip
    assert labels == dict.fromkeys(arms, 50) | {
        "none on all labels": 550,
        **dict.fromkeys(("learned", "warm start", "replay", "best constant"), pool),
    }  # fmt: skip
    assert summary["learned_minus"]["none"]["n"] == 2
    for arm, scores in summary["arms"].items():
        assert scores["score"] == scores["accuracy"], arm
    table = capsys.readouterr().out
    assert all(arm in table for arm in arms)
    assert "cost  trainings  labels" in table

    code = call(
        transfer_policy, "--name", "b", "--policy", "runs/a/policy",
        "--budgets", "50x16", "60x8", "--seeds", "2", "--adapt", "12", "--constant-trainings", "12",
        "--more", "again", "runs/a/policy", "--training.processes", "0", "--training.width", "4",
    )  # fmt: skip
    assert code == 0
    summary = json.loads((here / "runs" / "b" / "summary.json").read_text())
    assert [entry["task"]["steps"] for entry in summary["budgets"]] == [16, 8]
    found = {"zero-shot", "learned", "again", "best constant", "warm start", "replay"}
    for entry in summary["budgets"]:
        assert found | {"none on all labels"} <= set(entry["arms"])
        assert {scores["score"]["n"] for scores in entry["arms"].values()} == {2}
    assert summary["arms"]["learned"]["trainings"] == 36 + 12
    assert summary["arms"]["zero-shot"]["trainings"] == 36
    assert summary["budgets"][1]["arms"]["none on all labels"]["labels"] == 560
    assert list((here / "runs" / "b").glob("events.out*"))
    assert load_policy(here / "runs" / "b" / "policy").provenance["dataset"] == "digits"

    # The same name again, and a search resumed with another seed.
    before = (run / "summary.json").read_bytes()
    assert call(train_policy, "--name", "a", *SMALL) == 2
    assert "exists already" in capsys.readouterr().err
    resumed = ("--warm-start-share", "0.5", "--resume", "--seed", "7")
    assert call(train_policy, "--name", "a", *SMALL, *resumed) == 2
    assert "seed" in capsys.readouterr().err
    assert (run / "summary.json").read_bytes() == before


@pytest.mark.slow
def test_terminated_search_leaves_a_policy_and_no_worker(tmp_path: Path) -> None:
    """A cluster's scheduler ends a job with SIGTERM to the parent process only."""
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments.train_policy", *SMALL[2:8], "--episodes", "1000",
         "--training.width", "4", "--training.processes", "2"],
        stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    try:
        checkpoint = tmp_path / "runs" / "digits" / "checkpoints" / "last.safetensors"
        assert _wait(lambda: checkpoint.exists() or process.poll() is not None)
        process.terminate()
        errors = process.communicate(timeout=60)[1]
        assert process.returncode == 130, errors
        assert "interrupted after" in errors
        assert "policy: runs/digits/policy" in errors
        assert _wait(lambda: not _alive(process.pid))
    finally:
        if _alive(process.pid):
            os.killpg(process.pid, signal.SIGKILL)


def _wait(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 120
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


def _alive(group: int) -> bool:
    """Whether any process of the group still runs."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_sweep_has_a_row_for_each_op_that_suits_the_data(here: Path, call, capsys) -> None:
    code = call(
        sweep_ops, "--steps", "8", "--seeds", "2", "--ops", "rotate", "hue",
        "--training.processes", "0", "--training.width", "4",
    )  # fmt: skip
    assert code == 0
    table = capsys.readouterr().out
    assert "rotate 0.8" in table
    assert "hue" not in table  # digits are grayscale


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dataset", "lexicon", "arms", "ops"),
    [
        ("opinions", None, set(), {"swap", "deletion", "masking"}),
        ("opinions", "opinions", {"EDA"},
         {"synonym", "insertion", "swap", "deletion", "masking"}),
        ("mentions", None, set(), {"labelwise", "mention", "segments", "masking"}),
    ],
)  # fmt: skip
def test_search_and_transfer_on_sentences_use_the_ops_and_arms_of_the_modality(
    here: Path, call, capsys, dataset: str, lexicon: str | None, arms: set, ops: set
) -> None:
    kind = ["--dataset", dataset] + ([] if lexicon is None else ["--training.lexicon", lexicon])
    assert call(train_policy, "--name", "a", *kind, *SMALL) == 0
    said = capsys.readouterr().out
    assert ("need synonyms" in said) == (lexicon is None)
    summary = json.loads((here / "runs" / "a" / "summary.json").read_text())
    assert set(summary["arms"]) == arms | {
        "none", "constant", "ramp", "random", "untrained policy", "learned", "best constant",
        "none on all labels", "replay",
    }  # fmt: skip
    assert set(load_policy(here / "runs" / "a" / "policy").ops) == ops
    metric = "f1" if dataset == "mentions" else "accuracy"
    assert all(scores["score"] == scores[metric] for scores in summary["arms"].values())
    assert ("F1 %" in said) == (metric == "f1")
    code = call(
        transfer_policy, "--name", "b", "--policy", "runs/a/policy", *kind,
        "--budgets", "50x16", "60x8", "--seeds", "2",
        "--training.processes", "0", "--training.width", "4",
    )  # fmt: skip
    assert code == 0
    assert "60 examples, 8 steps" in capsys.readouterr().out


def test_sweep_on_sentences_has_a_row_for_eda(here: Path, call, capsys) -> None:
    code = call(
        sweep_ops, "--dataset", "opinions", "--training.lexicon", "opinions",
        "--steps", "8", "--seeds", "2", "--magnitudes", "0.5",
        "--training.processes", "0", "--training.width", "4",
    )  # fmt: skip
    assert code == 0
    rows = [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()]
    assert {"none", "synonym 0.5", "insertion 0.5", "masking 0.5", "EDA"} <= set(rows)
    assert not {"eda 0.5", "rotate 0.5", "mention 0.5"} & set(rows)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--dataset", "opinions", "--training.child", "cnn"], "a child for text data"),
        (["--dataset", "opinions", "--training.lexicon", "no-such-file"], "no-such-file"),
        (["--dataset", "opinions", "--ops", "rotate"], "some op must suit text data"),
        (["--dataset", "opinions", "--ops", "rotate", "synonym"], "some op must suit text data"),
        (["--training.metric", "bleu"], "metric must be one of"),
        (["--training.max-tokens", "0"], "max_tokens must be at least 1"),
        (["--dataset", "./no/such/folder"], "./no/such/folder"),
        (["--ops", "rotate", "spin"], "'spin'"),
        (["--training.child", "transformer"], "child must be one of"),
        (["--n-train", "5000"], "5000"),
        (["--n-train", "3"], "class"),
        (["--steps", "0"], "steps"),
        (["--resume"], "config.json"),
        (["--tasks", "none.json"], "none.json"),
        (["--seeds", "0"], "seeds must be at least 1"),
        (["--warm-start-share", "1"], "warm_start_share must lie in [0, 1), got 1"),
        (["--min-epochs-share", "-0.1"], "min_epochs_share must lie in [0, 1), got -0.1"),
        (
            ["--warm-start-share", "0.5", "--min-epochs-share", "0.5"],
            "must leave a share for PPO, got 0.5",
        ),
        (["--seed", "-1"], "seed must lie in 0..4294967295, got -1"),
        (["--cost-weight", "nan"], "cost_weight must be a number of at least 0, got nan"),
        (["--constant-share", "inf"], "constant_share must be a number of at least 0, got inf"),
        (["--training.device", "cuda:99"], "device"),
        (["--training.processes", "-1"], "processes"),
        (["--dataset"], "datasets"),
        (["--name", ""], "name must be the name of a folder in runs/, got ''"),
        (["--name", "../bad"], "name must be the name of a folder in runs/, got '../bad'"),
    ],
)
def test_mistake_is_a_one_sentence_error_and_writes_nothing(
    here: Path, call, capsys, arguments: list[str], sentence: str
) -> None:
    assert call(train_policy, "--name", "bad", *arguments) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ")
    assert sentence in error
    assert "\n" not in error
    assert not (here / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--policy", "nowhere"], "nowhere"),
        (["--policy", "."], "config.json"),
    ],
)
def test_transfer_without_a_readable_policy_is_an_error(
    here: Path, call, capsys, arguments: list[str], sentence: str
) -> None:
    assert call(transfer_policy, *arguments) == 2
    assert sentence in capsys.readouterr().err
    assert not (here / "runs").exists()


def test_random_search_of_a_transfer_allows_runs_shorter_than_the_decision_interval() -> None:
    tasks = [Task(steps=400, decision_interval=50), Task(steps=20, decision_interval=20)]
    policy = Policy(PolicyNetwork(1), ("rotate",))
    objective = search_objective(policy, tasks, CostTable(), transfer_policy.Options("policy"))
    assert objective.tasks[0].task.decision_interval == 20


def test_random_search_of_a_transfer_uses_the_cost_weight_of_the_policys_search() -> None:
    policy = Policy(PolicyNetwork(1), ("rotate",), provenance={"cost_weight": 2})

    def price(policy: Policy, **given: float) -> float:
        options = transfer_policy.Options("policy", **given)
        return search_objective(policy, [Task()], CostTable(), options).cost_weight

    assert price(policy) == 2
    assert price(policy, cost_weight=0.5) == 0.5
    assert price(replace(policy, provenance={})) == 0.05


def test_transfer_rejects_a_wrong_range_before_it_writes(here: Path, call, capsys) -> None:
    arguments = ["--policy", "digits", "--adapt", "12", "--adapt-steps", "30", "10"]
    assert call(transfer_policy, "--name", "bad", *arguments) == 2
    assert "steps must be a range of ascending" in capsys.readouterr().err
    assert not (here / "runs").exists()


def test_transfer_rejects_epochs_below_one(here: Path, call, capsys) -> None:
    assert call(transfer_policy, "--policy", "digits", "--epochs", "5", "-3") == 2
    assert "epochs must be at least 1, got -3" in capsys.readouterr().err
    assert not (here / "runs").exists()


@pytest.mark.slow
def test_resumed_search_rejects_other_tasks(here: Path, call, capsys) -> None:
    tasks = here / "tasks.json"
    tasks.write_text('[{"n_train": 50, "steps": [4, 16]}]')
    assert call(train_policy, "--name", "a", *SMALL, "--tasks", "tasks.json") == 0
    tasks.write_text('[{"n_train": 100, "steps": [4, 16]}]')
    assert call(train_policy, "--name", "a", *SMALL, "--tasks", "tasks.json", "--resume") == 2
    assert "got another searched_over" in capsys.readouterr().err


def test_search_range_has_at_least_one_example_per_class() -> None:
    (few,) = train_policy.Options(n_train=15).task_ranges()
    assert few.n_train == (10, 60)


@pytest.mark.slow
def test_strong_baselines_are_searched_at_every_budget(here: Path, call, capsys) -> None:
    provenance = {"episodes": 13}
    save_policy(here / "policy", Policy(PolicyNetwork(1), ("rotate",), provenance=provenance))
    code = call(
        transfer_policy, "--name", "b", "--policy", "policy", "--budgets", "50x8", "50x4",
        "--no-defaults", "--strong", "--seeds", "2", "--training.processes", "0",
        "--training.width", "4", "--training.n-validation", "100",
    )  # fmt: skip
    assert code == 0
    assert "13 child trainings each, as many as the policy had" in capsys.readouterr().out
    summary = json.loads((here / "runs" / "b" / "summary.json").read_text())
    for entry in summary["budgets"]:
        names = {"none", "crop and flip", "learned", "best constant (GP)", "best ramp"}
        assert set(entry["arms"]) == names
        assert entry["arms"]["best ramp"]["trainings"] == 12
        assert entry["arms"]["best ramp"]["labels"] == 50 + 2 * 150
        assert set(entry["found"]["best ramp"]["magnitudes"]) == {"rotate"}


def test_labels_fix_one_pool_for_search_evaluation_adaptation_and_baselines() -> None:
    searched = train_policy.Options(n_train=100, labels=600)
    (item,) = searched.task_ranges()
    assert item.task.rows == searched.task("digits", 100, 400).rows == (0, 600)
    assert item.n_train == (50, 100)  # what 500 held-out examples leave
    assert train_policy.Options(n_train=100).task_ranges()[0].task.rows is None
    options = transfer_policy.Options("digits", n_train=(50, 100), labels=600)
    tasks = options.tasks()
    assert {task.rows for task in tasks} == {(0, 600)}
    objective = search_objective(Policy(PolicyNetwork(1), ("rotate",)), tasks, CostTable(), options)
    assert {item.task.rows for item in objective.tasks} == {(0, 600)}
    slice_of_rows = replace(options, rows=(200, 1000), labels=700)
    assert slice_of_rows.tasks()[0].rows == (200, 900)


@pytest.mark.parametrize(
    ("script", "arguments", "sentence"),
    [
        (train_policy, ["--labels", "90"], "n-validation) must fit in the pool of 90 rows"),
        (train_policy, ["--labels", "5000"], "rows must satisfy"),
        (train_policy, ["--labels", "600", "--tasks", "tasks.json"], "without --tasks"),
        (transfer_policy, ["--policy", "digits", "--labels", "5000"], "labels must lie in 1.."),
        (transfer_policy, ["--policy", "digits", "--labels", "90"], "the pool of 90 rows"),
    ],
)
def test_labels_that_do_not_suffice_are_an_error(
    here: Path, call, capsys, script, arguments: list[str], sentence: str
) -> None:
    assert call(script, "--name", "bad", *arguments) == 2
    assert sentence in capsys.readouterr().err
    assert not (here / "runs").exists()


def test_transfer_rejects_a_policy_without_an_op_for_the_data(here: Path, call, capsys) -> None:
    save_policy(here / "policy", Policy(PolicyNetwork(1), ("rotate",)))
    arguments = ["--policy", "policy", "--dataset", "opinions", "--name", "bad"]
    assert call(transfer_policy, *arguments) == 2
    assert "some op must suit text data, got rotate" in capsys.readouterr().err
    assert not (here / "runs").exists()
