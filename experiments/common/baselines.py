"""Baselines that cost trainings of their own, and what every arm cost in trainings and labels."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from adaptaug.controllers import Controller
from adaptaug.controllers.fixed import Schedule
from adaptaug.evaluation.train_child import Arm, Job, Pool, Record
from adaptaug.policy.cost import CostTable
from adaptaug.policy.observation import HELD_OUT_FEATURES
from adaptaug.policy.policy import Policy, load_policy
from adaptaug.training.task import Task, TaskRange
from agents.best_constant import CONSTANT, RAMPS, best_schedule
from agents.config import SearchConfig
from agents.objective import Objective
from agents.phases import WARM_START_POLICY
from agents.random_search import MIN_TRAININGS
from experiments.common.arms import constant_arm, policy_arm, pool_size
from experiments.common.defaults import DEFAULTS
from experiments.common.setting import Entrant, Setting

ALWAYS = ("none on all labels", "warm start", "replay")
"""The arms that every comparison with a policy has besides the usual ones."""

SEARCHED = {"best constant (GP)": CONSTANT, "best ramp": RAMPS}
"""Shapes of the arms that `--strong` adds, by their names."""

SLOW_SECONDS, SLOW_TRAININGS = 5.0, 200
"""Number of trainings of each arm of `SEARCHED` if one training takes longer than these seconds."""

REPLAY_SEEDS = range(2_000, 2_005)
"""Child seeds of the trainings that fill a policy's mean schedule; no evaluation uses them."""


@dataclass(frozen=True)
class Spent:
    """What was spent to find an arm, before it is evaluated."""

    trainings: int = 0
    """Child trainings."""
    examples: int = 0
    """Labelled examples of the evaluation's data set that these drew, repetitions included."""
    outside: bool = False
    """Whether these were drawn from other rows of the data set than the evaluation's."""

    def __add__(self, other: "Spent") -> "Spent":
        """What both cost together."""
        return Spent(
            self.trainings + other.trainings,
            self.examples + other.examples,
            self.outside or other.outside,
        )


class CountingPool(Pool):
    """A pool that counts trainings and the labelled examples that they draw."""

    def __init__(self, pool: Pool) -> None:
        """Takes the pool that trains the children."""
        self._pool = pool
        self._trainings = 0
        self._drawn: dict[tuple[int, int], int] = {}

    def run(self, jobs: Sequence[Job], label: str, *, quiet: bool = False) -> list[Record]:
        """Trains the jobs' children; those that share task and seed share their examples."""
        self._trainings += len(jobs)
        for job in jobs:
            task = job.task
            self._drawn[task.n_train, job.seed] = task.n_train + task.n_validation
        return self._pool.run(jobs, label, quiet=quiet)

    @property
    def spent(self) -> Spent:
        """What all trainings so far cost."""
        return Spent(self._trainings, sum(self._drawn.values()))


@dataclass(frozen=True)
class Prepared:
    """A setting with the arms that had to be found first."""

    setting: Setting
    """The setting, with `schedules` and `found` filled in."""
    spent: dict[str, Spent]
    """What was spent to find the policies and these arms, by the name of the arm."""
    found: dict[str, dict[str, Any]]
    """The best constant and the best ramp as plain data, by the name of the arm: `magnitudes` by
    op, `shape`, `gain` and `deviation` as predicted, and `trainings`."""


def prepare(
    setting: Setting,
    names: Collection[str],
    pool: Pool,
    cost_weight: float,
    seed: int,
    trainings: int | None = None,
) -> Prepared:
    """Trains what arms need before their evaluation: mean schedules, best constant, best ramp.

    Args:
        setting: the setting; its policies are those whose mean schedules are replayed.
        names: names of the arms that are wanted; others than these three need nothing.
        pool: trains the children.
        cost_weight: lambda, the price of compute in the objective of best constant and best ramp.
        seed: fixes the trainings of these two.
        trainings: number of trainings of each of these two. By default as many as the policy with
            the most had, or as a search has by default; `SLOW_TRAININGS` where one takes long.
    """
    spent = {name: spent_on(policy, setting.task) for name, policy in setting.policies.items()}
    for name, policy in setting.warm_starts.items():
        spent[name.replace("learned", "warm start", 1)] = spent_on(policy, setting.task)
    schedules = {}
    for name, policy in setting.policies.items() if "replay" in names else ():
        arm, task, counting = policy_arm(name, policy), setting.task_for(policy), CountingPool(pool)
        schedules[name] = mean_schedule(arm, task, policy.costs, counting, setting.device)
        spent[name.replace("learned", "replay", 1)] = spent[name] + counting.spent
    wanted = {name: shapes for name, shapes in SEARCHED.items() if name in names}
    searched = [spent[name].trainings for name in setting.policies]
    if wanted and trainings is None:
        trainings = _affordable(max(searched, default=0), setting, pool)
    task = setting.task
    budget = TaskRange(task, (task.steps, task.steps), (task.n_train, task.n_train))
    objective = Objective([budget], [setting.costs], cost_weight, seed, setting.device)
    magnitude = DEFAULTS[setting.modality].warm_start_magnitude
    controllers: dict[str, Controller] = {}
    found = {}
    for name, shapes in wanted.items():
        counting = CountingPool(pool)
        assert trainings is not None
        best = best_schedule(
            setting.acting(setting.ops), objective, trainings, magnitude, counting, shapes
        )
        controllers[name], spent[name] = best.controller, counting.spent
        magnitudes = dict(zip(setting.ops, best.magnitudes, strict=True))
        found[name] = asdict(best) | {"magnitudes": magnitudes}
    return Prepared(replace(setting, schedules=schedules, found=controllers), spent, found)


