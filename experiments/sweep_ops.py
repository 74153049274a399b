"""Measure what each op alone gains at constant magnitudes.

    python -m experiments.sweep_ops --name sweep --dataset digits --n-train 100 --steps 100 400
    python -m experiments.sweep_ops --name words --dataset opinions --training.lexicon opinions

Scores are on the reward-validation split, so that the results may guide choices.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from adaptaug.data import load
from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.statistics import paired_difference
from adaptaug.evaluation.train_child import Arm, Job, Record, train_children
from adaptaug.ops import ops_for
from adaptaug.training.task import Task
from adaptaug.utils.files import new_run_folder, write_json, write_text
from experiments.common.arms import constant_arm, usual_arms
from experiments.common.cli import (
    SWEEP_SEEDS,
    ChildOptions,
    check_counts,
    check_task,
    main,
    run_path,
)
from experiments.common.defaults import DEFAULTS, suiting
from experiments.reports.tables import difference_text, fixed_width, markdown, percent


@dataclass(frozen=True)
class Options:
    """Train children under each op alone, write runs/NAME."""

    name: str = "sweep"
    """Name of the run folder in runs/."""
    dataset: str = "digits"
    """Data set: built in ('digits', 'opinions', 'mentions'), a hub id or a folder."""
    n_train: tuple[int, ...] = (100,)
    """Training examples; each number is combined with each run length."""
    steps: tuple[int, ...] = (400,)
    """Run lengths in batches."""
    ops: tuple[str, ...] | None = None
    """Names of the ops. By default all that suit the data, except generators."""
    magnitudes: tuple[float, ...] = (0.3, 0.8)
    """Magnitudes of each op, in [0, 1]."""
    seeds: int = 12
    """Number of children for each op, magnitude and budget."""
    training: ChildOptions = field(default_factory=ChildOptions)
    """Training of the children."""


def run(options: Options) -> int:
    """Runs the script; returns the exit code."""
    tasks = [
        options.training.task(options.dataset, n_train, steps)
        for n_train, steps in product(options.n_train, options.steps)
    ]
    check_counts(1, seeds=options.seeds, budgets=len(tasks))
    options.training.check()
    for task in tasks:
        check_task(task)
    arms = sweep_arms(options, tasks[0])
    folder = new_run_folder(run_path(options.name))
    write_json(folder / "config.json", options)
    jobs = [
        Job(arm, task, SWEEP_SEEDS + seed, test=False, device=options.training.device)
        for task in tasks
        for seed in range(options.seeds)
        for arm in arms
    ]
    records = train_children(jobs, options.training.processes, "sweep")
    write_json(folder / "summary.json", records)
    rows = [("op", *(f"{task.n_train} examples, {task.steps} steps" for task in tasks))]
    for arm in arms:
        cells = []
        for task in tasks:
            here = [r for r in records if (r["n_train"], r["steps"]) == (task.n_train, task.steps)]
            cells.append(gain(here, arm.name))
        rows.append((arm.name, *cells))
    write_text(
        folder / "report.md",
        f"# Gain of each op alone, in percentage points over none\n\n{markdown(rows)}\n",
    )
    print(fixed_width(rows))
    return 0


def sweep_arms(options: Options, task: Task) -> list[Arm]:
    """None, every op at every magnitude, all hand-set ops together, and the usual defaults."""
    source = load(task.dataset)
    usual = usual_arms(task) if source.modality == "text" else []
    taken = {op for arm in usual for op in arm.ops}
    # A generator is trained for minutes for every seed, so it must be asked for by name.
    cheap = tuple(name for name, op in ops_for(source.modality).items() if op.fit is None)
    named = options.ops if options.ops is not None else cheap
    ops = [op for op in suiting(named, source, task.lexicon) if op not in taken]
    if not ops:
        raise AdaptAugError(f"a sweep needs an op besides the usual defaults, got {named}")
    arms = [constant_arm("none", (), ())]
    for op, magnitude in product(ops, options.magnitudes):
        arms.append(constant_arm(f"{op} {magnitude:g}", (op,), [magnitude]))
    hand_set = {op: m for op, m in DEFAULTS[source.modality].hand_set.items() if op in ops}
    together = [constant_arm("hand-set", tuple(hand_set), list(hand_set.values()))]
    return [*arms, *(together if hand_set else []), *usual]


def gain(records: Sequence[Record], arm: str) -> str:
    """Gain in validation score over none, in percentage points with interval; of none the score."""
    if arm == "none":
        return percent(float(np.mean([r["validation_score"] for r in records if r["arm"] == arm])))
    return difference_text(paired_difference(records, arm, "none", "validation_score"))


if __name__ == "__main__":
    main(Options, run, __doc__)
