r"""Evaluate a policy on data, budgets or children that it was not searched on, with its baselines.

Zero-shot, and after adaptation: 100 child trainings that fit which ops act, and how strongly:

    python -m experiments.transfer_policy --name mnist --policy runs/digits/policy \
        --dataset path/or/hub-id --n-train 200 500 --steps 400 --seeds 5
    python -m experiments.transfer_policy --name mnist-adapted --policy runs/digits/policy \
        --dataset path/or/hub-id --n-train 200 500 --steps 400 --seeds 5 --adapt 100

One policy at several budgets on the data of its search:

    python -m experiments.transfer_policy --name budgets --policy runs/digits/policy \
        --budgets 100x400 100x100 100x1600 50x400 400x400 --seeds 20

A small run:

    python -m experiments.transfer_policy --name tiny --policy runs/digits/policy \
        --budgets 100x50 --seeds 3
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from adaptaug.data import load
from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.train_child import Job, Pool, Record, worker_pool
from adaptaug.policy.cost import CostTable
from adaptaug.policy.policy import Policy, load_policy, save_policy
from adaptaug.tensorboard import Board
from adaptaug.training.calibration import calibrate
from adaptaug.training.task import Task, TaskRange
from adaptaug.utils.files import new_run_folder, write_json
from agents.adaptation import adapt
from agents.config import SearchConfig
from agents.min_epochs import scope
from agents.objective import Objective
from agents.random_search import MIN_TRAININGS, best_constant
from experiments.common.arms import (
    PLAIN,
    constant_arm,
    entrants,
    fixed_arms,
    note_metrics,
    ops_that_fit,
    policy_arm,
)
from experiments.common.baselines import (
    ALWAYS,
    SEARCHED,
    CountingPool,
    add_costs,
    prepare,
    read_warm_start,
    spent_on,
)
from experiments.common.cli import (
    EVALUATION_SEEDS,
    ChildOptions,
    check_counts,
    check_numbers,
    check_seed,
    check_task,
    command,
    main,
    run_path,
)
from experiments.common.defaults import DEFAULTS, suiting
from experiments.common.setting import Entrant, Setting, as_searched
from experiments.reports.board import final_scores, show_magnitudes
from experiments.reports.report import arms_table, write_report
from experiments.reports.summary import task_summary


@dataclass(frozen=True)
class Options:
    """Evaluate a policy on other data and budgets, write runs/NAME."""

    policy: str
    """Policy: a folder, a hub id, or 'digits', which is part of the package."""
    name: str = "transfer"
    """Name of the run folder in runs/."""
    dataset: str = "digits"
    """Data set: built in ('digits', 'opinions', 'mentions'), a hub id or a folder."""
    n_train: tuple[int, ...] = (100,)
    """Training examples; each number is combined with each run length."""
    steps: tuple[int, ...] = (400,)
    """Run lengths in batches."""
    epochs: tuple[int, ...] = ()
    """Run lengths in epochs, in place of --steps."""
    budgets: tuple[str, ...] = ()
    """Budgets as N_TRAINxSTEPS, such as 100x400, in place of --n-train, --steps and --epochs."""
    seeds: int = 5
    """Number of evaluation seeds."""
    adapt: int = 0
    """Child trainings of the adaptation, which fits which ops act, and how strongly; 0 evaluates
    zero-shot."""
    adapt_steps: tuple[int, int] | None = None
    """Shortest and longest run in adaptation and random search, in batches. By default those of the
    budgets with the same number of training examples."""
    rows: tuple[int, int] | None = None
    """First and last (excluded) of the data set's shuffled training rows to use. By default all."""
    labels: int | None = None
    """Number of these rows that evaluation, adaptation and searches of baselines share: training
    and held-out examples are drawn from these alone. By default all."""
    constant: Path | None = None
    """File with a JSON object of magnitudes by op, such as the best_constant.json of a search; adds
    the arm 'best constant'."""
    constant_trainings: int = 0
    """Child trainings in a random search for the best constant at these budgets, in place of
    --constant; 0 skips it."""
    more: Mapping[str, str] = field(default_factory=dict)
    """More policies: pairs of an arm's name and a policy folder."""
    defaults: bool = True
    """Whether all arms that need no search are trained, or only none, crop and flip, and EDA."""
    strong: bool = False
    """Adds the arms 'best constant (GP)' and 'best ramp', each searched at every budget with as
    many child trainings as the policy; with 200 where one takes over 5 s."""
    cost_weight: float | None = None
    """Lambda, the price of compute in adaptation and searches of baselines. By default that of the
    policy's search."""
    seed: int = 0
    """Seed of the adaptation and the searches of baselines."""
    training: ChildOptions = field(default_factory=ChildOptions)
    """Training of the children."""

    def tasks(self) -> list[Task]:
        """The task of every budget."""
        check_counts(1, epochs=min(self.epochs, default=1))
        pairs = [_budget(text) for text in self.budgets]
        size = self.training.batch_size
        for n_train in () if pairs else self.n_train:
            lengths = [max(1, round(e * n_train / size)) for e in self.epochs] or self.steps
            pairs += [(n_train, steps) for steps in lengths]
        rows = self.rows
        if self.labels is not None:
            first, last = rows or (0, len(load(self.dataset).train))
            if not 1 <= self.labels <= last - first:
                raise AdaptAugError(
                    f"labels must lie in 1..{last - first}, the training rows, got {self.labels}"
                )
            rows = first, first + self.labels
        return [
            self.training.task(self.dataset, n_train, steps, rows)
            for n_train, steps in dict.fromkeys(pairs)
        ]


