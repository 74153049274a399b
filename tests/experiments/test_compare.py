"""Comparisons of arms on tasks, from the command line."""

import json
from pathlib import Path

import pytest
import torch

from adaptaug.data import load
from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.train_child import Pool
from adaptaug.generative.ops import generated
from adaptaug.policy.cost import CostTable
from adaptaug.policy.network import START, PolicyNetwork, to_latent
from adaptaug.policy.policy import Policy, save_policy
from adaptaug.training.task import Task
from experiments import compare
from experiments.common.baselines import SEARCHED
from experiments.common.cli import EVALUATION_SEEDS, ChildOptions
from experiments.common.comparison import Comparison, evaluate
from experiments.compare import read_task

SMALL = [
    "--seeds", "2", "--training.processes", "0", "--training.width", "4",
    "--training.n-test", "40", "--training.n-validation", "100",
]  # fmt: skip


@pytest.fixture
def here(here: Path) -> Path:
    """An empty working directory with three policies."""
    ops = dict.fromkeys(("cheap", "dear"), ("rotate", "hflip")) | {"words": ("swap", "masking")}
    for name, own in ops.items():
        save_policy(here / name / "policy", Policy(PolicyNetwork(2), own))
    return here


def test_compare_evaluates_each_task_under_the_arms_that_suit_it(here: Path, call, capsys) -> None:
    code = call(
        compare, "--name", "a", "--tasks", "digits:50x8", "digits:40x4", "opinions:50x4@bilstm",
        "--policy", "words/policy", "cheap/policy", "dear/policy", "--no-robustness",
        "--arms", "none", "constant", "learned", *SMALL,
    )  # fmt: skip
    assert code == 0
    run = here / "runs" / "a"
    summary = json.loads((run / "summary.json").read_text())
    images = {"none", "constant", "learned cheap", "learned dear"}
    arms = [set(entry["arms"]) for entry in summary["tasks"]]
    assert arms == [images, images, {"none", "constant", "learned words"}]
    # The policy that the others are compared with is the first that suits the data.
    others = [set(entry["learned_minus"]) for entry in summary["tasks"]]
    assert others == [images - {"learned cheap"}] * 2 + [{"none", "constant"}]
    assert [entry["task"]["steps"] for entry in summary["tasks"]] == [8, 4, 4]
    records = json.loads((run / "records.json").read_text())
    assert len(records) == 2 * (4 + 4 + 3)
    assert {record["seed"] for record in records} == {EVALUATION_SEEDS, EVALUATION_SEEDS + 1}
    ops = {tuple(r["ops"]) for r in records if r["dataset"] == "opinions"}
    assert ops == {(), ("swap", "masking")}  # none has no ops
    # The rules act on the policies' ops, and two policies with equal weights act alike.
    ops = {tuple(r["ops"]) for r in records if r["dataset"] == "digits"}
    assert ops == {(), ("rotate", "hflip")}
    twins = [[r["accuracy"] for r in records if r["arm"] == f"learned {n}"] for n in
             ("cheap", "dear")]  # fmt: skip
    assert twins[0] == twins[1]
    report = (run / "report.md").read_text()
    assert "| arm | digits, cnn, 50 examples, 8 steps |" in report
    assert "### Against the learned policy" in report
    assert "### Robustness" not in report
    assert (run / "cost-digits-cnn-50x8.png").exists()
    assert "opinions-bilstm-50x4" in capsys.readouterr().out


def test_policies_of_several_searches_are_one_arm(here: Path, call) -> None:
    policies = {"kind-0": 0.3, "kind-1": 0.6, "other-1": 0.9}
    for name, magnitude in policies.items():
        network = PolicyNetwork(2)
        with torch.no_grad():
            network.op_bias.fill_(to_latent(magnitude) - START)
        save_policy(here / name / "policy", Policy(network, ("rotate", "hflip")))
    code = call(
        compare, "--name", "s", "--tasks", "digits:50x8", "--policy",
        *(f"{name}/policy" for name in policies), "--as-one", "--arms", "none", "learned",
        "replay", "--no-robustness", *SMALL,
    )  # fmt: skip
    assert code == 0
    run = here / "runs" / "s"
    summary = json.loads((run / "summary.json").read_text())
    arms = {f"{arm} {kind}" for arm in ("learned", "replay") for kind in ("kind", "other")}
    assert set(summary["arms"]) == {"none", *arms}
    assert set(summary["learned_minus"]) == {"none", *arms} - {"learned kind"}
    assert all("trainings" in scores for scores in summary["arms"].values())
    records = json.loads((run / "records.json").read_text())
    searches = [(r["arm"], r["search"]) for r in records if r["seed"] == EVALUATION_SEEDS]
    pairs = {(f"{arm} kind", name) for arm in ("learned", "replay") for name in "01"}
    pairs |= {("learned other", "1"), ("replay other", "1")}
    assert set(searches) == {("none", ""), *pairs}
    learned = {(r["arm"], r["search"], r["seed"]): r["accuracy"] for r in records}
    kind = [value for (arm, *_), value in learned.items() if arm == "learned kind"]
    assert summary["arms"]["learned kind"]["accuracy"]["mean"] == pytest.approx(sum(kind) / 4)
    # Another kind is compared with the search of the same number alone.
    both = [
        learned["learned kind", "1", seed] - learned["learned other", "1", seed]
        for seed in (EVALUATION_SEEDS, EVALUATION_SEEDS + 1)
    ]
    difference = summary["learned_minus"]["learned other"]["mean"]
    assert difference == pytest.approx(sum(both) / 2)


