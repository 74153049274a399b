"""Search a policy, compare it with its baselines, write a report.

    python -m experiments.train_policy --name digits
    python -m experiments.train_policy --name mine --dataset path/or/hub-id --n-train 500
    python -m experiments.train_policy --name words --dataset opinions --training.lexicon opinions

A small run that takes about a minute on a laptop:

    python -m experiments.train_policy --name tiny --episodes 72 --steps 100 --seeds 3
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from adaptaug.data import load
from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.train_child import Job, Record, worker_pool
from adaptaug.policy.observation import check_features
from adaptaug.policy.policy import load_policy
from adaptaug.tensorboard import Board
from adaptaug.training.task import Task, TaskRange
from adaptaug.utils.files import new_run_folder, plain, write_json
from agents.checkpoint import CHECKPOINT
from agents.config import SearchConfig
from agents.min_epochs import scope
from agents.objective import Objective
from agents.phases import WARM_START_POLICY, read_rows
from agents.random_search import MIN_TRAININGS, best_constant
from agents.search import SearchResult, search
from experiments.common.arms import constant_arm, entrants, fixed_arms, policy_arm
from experiments.common.baselines import ALWAYS, SEARCHED, CountingPool, add_costs, prepare
from experiments.common.cli import (
    EVALUATION_SEEDS,
    RUNS,
    ChildOptions,
    check_counts,
    check_numbers,
    check_seed,
    check_task,
    command,
    main,
    run_path,
)
from experiments.common.defaults import DEFAULTS, default_ops, lacking, suiting
from experiments.common.setting import Entrant, Setting
from experiments.reports.report import arms_table, write_report
from experiments.reports.summary import score_name, task_summary


@dataclass(frozen=True)
class Options:
    """Search a policy, evaluate it on unseen seeds, write runs/NAME."""

    name: str = "digits"
    """Name of the run folder in runs/."""
    dataset: tuple[str, ...] = ("digits",)
    """Data sets of the search: built in ('digits', 'opinions', 'mentions'), hub ids or folders. The
    policy is evaluated on the first."""
    n_train: int = 100
    """Training examples of each child in the evaluation."""
    steps: int = 400
    """Length of each child's training in the evaluation, in batches."""
    labels: int | None = None
    """Number of labelled examples of each data set that search, evaluation and baselines share:
    training and held-out examples are drawn from these alone. By default all but the test split."""
    seeds: int = 20
    """Number of evaluation seeds; the search uses none of them."""
    search_n_train: tuple[int, int] | None = None
    """Fewest and most training examples in the search. By default n-train / 2 (at least one per
    class) and 4 n-train (at most all)."""
    search_steps: tuple[int, int] | None = None
    """Shortest and longest training in the search, in batches. By default steps / 4 and 2 steps."""
    tasks: Path | None = None
    """File with a JSON list of tasks to search over, in place of the ranges; see
    adaptaug.training.task.TaskRange. The policy is still evaluated on --dataset."""
    ops: tuple[str, ...] | None = None
    """Names of the ops. By default those for the data sets in experiments.common.defaults."""
    episodes: int = SearchConfig.episodes
    """Number of child trainings in the search."""
    warm_start_share: float = SearchConfig.warm_start_share
    """Fraction of the trainings that explore constant magnitudes before PPO; 0 skips the warm
    start."""
    min_epochs_share: float = SearchConfig.min_epochs_share
    """Fraction of the trainings that compare with and without the policy, at the end, to find the
    shortest run worth augmenting; 0 augments every run."""
    cost_weight: float = SearchConfig.cost_weight
    """Lambda: the penalty for augmentation that doubles the training time; one point of accuracy is
    worth 0.1."""
    op_bias: bool = True
    """Whether each op has a learned bias of its own, which helps on the data of the search and
    hinders transfer to other data."""
    features: tuple[str, ...] = SearchConfig.features
    """Features that the policy observes; see adaptaug.policy.observation. By default those that
    need no evaluation of the model, and so no held-out data."""
    costs: Path | None = None
    """File with the cost tables of an earlier search, such as runs/digits/checkpoints/costs.json.
    By default costs are measured, which differs from run to run."""
    constant_share: float = 0.1
    """Child trainings in the random search for the arm 'best constant', as a fraction of the
    policy's."""
    strong: bool = False
    """Adds the arms 'best constant (GP)' and 'best ramp', each searched at the budget of the
    evaluation with as many child trainings as the policy; with 200 where one takes over 5 s."""
    time_limit_minutes: float | None = None
    """Time limit for the warm start and PPO, which end after the update in which 1 -
    min-epochs-share of it is spent. By default there is none."""
    resume: bool = False
    """Continue an interrupted search; its settings must be given again."""
    seed: int = 0
    """Seed of the search; evaluation seeds are different ones."""
    training: ChildOptions = field(default_factory=ChildOptions)
    """Training of the children."""

    def op_names(self, task: Task) -> tuple[str, ...]:
        """The op space: the user's, or the defaults of all data sets that are searched over.

        Raises:
            AdaptAugError: an op is unknown, or no op suits the task of the evaluation.
        """
        if self.ops is not None:
            source = load(task.dataset)
            suiting(self.ops, source, task.lexicon)
            missing = lacking(self.ops, source, task.lexicon)
            return tuple(op for op in self.ops if op not in missing)
        names = [default_ops(load(name), task.lexicon) for name in self.dataset]
        return tuple(dict.fromkeys(op for ops in names for op in ops))

    def task(self, dataset: str, n_train: int, steps: int) -> Task:
        """A task of these options, on the shared labels."""
        rows = None if self.labels is None else (0, self.labels)
        return self.training.task(dataset, n_train, steps, rows)

    def task_ranges(self) -> list[TaskRange]:
        """The ranges of tasks that the search draws from."""
        if self.tasks is not None:
            return read_tasks(self.tasks)
        steps = self.search_steps or (max(1, self.steps // 4), 2 * self.steps)
        ranges = []
        for name in self.dataset:
            source = load(name)
            held_out = self.task(name, self.n_train, self.steps).n_validation
            room = (self.labels or len(source.train)) - held_out
            most = max(self.n_train, min(4 * self.n_train, room))
            fewest = min(self.n_train, max(source.num_classes, self.n_train // 2))
            n_train = self.search_n_train or (fewest, most)
            ranges.append(TaskRange(self.task(name, n_train[1], steps[1]), steps, n_train))
        return ranges


def read_tasks(path: Path) -> list[TaskRange]:
    """Reads a JSON list of task ranges."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [TaskRange.from_dict(row) for row in rows]
    except AdaptAugError:
        raise
    except (OSError, ValueError, TypeError) as error:
        raise AdaptAugError(f"tasks must be a JSON list of objects in {path}: {error}") from None


def run(options: Options) -> int:
    """Runs the script; returns the exit code."""
    check_options(options)
    task = options.task(options.dataset[0], options.n_train, options.steps)
    ranges = options.task_ranges()
    ops = options.op_names(task)
    check(task, ranges)
    folder = run_path(options.name)
    if options.resume:
        check_resumed(options, ranges, folder)
    else:
        new_run_folder(folder)
        write_json(folder / "config.json", settings(options, ranges))
    resume = options.resume and (folder / CHECKPOINT).exists()
    config = SearchConfig(
        tasks=[item.to_dict() for item in ranges],
        ops=ops,
        cost_weight=options.cost_weight,
        episodes=options.episodes,
        warm_start_share=options.warm_start_share,
        min_epochs_share=options.min_epochs_share,
        warm_start_magnitude=DEFAULTS[load(task.dataset).modality].warm_start_magnitude,
        op_bias=options.op_bias,
        features=check_features(options.features),
        costs=read_rows(options.costs) if options.costs else (),
        seed=options.seed,
        processes=options.training.processes,
        device=options.training.device,
        time_limit_minutes=options.time_limit_minutes,
    )
    print(f"search: {options.episodes} child trainings on {len(ranges)} range(s) of tasks")
    try:
        result = search(config, folder, resume=resume)
    except KeyboardInterrupt:
        return interrupted(folder, "before the first update, so there is no policy yet")
    if result.interrupted:
        return interrupted(folder, f"after {result.episodes} child trainings")
    if result.evidence:
        print(f"the policy augments {scope(result.evidence['min_epochs'])}")
    try:
        summary, records = evaluate(options, task, ranges, result, folder)
    except KeyboardInterrupt:
        return interrupted(folder, "during the evaluation")
    write_json(folder / "records.json", records)
    write_report(folder, summary, records)
    with Board(folder) as board:
        final = {
            f"final/{score_name(summary)}": summary["arms"]["learned"]["score"]["mean"],
            "final/gain_over_none": summary["learned_minus_score"]["none"]["mean"],
        }
        board.hyperparameters(config.to_dict(), final)
    print(arms_table(summary))
    print(f"\nreport: {folder / 'report.md'}   policy: {folder / 'policy'}")
    print(f"curves: tensorboard --logdir {RUNS}")
    return 0


def interrupted(folder: Path, when: str) -> int:
    """Prints which files an interrupted search has left; returns the exit code."""
    policy, checkpoint = folder / "policy", folder / CHECKPOINT
    left = [f"policy: {policy}"] if policy.exists() else []
    left += [f"checkpoint: {checkpoint}"] if checkpoint.exists() else []
    print(f"interrupted {when}; {', '.join([*left, 'continue with --resume'])}", file=sys.stderr)
    return 130


def check_options(options: Options) -> None:
    """Checks each option by itself."""
    check_counts(1, seeds=options.seeds, episodes=options.episodes, datasets=len(options.dataset))
    check_numbers(
        cost_weight=options.cost_weight,
        constant_share=options.constant_share,
        time_limit_minutes=options.time_limit_minutes,
    )
    check_seed(options.seed)
    if options.labels is not None and options.tasks is not None:
        raise AdaptAugError("--labels needs a search without --tasks, whose entries have 'rows'")
    options.training.check()
    for name in ("warm_start_share", "min_epochs_share"):
        if not 0 <= getattr(options, name) < 1:
            raise AdaptAugError(f"{name} must lie in [0, 1), got {getattr(options, name)}")
    if options.warm_start_share + options.min_epochs_share >= 1:
        raise AdaptAugError(
            "warm_start_share and min_epochs_share must leave a share for PPO, "
            f"got {options.warm_start_share} and {options.min_epochs_share}"
        )


def check(task: Task, ranges: Sequence[TaskRange]) -> None:
    """Checks every task of the evaluation and the search, before anything is written or trained."""
    check_counts(1, tasks=len(ranges))
    check_task(task)
    for item in ranges:
        for n_train in item.n_train:
            check_task(item.task.but(n_train=n_train))


def settings(options: Options, ranges: Sequence[TaskRange]) -> dict[str, Any]:
    """The content of `config.json`: the options and the ranges that follow from them."""
    given = plain(options)
    assert isinstance(given, dict)
    return given | {"searched_over": plain([item.to_dict() for item in ranges])}


def check_resumed(options: Options, ranges: Sequence[TaskRange], folder: Path) -> None:
    """Checks that a resumed search has the settings that it was begun with.

    Raises:
        AdaptAugError: there is no run to resume, or its settings are different.
    """
    try:
        begun = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        begun = None
    if not isinstance(begun, dict):
        raise AdaptAugError(f"--resume needs a config.json, got none in {folder}")
    free = {"resume", "time_limit_minutes", "seeds", "constant_share", "strong"}
    ours = settings(options, ranges)
    for given in (ours, begun):  # the number of processes changes no result
        given.get("training", {}).pop("processes", None)
    changed = sorted(key for key in ours if key not in free and ours[key] != begun.get(key))
    if changed:
        raise AdaptAugError(
            f"--resume needs the settings of {folder / 'config.json'}, got another {changed[0]}"
        )


def evaluate(
    options: Options,
    task: Task,
    ranges: Sequence[TaskRange],
    result: SearchResult,
    folder: Path,
) -> tuple[dict[str, Any], list[Record]]:
    """Trains children on unseen seeds under every arm; returns summary and records."""
    ops, device = result.policy.ops, options.training.device
    objective = Objective(ranges, result.costs, options.cost_weight, options.seed + 1, device)
    trainings = max(MIN_TRAININGS, round(options.constant_share * result.episodes))
    seeds = range(EVALUATION_SEEDS, EVALUATION_SEEDS + options.seeds)
    datasets = [task.dataset, *(item.task.dataset for item in ranges)]
    with worker_pool(datasets, options.training.processes) as pool:
        counting = CountingPool(pool)
        constant, spent = best_constant(ops, objective, trainings, counting)
        write_json(folder / "best_constant.json", dict(zip(ops, constant, strict=True)))
        share = spent / max(1, result.episodes)
        print(f"best constant: {spent} child trainings, {share:.0%} of the policy's")
        more = [*ALWAYS, *(SEARCHED if options.strong else ())]
        setting = _setting(options, task, result, folder)
        prepared = prepare(setting, more, pool, options.cost_weight, options.seed + 2)
        arms = [
            *fixed_arms(ops, task),
            policy_arm("untrained policy", result.untrained),
            policy_arm("learned", result.policy),
            constant_arm("best constant", ops, constant),
        ]
        compared = [Entrant(arm, task, setting.costs) for arm in arms]
        compared += entrants(more, prepared.setting)
        records = pool.run(
            [Job(e.arm, e.task, seed, e.costs, device=device) for seed in seeds for e in compared],
            "evaluation",
        )
    summary = task_summary(task, records) | {
        "search": {
            "episodes": result.episodes,
            "child_steps": result.child_steps,
            "seconds": result.seconds,
            "child_steps_per_second": result.child_steps / max(result.seconds, 1e-9),
            "constant_trainings": spent,
        },
        "command": command(),
        "min_epochs": result.evidence,
        "found": prepared.found,
    }
    add_costs(summary, compared, prepared.spent | {"best constant": counting.spent})
    return summary, records


def _setting(options: Options, task: Task, result: SearchResult, folder: Path) -> Setting:
    """What the arms of the policy are built from; all decide at the steps of the task."""
    before = folder / WARM_START_POLICY
    warm_starts = {"learned": load_policy(before)} if before.exists() else {}
    policy = replace(
        result.policy, decisions=task.decisions, decision_interval=task.decision_interval
    )
    return Setting(
        task, policy.ops, DEFAULTS[load(task.dataset).modality].hand_set, {"learned": policy},
        warm_starts=warm_starts, device=options.training.device,
    )  # fmt: skip


if __name__ == "__main__":
    main(Options, run, __doc__)