def run(options: Options) -> int:
    """Runs the script; returns the exit code."""
    policy = load_policy(options.policy)
    more = {name: load_policy(folder) for name, folder in options.more.items()}
    tasks = [as_searched(task, policy) for task in options.tasks()]
    check(options, policy, more, tasks)
    note_metrics({"learned": policy, **more}, tasks[0])
    constant = _read_constant(options.constant, policy.ops) if options.constant else []
    folder = new_run_folder(run_path(options.name))
    write_json(folder / "config.json", options)
    summary, records = _compare(options, policy, more, tasks, constant, folder)
    write_json(folder / "records.json", [record for found in records for record in found])
    write_report(folder, summary, records[0])
    with Board(folder) as board:
        budgets = [f"{task.n_train}x{task.steps}" for task in tasks]
        for name, found in zip(budgets, records, strict=True):
            show_magnitudes(board, name, found)
        board.hyperparameters(
            {"dataset": options.dataset, "adapt": options.adapt, "seeds": options.seeds},
            final_scores(dict(zip(budgets, summary["budgets"], strict=True))),
        )
    for entry in summary["budgets"]:
        print(f"\n{options.dataset}, {entry['task']['n_train']} examples, "
              f"{entry['task']['steps']} steps\n{arms_table(entry)}")  # fmt: skip
    print(f"\nreport: {folder / 'report.md'}")
    return 0


def _compare(
    options: Options,
    policy: Policy,
    more: Mapping[str, Policy],
    tasks: Sequence[Task],
    constant: Sequence[float],
    folder: Path,
) -> tuple[dict[str, Any], list[list[Record]]]:
    """Adapts the policy, trains children under every arm; returns summary, records by budget."""
    costs = calibrate(tasks[0], policy.op_space, options.training.device)
    write_json(folder / "costs.json", costs)
    arms = fixed_arms(policy.ops, tasks[0])
    if not options.defaults:
        arms = [arm for arm in arms if arm.name in PLAIN]
    arms += [policy_arm(name, other) for name, other in more.items()]
    names = [*(ALWAYS if options.defaults else ()), *(SEARCHED if options.strong else ())]
    warm_start = read_warm_start(options.policy, policy) if options.defaults else None
    objective = search_objective(policy, tasks, costs, options)
    known = {**more, "zero-shot": policy}
    search: dict[str, Any] = {}
    with worker_pool([tasks[0].dataset], options.training.processes) as pool:
        counting = CountingPool(pool)
        if options.constant_trainings:
            constant, _ = best_constant(policy.ops, objective, options.constant_trainings, counting)
            write_json(folder / "best_constant.json", dict(zip(policy.ops, constant, strict=True)))
        if constant:
            arms.append(constant_arm("best constant", policy.ops, constant))
        if options.adapt:
            arms.append(policy_arm("zero-shot", policy))
            policy, search = _adapted(policy, objective, options, pool)
        save_policy(folder / "policy", policy)
        if options.adapt:
            print(f"policy: {folder / 'policy'}")
        arms.append(policy_arm("learned", policy))
        prepared = [
            prepare(
                _setting(task, replace(policy, costs=costs), warm_start, options),
                names, pool, objective.cost_weight, options.seed + 2,
            )
            for task in tasks
        ]  # fmt: skip
        compared = [
            [Entrant(arm, task, costs) for arm in arms] + entrants(names, found.setting)
            for task, found in zip(tasks, prepared, strict=True)
        ]
        records = _evaluate(compared, options, pool)
    budgets = []
    for task, row, here, found in zip(tasks, records, compared, prepared, strict=True):
        spent = {name: spent_on(other, task) for name, other in known.items()}
        budget = task_summary(task, row) | {"found": found.found}
        add_costs(budget, here, spent | found.spent | {"best constant": counting.spent})
        budgets.append(budget)
    summary = {**budgets[0], "budgets": budgets, "search": search, "command": command()}
    return summary | ({"min_epochs": search["evidence"]} if search else {}), records


def _setting(task: Task, policy: Policy, warm_start: Policy | None, options: Options) -> Setting:
    """What the arms that follow from the policy are built from, at one budget."""
    return Setting(
        task, ops_that_fit(policy.ops, task), DEFAULTS[load(task.dataset).modality].hand_set,
        {"learned": policy}, warm_starts={} if warm_start is None else {"learned": warm_start},
        device=options.training.device,
    )  # fmt: skip