def test_arm_of_searches_of_one_kind_is_named_learned(here: Path, call) -> None:
    for name in ("kind-0", "kind-1"):
        save_policy(here / name / "policy", Policy(PolicyNetwork(2), ("rotate", "hflip")))
    call(
        compare, "--name", "s", "--tasks", "digits:50x4", "--policy", "kind-0/policy",
        "kind-1/policy", "--as-one", "--arms", "none", "learned", "--no-robustness", *SMALL,
    )  # fmt: skip
    summary = json.loads((here / "runs" / "s" / "summary.json").read_text())
    assert set(summary["arms"]) == {"none", "learned"}
    assert summary["arms"]["learned"]["trainings"] == 0


@pytest.mark.parametrize(
    ("error", "ends", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (AdaptAugError("too large"), 2, "error: too large"),
    ],
)
def test_interrupted_comparison_keeps_the_finished_tasks(
    here: Path, call, monkeypatch, capsys, error: BaseException, ends: int, said: str
) -> None:
    trained = Pool.run

    def run(pool: Pool, jobs, label, **more):
        if label == "task 2/2":
            raise error
        return trained(pool, jobs, label, **more)

    monkeypatch.setattr(Pool, "run", run)
    code = call(
        compare,
        "--name",
        "a",
        "--tasks",
        "digits:50x8",
        "digits:50x4",
        "--arms",
        "none",
        *SMALL,
    )
    assert code == ends
    assert capsys.readouterr().err.splitlines() == ["interrupted after 1 of 2 tasks", said]
    run_folder = here / "runs" / "a"
    assert len(json.loads((run_folder / "records.json").read_text())) == 2
    summary = json.loads((run_folder / "summary.json").read_text())
    assert [entry["task"]["steps"] for entry in summary["tasks"]] == [8]
    assert (run_folder / "report.md").exists()


def test_all_has_the_baselines_that_follow_from_a_policy(here: Path, call) -> None:
    warm_start = Policy(PolicyNetwork(2), ("rotate", "hflip"), provenance={"episodes": 18})
    save_policy(here / "cheap" / "checkpoints" / "warm_start", warm_start)
    arms = ("none on all labels", "learned", "warm start", "replay")
    code = call(
        compare, "--name", "a", "--tasks", "digits:50x8", "opinions:50x4@bilstm", "--policy",
        "cheap/policy", "dear/policy", "--arms", "none", *arms, "--no-robustness", *SMALL,
    )  # fmt: skip
    assert code == 0
    summary = json.loads((here / "runs" / "a" / "summary.json").read_text())
    images, words = (entry["arms"] for entry in summary["tasks"])
    assert set(words) == {"none", "none on all labels"}
    assert set(images) == {
        "none", "none on all labels", "learned cheap", "learned dear", "warm start cheap",
        "replay cheap", "replay dear",
    }  # fmt: skip
    costs = {arm: (scores["trainings"], scores["labels"]) for arm, scores in images.items()}
    pool = len(load("digits").train)
    assert costs == {
        "none": (0, 50), "none on all labels": (0, 150), "learned cheap": (0, 150),
        "learned dear": (0, 150), "warm start cheap": (18, 150),
        "replay cheap": (5, min(pool, 50 + 5 * 150)), "replay dear": (5, min(pool, 50 + 5 * 150)),
    }  # fmt: skip


def test_read_task_splits_data_set_budget_and_child() -> None:
    task = read_task("opinions:50x20", ChildOptions(lexicon="opinions"))
    assert (task.dataset, task.n_train, task.steps, task.child) == ("opinions", 50, 20, "bilstm")
    assert read_task("digits:50x20@resnet18", ChildOptions()).child == "resnet18"


