"""Baselines that follow from a policy, and what arms cost in trainings and labels."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from adaptaug.controllers import Constant, Learned
from adaptaug.controllers.fixed import Schedule
from adaptaug.data import load
from adaptaug.evaluation.train_child import Arm, Job, Pool, Record, train_child
from adaptaug.policy.cost import CostTable
from adaptaug.policy.network import PolicyNetwork
from adaptaug.policy.policy import Policy, save_policy
from adaptaug.training.setup import draw_split
from adaptaug.training.task import Task, TaskRange
from experiments.common.arms import constant_arm, entrants, with_all_labels
from experiments.common.baselines import (
    ALWAYS,
    REPLAY_SEEDS,
    SEARCHED,
    CountingPool,
    Spent,
    add_costs,
    mean_schedule,
    prepare,
    read_warm_start,
    spent_on,
)
from experiments.common.cli import EVALUATION_SEEDS, SWEEP_SEEDS
from experiments.common.setting import Entrant, Setting

TASK = Task(n_train=50, steps=8, n_validation=100, width=4, n_test=40)
OPS = ("rotate", "noise")
POOL = len(load("digits").train)
COSTS = CostTable(observe=2.0)


class Watching(Pool):
    """A pool that keeps the jobs; children train for real, or as a function says."""

    def __init__(self, train=train_child) -> None:
        self.jobs: list[Job] = []
        self._train = train

    def run(self, jobs: Sequence[Job], label: str, *, quiet: bool = False) -> list[Record]:
        self.jobs += jobs
        return [self._train(job) for job in jobs]


def policy_of(**more) -> Policy:
    return Policy(PolicyNetwork(len(OPS)), OPS, decisions=4, costs=COSTS, **more)


def setting_of(policy: Policy, **more) -> Setting:
    return Setting(TASK, OPS, {}, {"learned": policy}, **more)


def test_mean_schedule_is_the_mean_of_other_seeds_and_measures_no_test_score() -> None:
    pool = Watching()
    policy = policy_of()
    task = TASK.but(decisions=4)
    schedule = mean_schedule(Arm("learned", OPS, Learned(policy.network)), task, COSTS, pool)
    assert [job.seed for job in pool.jobs] == list(REPLAY_SEEDS)
    assert not any(job.test for job in pool.jobs)
    assert {job.task for job in pool.jobs} == {task}
    assert max(REPLAY_SEEDS) < EVALUATION_SEEDS
    assert min(REPLAY_SEEDS) >= SWEEP_SEEDS + 1000  # nor those of a sweep
    runs = [train_child(job)["magnitudes"] for job in pool.jobs]
    for decision in range(4):
        means = [sum(run[decision][op] for run in runs) / len(runs) for op in range(2)]
        assert schedule.decide(decision / 4, None) == pytest.approx(means)


def test_mean_schedule_of_runs_that_stop_early_averages_those_that_still_train() -> None:
    lengths = dict(zip(REPLAY_SEEDS, (1, 2, 3, 3, 1), strict=True))

    def train(job: Job) -> Record:
        return {"magnitudes": [[0.1 * (lengths[job.seed] + i)] for i in range(lengths[job.seed])]}

    arm = Arm("learned", ("rotate",), Constant([0.0]))
    schedule = mean_schedule(arm, TASK.but(decisions=4), COSTS, Watching(train))
    picked = [schedule.decide(progress, None)[0] for progress in (0.0, 0.25, 0.5, 0.75)]
    assert picked == pytest.approx([0.2, (0.3 + 0.4 + 0.4) / 3, 0.5, 0.5])


def test_replay_acts_as_the_policy_does_on_average_and_pays_for_no_observation() -> None:
    setting = setting_of(policy_of())
    prepared = prepare(setting, ALWAYS, Watching(), cost_weight=0.05, seed=1)
    [learned, replay] = entrants(["learned", "replay"], prepared.setting)
    assert (replay.arm.name, replay.task, replay.costs) == ("replay", learned.task, learned.costs)
    assert isinstance(replay.arm.controller, Schedule)
    records = [
        train_child(Job(e.arm, e.task, EVALUATION_SEEDS, e.costs, test=False))
        for e in (learned, replay)
    ]
    observed = 4 * COSTS.observation(True) / TASK.steps
    assert records[0]["cost"] - records[1]["cost"] == pytest.approx(observed)


def test_replay_of_a_policy_that_leaves_the_run_alone_does_not_augment() -> None:
    prepared = prepare(setting_of(policy_of(min_epochs=1e9)), ["replay"], Watching(), 0.05, 1)
    assert prepared.setting.schedules["learned"].magnitudes == [[0.0, 0.0]] * 4


def test_arms_of_several_policies_are_named_after_them() -> None:
    policies = {"learned a": policy_of(), "learned b": policy_of()}
    setting = Setting(TASK, OPS, {}, policies, warm_starts={"learned b": policy_of()})
    prepared = prepare(setting, ["replay"], Watching(), 0.05, 1)
    found = entrants(["warm start", "replay"], prepared.setting)
    assert [e.arm.name for e in found] == ["warm start b", "replay a", "replay b"]


def test_warm_start_is_the_policy_of_the_run_folder(tmp_path, capsys) -> None:
    learned, warm_start = policy_of(), policy_of(provenance={"phase": "warm start"})
    save_policy(tmp_path / "policy", learned)
    assert read_warm_start(tmp_path / "policy", learned) is None
    assert "no arm 'warm start'" in capsys.readouterr().out
    assert read_warm_start("digits", learned) is None  # a bundled policy has no run folder
    save_policy(tmp_path / "checkpoints" / "warm_start", warm_start)
    found = read_warm_start(str(tmp_path / "policy"), learned)
    assert found.provenance["phase"] == "warm start"
    [entrant] = entrants(["warm start"], setting_of(learned, warm_starts={"learned": found}))
    assert isinstance(entrant.arm.controller, Learned)
    assert entrant.task.decisions == 4


def test_none_on_all_labels_trains_on_training_and_held_out_rows_and_on_no_test_row() -> None:
    [entrant] = entrants(["none on all labels"], setting_of(policy_of()))
    assert entrant.task == TASK.but(n_train=150)
    assert entrant.arm.ops == ()
    drawn = draw_split(entrant.task, EVALUATION_SEEDS)
    assert len(drawn.train) == 150
    source = load("digits")
    pool, test = ({row.numpy().tobytes() for row in part.inputs} for part in
                  (source.train, source.test))  # fmt: skip
    rows = {row.numpy().tobytes() for row in drawn.train.inputs}
    assert rows <= pool
    assert not rows & test
    record = train_child(Job(entrant.arm, entrant.task, EVALUATION_SEEDS))
    assert record["n_train"] == 150
    assert record["cost"] == 0


def test_all_labels_of_a_small_pool_leave_one_example_per_class_to_validate_on() -> None:
    task = with_all_labels(TASK.but(rows=(0, 150)))
    assert (task.n_train, task.n_validation) == (140, 10)
    draw_split(task, 0)
    assert with_all_labels(TASK.but(n_validation=10, rows=(0, 60))) is None


def test_labels_are_those_of_one_run_and_of_what_found_the_arm() -> None:
    names = ("none", "none on all labels", "untrained policy", "learned")
    compared = entrants(names, setting_of(policy_of()))
    compared.append(Entrant(constant_arm("best constant", OPS, [0.5, 0.5]), TASK, COSTS))
    stopping = TASK.but(patience=2)
    compared.append(Entrant(constant_arm("stopping", (), ()), stopping, COSTS))
    summary = {"arms": {entrant.arm.name: {} for entrant in compared}}
    add_costs(summary, compared, {"learned": Spent(1800, 10**6), "best constant": Spent(12, 300)})
    costs = {name: (row["trainings"], row["labels"]) for name, row in summary["arms"].items()}
    assert costs == {
        "none": (0, 50), "none on all labels": (0, 150), "untrained policy": (0, 150),
        "learned": (1800, POOL), "best constant": (12, 350), "stopping": (0, 150),
    }  # fmt: skip


def test_counting_pool_counts_the_examples_of_a_shared_seed_once() -> None:
    counting = CountingPool(Watching(lambda job: {}))
    arm = constant_arm("a", (), ())
    counting.run([Job(arm, TASK, seed) for seed in (1, 1, 2)], "")
    counting.run([Job(arm, TASK, 2)], "")
    assert counting.spent == Spent(4, 2 * 150)


def test_search_and_adaptation_of_a_policy_are_read_from_its_provenance() -> None:
    tasks = [TaskRange(TASK, (4, 8), (20, 80)).to_dict()]
    policy = policy_of(provenance={"tasks": tasks, "episodes": 10})
    assert spent_on(policy, TASK) == Spent(10, 10 * 180)
    few = TASK.but(rows=(0, 200))  # the search drew from all rows
    assert spent_on(policy, few) == Spent(10, 10 * 180, outside=True)
    summary = {"arms": {"learned": {}}}
    learned = entrants(["learned"], Setting(few, OPS, {}, {"learned": policy}))
    add_costs(summary, learned, {"learned": spent_on(policy, few)})
    assert summary["arms"]["learned"]["labels"] == POOL
    elsewhere = Task("opinions", 50, 8)
    assert spent_on(policy, elsewhere) == Spent(10, 0)
    adapted = replace(policy, provenance={
        "adapted_from": policy.provenance, "dataset": "opinions", "episodes": 12, "examples": 300,
    })  # fmt: skip
    assert spent_on(adapted, elsewhere) == Spent(22, 300)
    assert spent_on(policy_of(), TASK) == Spent()


@pytest.mark.parametrize(
    ("seconds", "asked", "trainings"), [(0.1, None, 240), (5.1, None, 198), (5.1, 60, 60)]
)
def test_strong_arms_get_the_policys_trainings_unless_they_are_slow_or_others_are_asked_for(
    seconds: float, asked: int | None, trainings: int
) -> None:
    def train(job: Job) -> Record:
        return {
            "validation_loss": 1.0, "num_classes": 10, "cost": 0.0, "seconds": seconds,
            "validation_score": sum(job.arm.controller.decide(0.9, None)),
        }  # fmt: skip

    pool = Watching(train)
    policy = policy_of(provenance={"episodes": 243})
    prepared = prepare(setting_of(policy), list(SEARCHED), pool, 0.05, 1, asked)
    assert {name: spent.trainings for name, spent in prepared.spent.items()} == {
        "learned": 243, "best constant (GP)": trainings, "best ramp": trainings,
    }  # fmt: skip
    assert len(pool.jobs) == (asked is None) + 2 * trainings
    assert not any(job.test for job in pool.jobs)
    assert {(job.task.n_train, job.task.steps) for job in pool.jobs} == {(50, 8)}
    names = [e.arm.name for e in entrants(list(SEARCHED), prepared.setting)]
    assert names == list(SEARCHED)
    assert prepared.found["best constant (GP)"]["shape"] == (1.0, 1.0)
    assert set(prepared.found["best ramp"]["magnitudes"]) == set(OPS)
