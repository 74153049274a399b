"""Arms over tasks and seeds, from check to run folder: what `compare` and the studies share."""

import sys
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from adaptaug.data import load
from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.statistics import summarise
from adaptaug.evaluation.train_child import Job, Pool, Record, worker_pool
from adaptaug.ops import Op
from adaptaug.policy.cost import COST_WEIGHT
from adaptaug.policy.policy import Policy, load_policy
from adaptaug.tensorboard import Board
from adaptaug.training.task import Task, TaskRange
from adaptaug.utils.files import new_run_folder, write_json
from adaptaug.utils.types import Modality
from agents.objective import Trial
from agents.random_search import FEWEST_TRAININGS, best_constant
from experiments.common.arms import Setting, check_arms, entrants, fitting, note_metrics
from experiments.common.cli import (
    EVALUATION_SEEDS,
    RUNS,
    check_counts,
    check_device,
    check_task,
    command,
    described,
    run_path,
)
from experiments.common.defaults import DEFAULTS, suiting
from experiments.reports.comparison_report import main_table, slugs, write_comparison
from experiments.reports.judged import judged

POLICY_ARMS = ("learned", "online")
"""Arms that there are only with a policy."""

More = Callable[[Setting, Path, Board], Mapping[str, Any]]
"""What a study measures beside the arms on one task: returns `title`, `text` (Markdown) and data
for the summary; figures and samples go into the folder and on the board."""


@dataclass(frozen=True)
class Comparison:
    """What is compared, on what, and how."""

    title: str
    """Heading of the report."""
    tasks: Sequence[Task]
    """One table each."""
    arms: Sequence[str]
    """Names in `experiments.common.arms.ARMS`; what does not suit a task is left out there."""
    seeds: int
    """Evaluation seeds."""
    required: Sequence[str] = ()
    """The arms that a user asked for by name, each of which must suit some task."""
    hand_set: Mapping[Modality, Mapping[str, float]] = field(default_factory=dict)
    """The op space of the rules with a person's magnitudes; by default
    `experiments.common.defaults`', on the ops of the first policy that fits the task."""
    policies: Mapping[str, Policy] = field(default_factory=dict)
    """Learned policies by the name of their arm."""
    variants: Mapping[str, Op] = field(default_factory=dict)
    """Ops in place of the registered ones of these names."""
    constant_trainings: int = 0
    """Child trainings in the random search of the best constant, on each task."""
    cost_weight: float = COST_WEIGHT
    """Lambda in that search."""
    robustness: bool = True
    """Whether children are also tested on attacked and corrupted inputs."""
    processes: int = 0
    """Worker processes; 0 trains in this one."""
    device: str = "cpu"
    """Where children train."""
    notes: Sequence[str] = ()
    """What a reader of the report must know."""
    more: More | None = None
    """What is measured beside the arms."""

    def settings(self) -> list[Setting]:
        """What the arms are made for, one for each task; finds every mistake of a user's.

        Raises:
            AdaptAugError: an arm is unknown or suits no task, a task cannot be trained, a number
                is too low.
        """
        check_counts(1, seeds=self.seeds, tasks=len(self.tasks), arms=len(self.arms))
        check_counts(0, processes=self.processes)
        check_device(self.device)
        check_arms(self.arms)
        self._check_searches()
        for task in self.tasks:
            check_task(task)
        names = slugs(self.tasks)
        settings = [self._setting(*pair) for pair in zip(self.tasks, names, strict=True)]
        for name in self.required:
            if name != "best constant" and not any(entrants([name], s) for s in settings):
                raise AdaptAugError(
                    f"an arm must suit one of the tasks, got {name!r} for "
                    f"{', '.join(task.dataset for task in self.tasks)}"
                )
        return settings

    def _check_searches(self) -> None:
        for name in POLICY_ARMS:
            if name in self.arms and not self.policies:
                raise AdaptAugError(f"arm {name!r} needs a policy (--policy), got none")
        if "best constant" in self.arms:
            check_counts(FEWEST_TRAININGS, constant_trainings=self.constant_trainings)

    def _setting(self, task: Task, name: str) -> Setting:
        source, policies = load(task.dataset), fitting(self.policies, task)
        usual = DEFAULTS[source.modality]
        ops = next((policy.ops for policy in policies.values()), usual.ops)
        given = self.hand_set.get(source.modality) or {
            op: usual.hand_set.get(op, 0.0) for op in ops
        }
        ops = suiting(tuple(given), source, task.lexicon)
        return Setting(
            task, ops, given, policies, variants=self.variants, device=self.device, name=name
        )


def read_policies(references: Sequence[str]) -> dict[str, Policy]:
    """Policies by the name of their arm: "learned", or of several "learned FOLDER".

    Raises:
        AdaptAugError: a policy cannot be read, or two would have one name.
    """
    policies: dict[str, Policy] = {}
    for reference in references:
        path = Path(reference)
        folder = path.parent.name if path.name == "policy" and path.parent.name else path.name
        name = "learned" if len(references) == 1 else f"learned {folder}"
        if name in policies:
            raise AdaptAugError(f"policies must lie in folders of different names, got {folder!r}")
        policies[name] = load_policy(reference)
    return policies


def usual_arms_of(names: Sequence[str], policies: Sized, constant_trainings: int) -> list[str]:
    """Of these arms, those that what is given allows: policies, and trainings for a search."""
    given = {"best constant": constant_trainings} | dict.fromkeys(POLICY_ARMS, len(policies))
    return [name for name in names if given.get(name, 1)]