def check(
    options: Options, policy: Policy, more: Mapping[str, Policy], tasks: Sequence[Task]
) -> None:
    """Checks everything that a user may get wrong, before anything is written or trained."""
    check_counts(1, seeds=options.seeds, budgets=len(tasks))
    check_numbers(cost_weight=options.cost_weight)
    check_seed(options.seed)
    _ranges(tasks, options)
    options.training.check()
    for trainings in (options.adapt, options.constant_trainings):
        if trainings:
            check_counts(MIN_TRAININGS, trainings=trainings)
    for task in tasks:
        check_task(task)
    suiting(policy.ops, load(options.dataset), tasks[0].lexicon)
    fixed = (arm.name for arm in fixed_arms(policy.ops, tasks[0]))
    taken = {"learned", "zero-shot", "best constant", *ALWAYS, *SEARCHED, *fixed}
    for name, other in more.items():
        if name in taken:
            raise AdaptAugError(
                f"a policy in --more must have a name that no other arm has, got {name!r}"
            )
        ours = (policy.decisions, policy.decision_interval)
        if (other.decisions, other.decision_interval) != ours:
            raise AdaptAugError(
                f"all policies must have equal numbers and intervals of decisions; {name!r} differs"
            )


def _ranges(tasks: Sequence[Task], options: Options) -> list[TaskRange]:
    """What adaptation and random search train on: for each training-set size its run lengths."""
    ranges = []
    for size in dict.fromkeys(task.n_train for task in tasks):
        here = [task.steps for task in tasks if task.n_train == size]
        lengths = options.adapt_steps or (min(here), max(here))
        interval = tasks[0].decision_interval
        task = tasks[0].but(decision_interval=interval and min(interval, *lengths))
        ranges.append(TaskRange(task, lengths, (size, size)))
    return ranges


def search_objective(
    policy: Policy, tasks: Sequence[Task], costs: CostTable, options: Options
) -> Objective:
    """What adaptation and random search maximise; its default price of compute is the policy's."""
    ranges = _ranges(tasks, options)
    weight = options.cost_weight
    if weight is None:
        weight = policy.provenance.get("cost_weight", SearchConfig.cost_weight)
    return Objective(ranges, [costs] * len(ranges), weight, options.seed, options.training.device)


def _adapted(
    policy: Policy, objective: Objective, options: Options, pool: Pool
) -> tuple[Policy, dict[str, Any]]:
    """The policy with biases and gates fitted at the budgets, and how they were found."""
    magnitude = DEFAULTS[load(options.dataset).modality].warm_start_magnitude
    counting = CountingPool(pool)
    adapted, done = adapt(policy, objective, options.adapt, magnitude, counting)
    gains = ", ".join(f"{name} {gain:+.2f}" for name, gain in done["gains"].items())
    print(
        f"adaptation keeps {done['kept']!r} (gains over none: {gains or 'not compared'}), which "
        f"gains {done['gain']:+.2f} in other trials; the policy augments "
        f"{scope(done['evidence']['min_epochs'])}"
    )
    provenance = {
        "adapted_from": dict(policy.provenance), "dataset": options.dataset,
        "examples": counting.spent.examples,
    } | done  # fmt: skip
    return replace(adapted, provenance=provenance), done


def _evaluate(
    compared: Sequence[Sequence[Entrant]], options: Options, pool: Pool
) -> list[list[Record]]:
    """Trains every arm at every budget and seed, long runs first to keep all cores busy."""
    seeds = range(EVALUATION_SEEDS, EVALUATION_SEEDS + options.seeds)
    device = options.training.device
    order = sorted(range(len(compared)), key=lambda budget: -compared[budget][0].task.steps)
    places = [(budget, seed, e) for budget in order for seed in seeds for e in compared[budget]]
    jobs = [Job(e.arm, e.task, seed, e.costs, device=device) for _, seed, e in places]
    records: list[list[Record]] = [[] for _ in compared]
    for (budget, _, _), record in zip(places, pool.run(jobs, "evaluation"), strict=True):
        records[budget].append(record)
    return records


def _budget(text: str) -> tuple[int, int]:
    try:
        n_train, steps = (int(part) for part in text.split("x"))
    except ValueError:
        raise AdaptAugError(f"a budget must have the form N_TRAINxSTEPS, got {text!r}") from None
    return n_train, steps


def _read_constant(path: Path, ops: Sequence[str]) -> list[float]:
    """Magnitudes in the order of the ops."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        magnitudes = [float(values[name]) for name in ops]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise AdaptAugError(f"constant must be a JSON object of numbers: {path}: {error}") from None
    if set(values) != set(ops) or not all(0 <= magnitude <= 1 for magnitude in magnitudes):
        raise AdaptAugError(f"constant must give each op of {ops} a magnitude in [0, 1]: {path}")
    return magnitudes


if __name__ == "__main__":
    main(Options, run, __doc__)