def _affordable(trainings: int, setting: Setting, pool: Pool) -> int:
    """Trainings of the best constant: the policy's, fewer if one takes long; says how many."""
    why = "as many as the policy had" if trainings else "as many as a search has by default"
    trainings = max(MIN_TRAININGS, trainings or SearchConfig.episodes)
    none = Job(
        constant_arm("none", (), ()), setting.task, REPLAY_SEEDS[0], setting.costs,
        test=False, device=setting.device,
    )  # fmt: skip
    [record] = pool.run([none], "one training", quiet=True)
    seconds = record["seconds"]
    if seconds > SLOW_SECONDS and trainings > SLOW_TRAININGS:
        trainings, why = SLOW_TRAININGS, f"because one takes {seconds:.1f} s"
    print(f"best constant (GP), best ramp: {trainings} child trainings each, {why}")
    return trainings


def mean_schedule(
    arm: Arm, task: Task, costs: CostTable, pool: Pool, device: str = "cpu"
) -> Schedule:
    """An arm's mean magnitudes at each decision of a task, over `REPLAY_SEEDS`.

    Nothing is measured on the test split.

    Args:
        arm: the arm, such as that of a learned policy.
        task: the task, at the budget that the schedule is for.
        costs: cost table of the arm.
        pool: trains the children.
        device: device on which they train.
    """
    jobs = [Job(arm, task, seed, costs, test=False, device=device) for seed in REPLAY_SEEDS]
    runs = [record["magnitudes"] for record in pool.run(jobs, "replay")]
    # Runs that stop early or diverge have fewer decisions.
    rows = [
        np.mean([row for row in decision if row is not None], axis=0)
        for decision in zip_longest(*runs)
    ]
    starts = [step / task.steps for step in [0, *task.boundaries()[:-1]]]
    return Schedule(starts[: len(rows)], [row.tolist() for row in rows])


def read_warm_start(reference: str | Path, policy: Policy) -> Policy | None:
    """The policy before PPO, from the run folder that holds the policy; None if it is not there.

    Raises:
        AdaptAugError: it is there, but damaged or for other ops.
    """
    folder = Path(reference).parent / WARM_START_POLICY
    if Path(reference).is_dir() and folder.is_dir():
        return load_policy(folder, policy.ops)
    print(
        f"no arm 'warm start': the folder of policy {str(reference)!r} has no {WARM_START_POLICY}"
    )
    return None


def spent_on(policy: Policy, task: Task) -> Spent:
    """What the search and the adaptations of a policy cost, read from its provenance.

    The examples of a search are an upper bound: as if no two trainings had shared any. Examples
    count only if they were drawn from the task's data set.
    """
    spent, step = Spent(), dict(policy.provenance)
    while step:
        trainings = int(step.get("episodes", 0))
        tasks = [row for row in step.get("tasks", ()) if row["dataset"] == task.dataset]
        most = max((max(row["n_train"]) + row["n_validation"] for row in tasks), default=0)
        adapted = step.get("examples", 0) if step.get("dataset") == task.dataset else 0
        rows = task.rows and list(task.rows)
        outside = any((row.get("rows") and list(row["rows"])) != rows for row in tasks)
        spent += Spent(trainings, trainings * most + adapted, outside)
        step = dict(step.get("adapted_from", {}))
    return spent


def add_costs(
    summary: Mapping[str, Any], entrants: Iterable[Entrant], spent: Mapping[str, Spent]
) -> None:
    """Adds `trainings` and `labels` to every arm of a task's summary.

    `trainings` are the child trainings that were spent to find the arm. `labels` is the number of
    labelled examples, at most, that the search for the arm and one evaluated training look at
    together: training examples, and reward-validation examples too if the arm observes the run, was
    searched on this pool, or stops early.

    Args:
        summary: has `arms`, by name.
        entrants: the arms.
        spent: what was spent to find them, by name; nothing for arms that are not named.
    """
    for entrant in entrants:
        task, found = entrant.task, spent.get(entrant.arm.name, Spent())
        reads = {*entrant.arm.controller.features} & {*HELD_OUT_FEATURES}
        validates = bool(reads) or task.patience is not None
        own = task.n_train + (task.n_validation if validates else 0)
        pool = pool_size(task.but(rows=None) if found.outside else task)
        labels = min(pool, own + found.examples)
        summary["arms"][entrant.arm.name] |= {"trainings": found.trainings, "labels": labels}