def run_comparison(comparison: Comparison, name: str, options: object) -> int:
    """Trains everything and writes runs/NAME; returns the exit code.

    After every task its records are on disk; what ends the run early, such as Ctrl-C, leaves a
    report of the tasks that are done.

    Raises:
        AdaptAugError: a user's mistake; before anything is written, but for a generator's.
    """
    settings = comparison.settings()
    for setting in settings:
        note_metrics(setting.policies, setting.task)
    folder = new_run_folder(run_path(name))
    write_json(folder / "config.json", options)
    entries: list[dict[str, Any]] = []
    records: list[list[Record]] = []
    ended: BaseException | None = None
    with Board(folder) as board:
        try:
            datasets = [task.dataset for task in comparison.tasks]
            with worker_pool(datasets, comparison.processes) as pool:
                for number, setting in enumerate(settings, 1):
                    label = f"task {number}/{len(settings)}"
                    entry, found = judge(comparison, setting, pool, label)
                    entries.append(entry)
                    records.append(found)
                    write_json(folder / "records.json", [r for part in records for r in part])
                    show_magnitudes(board, entry["name"], found)
                    if comparison.more is not None:
                        entry["more"] = _more(comparison.more, setting, folder, board)
        except (KeyboardInterrupt, AdaptAugError) as error:
            ended = error
            print(f"interrupted after {len(entries)} of {len(settings)} tasks", file=sys.stderr)
            if not entries:
                raise
        summary = {
            **entries[0], "title": comparison.title, "notes": list(comparison.notes),
            "command": command(), "tasks": entries,
        }  # fmt: skip
        write_comparison(folder, summary, records)
        final = {entry["name"]: entry for entry in entries}
        board.hyperparameters(
            {"arms": comparison.arms, "seeds": comparison.seeds}, final_scores(final)
        )
    for entry in entries:
        print(f"\n{entry['name']}\n{main_table(entry)}")
    print(f"\nreport: {folder / 'report.md'}\ncurves: tensorboard --logdir {RUNS}")
    if ended is not None:
        raise ended
    return 0


def _more(more: More, setting: Setting, folder: Path, board: Board) -> dict[str, Any]:
    """What a study measures beside the arms; where that fails the arms' results still count."""
    try:
        return dict(more(setting, folder, board))
    except AdaptAugError as error:
        return {"title": "Not measured", "text": str(error)}


def judge(
    comparison: Comparison, setting: Setting, pool: Pool, label: str
) -> tuple[dict[str, Any], list[Record]]:
    """Trains one task's children under every arm; returns what the summary says, and records."""
    task, device = setting.task, comparison.device
    search: dict[str, Any] = {}
    if "best constant" in comparison.arms:
        ranges = [TaskRange(task, (task.steps, task.steps), (task.n_train, task.n_train))]
        trial = Trial(ranges, [setting.costs], comparison.cost_weight, 0, device)
        ops = setting.acting(setting.ops)
        best, spent = best_constant(ops, trial, comparison.constant_trainings, pool)
        setting = replace(setting, best=best)
        search = {
            "constant_trainings": spent, "cost_weight": comparison.cost_weight,
            "constant": dict(zip(setting.ops, best, strict=True)),
        }  # fmt: skip
    seeds = range(EVALUATION_SEEDS, EVALUATION_SEEDS + comparison.seeds)
    jobs = [
        Job(e.arm, e.task, seed, e.costs, device=device, robustness=comparison.robustness)
        for seed in seeds
        for e in entrants(comparison.arms, setting)
    ]
    records = pool.run(jobs, label)
    learned = next(iter(setting.policies), "learned")
    entry = {
        "name": setting.name, "task": described(task), "settings": task.to_dict(), "search": search,
        "chance": 1 / records[0]["num_classes"], "seeds": list(seeds),
        "notes": sorted({note for record in records for note in record["notes"]}),
    }  # fmt: skip
    summary = summarise(records, learned)
    for arm, scores in summary["arms"].items():
        scores.update(_beside([record for record in records if record["arm"] == arm]))
    return entry | summary, records


def _beside(runs: Sequence[Record]) -> dict[str, Any]:
    """What an arm's summary tells beside its test scores."""
    share = np.mean([run["controller_seconds"] / run["seconds"] for run in runs])
    losses = [run["validation_loss"] for run in runs]
    return {
        "controller_share": float(share),
        "validation_loss": {"mean": float(np.mean(losses)), "n": len(losses)},
    }


def show_magnitudes(board: Board, name: str, records: Sequence[Record]) -> None:
    """Puts every arm's magnitudes over one task's run, means over seeds, on the board."""
    for arm in dict.fromkeys(record["arm"] for record in records):
        runs = [record for record in records if record["arm"] == arm]
        longest = max(len(run["magnitudes"]) for run in runs)
        for number, rows in enumerate(zip_longest(*(run["magnitudes"] for run in runs))):
            mean = np.mean([row for row in rows if row is not None], axis=0)
            step = runs[0]["steps"] * number // longest
            board.magnitudes(runs[0]["ops"], mean, step, f"{name}/{arm}")


def final_scores(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """The score that counts, of every arm on every task, for the board."""
    return {
        f"final/{name}/{arm}": scores["accuracy"]["mean"]
        for name, entry in entries.items()
        for arm, scores in judged(entry)["arms"].items()
    }
