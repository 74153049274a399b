"""A comparison of arms over tasks and seeds, from the checks to the run folder."""

import re
import sys
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from adaptaug.data import load
from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.train_child import Job, Pool, Record, worker_pool
from adaptaug.ops import Op
from adaptaug.policy.cost import COST_WEIGHT
from adaptaug.policy.policy import Policy, load_policy
from adaptaug.tensorboard import Board
from adaptaug.training.task import Task, TaskRange
from adaptaug.utils.files import new_run_folder, write_json
from adaptaug.utils.types import Modality
from agents.objective import Objective
from agents.random_search import MIN_TRAININGS, best_constant
from experiments.common.arms import check_arms, entrants, note_metrics
from experiments.common.baselines import (
    SEARCHED,
    CountingPool,
    add_costs,
    prepare,
    read_warm_start,
)
from experiments.common.cli import (
    EVALUATION_SEEDS,
    RUNS,
    check_counts,
    check_device,
    check_task,
    command,
    run_path,
)
from experiments.common.defaults import DEFAULTS, suiting
from experiments.common.setting import Entrant, Setting, fitting
from experiments.reports.board import final_scores, show_magnitudes
from experiments.reports.comparison_report import main_table, write_comparison
from experiments.reports.summary import slugs, task_summary

POLICY_ARMS = ("learned", "online", "replay", "warm start")
"""Arms that need a policy."""

SEARCH_ARMS = ("best constant", "replay", *SEARCHED)
"""Arms that need trainings before their evaluation."""

More = Callable[[Setting, Path, Board], Mapping[str, Any]]
"""Measures something else on one task, after the arms. Returns `title`, `text` (Markdown) and data
for the summary; figures and samples go into the folder and to TensorBoard."""


@dataclass(frozen=True)
class Comparison:
    """Which arms are compared, on which tasks, and how."""

    title: str
    """Heading of the report."""
    tasks: Sequence[Task]
    """The tasks; the report has a table for each."""
    arms: Sequence[str]
    """Names in `experiments.common.arms.ARMS`; arms that do not suit a task are left out."""
    seeds: int
    """Evaluation seeds."""
    required: Sequence[str] = ()
    """The arms that a user asked for by name; each must suit at least one task."""
    hand_set: Mapping[Modality, Mapping[str, float]] = field(default_factory=dict)
    """Op space of the rules with hand-set magnitudes, by modality. By default the ops are those of
    the first policy that fits the task, and the magnitudes those of `experiments.common.defaults`.
    """
    policies: Mapping[str, Policy] = field(default_factory=dict)
    """Learned policies by the name of their arm."""
    warm_starts: Mapping[str, Policy] = field(default_factory=dict)
    """The policies before PPO, as far as they are known, by the name of the policy's arm."""
    as_one: bool = False
    """Whether policies whose folders differ only in a final number, "-0", "-1" and so on, are those
    of searches that differ only in their seed: their arms are then one arm, whose scores and
    intervals are over searches and seeds together."""
    variants: Mapping[str, Op] = field(default_factory=dict)
    """Ops that replace the registered ones of these names."""
    constant_trainings: int = 0
    """Child trainings in the random search for the best constant, on each task."""
    strong_trainings: int | None = None
    """Child trainings of each arm in `experiments.common.baselines.SEARCHED`; see `prepare`."""
    cost_weight: float = COST_WEIGHT
    """Lambda: the price of compute in the searches of constants and ramps."""
    robustness: bool = True
    """Whether children are also evaluated on attacked and corrupted inputs."""
    processes: int = 0
    """Worker processes; 0 trains in the main process."""
    device: str = "cpu"
    """Torch device that children train on."""
    notes: Sequence[str] = ()
    """Sentences at the top of the report."""
    more: More | None = None
    """What is measured after the arms."""

    def settings(self) -> list[Setting]:
        """Checks everything that a user may get wrong; returns a setting for each task.

        Raises:
            AdaptAugError: an arm is unknown or suits no task, a task cannot be trained, or a number
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
            if name not in SEARCH_ARMS and not any(entrants([name], s) for s in settings):
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
            check_counts(MIN_TRAININGS, constant_trainings=self.constant_trainings)
        if self.strong_trainings is not None:
            check_counts(MIN_TRAININGS, strong_trainings=self.strong_trainings)

    def _setting(self, task: Task, name: str) -> Setting:
        source, policies = load(task.dataset), fitting(self.policies, task)
        usual = DEFAULTS[source.modality]
        ops = next((policy.ops for policy in policies.values()), usual.ops)
        given = self.hand_set.get(source.modality) or {
            op: usual.hand_set.get(op, 0.0) for op in ops
        }
        ops = suiting(tuple(given), source, task.lexicon)
        warm_starts = {arm: self.warm_starts[arm] for arm in policies if arm in self.warm_starts}
        return Setting(
            task, ops, given, policies, warm_starts=warm_starts, variants=self.variants,
            device=self.device, name=name,
        )  # fmt: skip


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


def read_warm_starts(
    references: Sequence[str], policies: Mapping[str, Policy]
) -> dict[str, Policy]:
    """The policies of `read_policies` before PPO, where their run folders have them."""
    pairs = zip(references, policies.items(), strict=True)
    found = {name: read_warm_start(reference, policy) for reference, (name, policy) in pairs}
    return {name: policy for name, policy in found.items() if policy is not None}


def usual_arms_of(
    names: Sequence[str], policies: Sized, constant_trainings: int, strong: bool = False
) -> list[str]:
    """These arms, without those that need a policy or a search if there is none.

    Args:
        names: names of arms.
        policies: the policies.
        constant_trainings: trainings in the random search for the best constant.
        strong: whether the arms that a Gaussian process searches are wanted.
    """
    given = {"best constant": constant_trainings} | dict.fromkeys(POLICY_ARMS, len(policies))
    given |= dict.fromkeys(SEARCHED, int(strong))
    return [name for name in names if given.get(name, 1)]


def run_comparison(comparison: Comparison, name: str, options: object) -> int:
    """Trains all children and writes runs/NAME; returns the exit code.

    Records are written after every task. If the run ends early, as by Ctrl-C, it leaves a report of
    the finished tasks.

    Raises:
        AdaptAugError: a user's mistake, found before anything is written; or a generator failed.
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
                    entry, found = evaluate(comparison, setting, pool, label)
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
    """What a study measures after the arms; if that fails, the arms' results are kept."""
    try:
        return dict(more(setting, folder, board))
    except AdaptAugError as error:
        return {"title": "Not measured", "text": str(error)}


