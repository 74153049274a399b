"""Measure what each op alone gains at constant magnitudes.

    python -m experiments.sweep_ops --name sweep --dataset digits --n-train 100 --steps 100 400
    python -m experiments.sweep_ops --name words --dataset opinions --training.lexicon opinions

Scores are on the reward-validation split, so that the results may guide choices. ▲ marks an op
that is better than none, ▼ a worse one, = a tie, after Holm's correction over the whole table. With
fewer than 6 seeds everything ties.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from adaptaug.data import load
from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.statistics import MIN_PAIRS, holm, paired_difference, verdict
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
from experiments.reports.tables import (
    AGAINST_NONE,
    Row,
    difference_text,
    fixed_width,
    markdown,
    percent,
)

HEADING = "Gain of each op alone, in percentage points over none"

HOW_TO_READ = (
    "The row *none* has its score in per cent, the other rows the difference to it with its 95% t "
    "interval, paired by seed. ▲: better than none, ▼: worse, =: a tie. Better and worse mean a p "
    "of the paired t test of at most 0.05 after Holm's correction over all cells of the table, and "
    f"at least {MIN_PAIRS} seeds. The intervals are not corrected."
)


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
    budgets = {
        f"{task.n_train} examples, {task.steps} steps": [
            r for r in records if (r["n_train"], r["steps"]) == (task.n_train, task.steps)
        ]
        for task in tasks
    }
    rows = gain_rows(budgets)
    write_text(folder / "report.md", f"# {HEADING}\n\n{markdown(rows)}\n\n{HOW_TO_READ}\n")
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


def gain_rows(budgets: Mapping[str, Sequence[Record]]) -> list[Row]:
    """Headings, a row with the scores of none, then a row for each arm: its gains over none.

    Args:
        budgets: the records of each budget, by heading; all budgets have the same arms.
    """
    arms = [arm for found in budgets.values() for arm in dict.fromkeys(r["arm"] for r in found)]
    arms = [arm for arm in dict.fromkeys(arms) if arm != "none"]
    scores = [
        percent(float(np.mean([r["validation_score"] for r in found if r["arm"] == "none"])))
        for found in budgets.values()
    ]
    gains = [
        paired_difference(found, arm, "none", "validation_score")
        for arm in arms
        for found in budgets.values()
    ]
    corrected = holm([gain["p"] for gain in gains])
    cells = iter(
        difference_text(gain) + AGAINST_NONE[verdict(gain | {"p_holm": p})]
        for gain, p in zip(gains, corrected, strict=True)
    )
    rows = [(arm, *(next(cells) for _ in budgets)) for arm in arms]
    return [("op", *budgets), ("none", *scores), *rows]


if __name__ == "__main__":
    main(Options, run, __doc__)