def test_all_expands_to_every_arm_and_equal_tasks_are_merged(monkeypatch) -> None:
    found: list[Comparison] = []
    monkeypatch.setattr(compare, "run_comparison", lambda given, *_: found.append(given) or 0)
    options = compare.Options(
        arms=("generative", "all", "none"), tasks=("digits:50x8", "digits:50x8@cnn"), cost_weight=1
    )
    assert compare.run(options) == 0
    needy = {"best constant", "learned", "online", "replay", "warm start", *SEARCHED}
    every = [name for name in compare.ALL if name not in needy]
    assert "none on all labels" in every
    assert found[0].arms == ["generative", *every, "none"]
    assert found[0].required == ["generative", "none"]
    assert found[0].tasks == [read_task("digits:50x8", ChildOptions())]
    assert found[0].cost_weight == 1


class EnoughError(Exception):
    """Ends a comparison before the evaluation."""


class Watching:
    """A pool that trains nothing: the stronger the augmentation, the better and the costlier."""

    def __init__(self) -> None:
        self.jobs = {}

    def run(self, jobs, label, *, quiet=False):
        self.jobs.setdefault(label, []).extend(jobs)
        if label != "best constant":
            raise EnoughError
        return [
            {"validation_loss": 1.0, "validation_score": sum(m), "num_classes": 10, "cost": sum(m)}
            for m in (job.arm.controller.magnitudes for job in jobs)
        ]


def test_search_for_the_best_constant_uses_the_settings_of_its_evaluation() -> None:
    """The study's variants, the policy's cost table and the given price of compute."""
    op, costs = generated(steps=1), CostTable(observe=2.0)
    found = {}
    for cost_weight in (0.0, 100.0):
        comparison = Comparison(
            "a test", tasks=[Task(n_train=50, steps=8, width=4)], seeds=1,
            arms=["none", "best constant", "learned"], variants={op.name: op},
            hand_set={"image": {"generated": 0.3, "hflip": 0.5}},
            policies={"learned words": Policy(PolicyNetwork(1), ("swap",)),
                      "learned images": Policy(PolicyNetwork(1), ("hflip",), costs=costs)},
            constant_trainings=12, cost_weight=cost_weight,
        )  # fmt: skip
        [setting] = comparison.settings()
        pool = Watching()
        with pytest.raises(EnoughError, match=r"^$"):
            evaluate(comparison, setting, pool, "evaluation")
        _, best, learned = pool.jobs["evaluation"]
        assert learned.arm.name == "learned images"
        for job in (*pool.jobs["best constant"], best):
            assert job.arm.ops == (op, "hflip")
            assert job.costs == costs
        found[cost_weight] = sum(best.arm.controller.magnitudes)
    assert found[0.0] > found[100.0]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--tasks", "digits"],
            "the form DATASET:N_TRAINxSTEPS[@CHILD], got 'digits'",
        ),
        (["--tasks", "digits:100"], "a task must have the form"),
        (["--tasks", "digits:100x"], "a task must have the form"),
        (["--tasks", "digits:0x4"], "n_train must be at least 1"),
        (["--tasks", "digits:50x4@transformer"], "child must be one of"),
        (["--tasks", "./nowhere:50x4"], "./nowhere"),
        (["--arms", "none", "oracle"], "an arm must be one of none, crop, crop and flip"),
        (["--arms", "all", "oracle"], "an arm must be one of none, crop, crop and flip"),
        (["--arms", "all", "EDA"], "an arm must suit one of the tasks, got 'EDA' for digits"),
        (["--arms", "EDA"], "an arm must suit one of the tasks, got 'EDA' for digits"),
        (["--arms", "learned"], "arm 'learned' needs a policy"),
        (["--arms", "replay"], "arm 'replay' needs a policy"),
        (["--arms", "warm start", "--policy", "cheap/policy"], "got 'warm start' for digits"),
        (["--arms", "best constant"], "constant_trainings must be at least 12"),
        (["--policy", "nowhere"], "nowhere"),
        (["--policy", "cheap/policy", "cheap/policy"], "folders of different names, got 'cheap'"),
        (["--tasks"], "tasks must be at least 1"),
        (["--arms"], "arms must be at least 1"),
    ],
)
def test_mistake_is_a_one_sentence_error_and_writes_nothing(
    here: Path, call, capsys, arguments: list[str], sentence: str
) -> None:
    assert call(compare, "--name", "bad", *SMALL, *arguments) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ")
    assert sentence in error
    assert "\n" not in error
    assert not (here / "runs").exists()