def evaluate(
    comparison: Comparison, setting: Setting, pool: Pool, label: str
) -> tuple[dict[str, Any], list[Record]]:
    """Trains one task's children under every arm; returns the task's summary and the records."""
    task, device = setting.task, comparison.device
    search: dict[str, Any] = {}
    counting = CountingPool(pool)
    if "best constant" in comparison.arms:
        ranges = [TaskRange(task, (task.steps, task.steps), (task.n_train, task.n_train))]
        objective = Objective(ranges, [setting.costs], comparison.cost_weight, 0, device)
        ops = setting.acting(setting.ops)
        best, spent = best_constant(ops, objective, comparison.constant_trainings, counting)
        setting = replace(setting, best=best)
        search = {
            "constant_trainings": spent, "cost_weight": comparison.cost_weight,
            "constant": dict(zip(setting.ops, best, strict=True)),
        }  # fmt: skip
    prepared = prepare(
        setting, comparison.arms, pool, comparison.cost_weight, 1, comparison.strong_trainings
    )
    compared, costs = entrants(comparison.arms, prepared.setting), prepared.spent
    learned = next(iter(setting.policies), "learned")
    if comparison.as_one:
        kinds = {_arm_and_search(name)[0].removeprefix("learned") for name in setting.policies}
        only = kinds.pop() if len(kinds) == 1 else ""
        compared = [_of_search(entrant, only) for entrant in compared]
        costs = {_arm_and_search(name, only)[0]: cost for name, cost in costs.items()}
        learned, _ = _arm_and_search(learned, only)
    seeds = range(EVALUATION_SEEDS, EVALUATION_SEEDS + comparison.seeds)
    jobs = [
        Job(e.arm, e.task, seed, e.costs, device=device, robustness=comparison.robustness)
        for seed in seeds
        for e in compared
    ]
    records = pool.run(jobs, label)
    entry = {
        "name": setting.name, "settings": task.to_dict(), "search": search,
        "chance": 1 / records[0]["num_classes"], "seeds": list(seeds),
        "notes": sorted({note for record in records for note in record["notes"]}),
    }  # fmt: skip
    summary = task_summary(task, records, learned) | {"found": prepared.found}
    add_costs(summary, compared, costs | {"best constant": counting.spent})
    for arm, scores in summary["arms"].items():
        scores.update(_beside([record for record in records if record["arm"] == arm]))
    return entry | summary, records


def _arm_and_search(name: str, only: str = "") -> tuple[str, str]:
    """The name of an arm without its policy's number, and the number; other arms have none.

    `only` is the folder in the names of all policies, if it is the same; it is left out.
    """
    found = re.fullmatch(r"(.+)-(\d+)", name)
    return (found[1].removesuffix(only), found[2]) if found else (name, "")


def _of_search(entrant: Entrant, only: str) -> Entrant:
    """The entrant, as one search of an arm that stands for several."""
    name, search = _arm_and_search(entrant.arm.name, only)
    return replace(entrant, arm=replace(entrant.arm, name=name, search=search))


def _beside(runs: Sequence[Record]) -> dict[str, Any]:
    """What an arm's summary holds besides its test scores."""
    share = np.mean([run["controller_seconds"] / run["seconds"] for run in runs])
    losses = [run["validation_loss"] for run in runs]
    return {
        "controller_share": float(share),
        "validation_loss": {"mean": float(np.mean(losses)), "n": len(losses)},
    }
