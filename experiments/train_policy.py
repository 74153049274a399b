"""Search a policy, judge it against its rivals, write the report.

    python -m experiments.train_policy --name digits
    python -m experiments.train_policy --name mine --dataset path/or/hub-id --n-train 500
    python -m experiments.train_policy --name words --dataset opinions --training.lexicon opinions

A laptop-sized look at everything in half a minute:

    python -m experiments.train_policy --name tiny --episodes 72 --steps 100 --seeds 3
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adaptaug.data import load
from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.statistics import summarise
from adaptaug.evaluation.train_child import Job, Record, worker_pool
from adaptaug.policy.network import ACTORS
from adaptaug.tensorboard import Board
from adaptaug.training.task import Task, TaskRange
from adaptaug.utils.files import new_run_folder, plain, write_json
from agents.checkpoint import CHECKPOINT
from agents.config import SearchConfig
from agents.min_epochs import scope
from agents.objective import Trial
from agents.random_search import FEWEST_TRAININGS, best_constant
from agents.search import SearchResult, search
from experiments.common.arms import constant_arm, fixed_arms, policy_arm
from experiments.common.cli import (
    EVALUATION_SEEDS,
    RUNS,
    ChildOptions,
    check_counts,
    check_numbers,
    check_seed,
    check_task,
    command,
    described,
    main,
    run_path,
)
from experiments.common.defaults import DEFAULTS, default_ops, lacking, suiting
from experiments.reports.judged import judged, score_name
from experiments.reports.report import arms_table, write_report


@dataclass(frozen=True)
class Options:
    """Search a policy, judge it on unseen seeds, write runs/NAME."""

    name: str = "digits"
    """Name of the run folder in runs/."""
    dataset: tuple[str, ...] = ("digits",)
    """Built in ('digits', 'opinions', 'mentions'), hub ids or local folders; the first is the one
    that the policy is judged on."""
    n_train: int = 100
    """Training examples of a child in the evaluation."""
    steps: int = 400
    """Batches of a child's training in the evaluation."""
    seeds: int = 20
    """Evaluation seeds, unseen in the search."""
    search_n_train: tuple[int, int] | None = None
    """Range of training examples in the search; by default n-train / 2 (but one of each class) to
    4 n-train, or all."""
    search_steps: tuple[int, int] | None = None
    """Range of batches in the search; by default steps / 4 to 2 steps."""
    tasks: Path | None = None
    """A JSON list of tasks to search over, in place of the ranges: see
    adaptaug.training.task.TaskRange. The policy is judged on --dataset all the same."""
    ops: tuple[str, ...] | None = None
    """Op space; by default what suits the data sets, see experiments.common.defaults."""
    episodes: int = SearchConfig.episodes
    """Child trainings in the search."""
    screening: float = SearchConfig.screening
    """Share of them that first screens the ops; 0 starts with all of them."""
    safeguard: float = SearchConfig.safeguard
    """Share of them that at last tries the policy against none, in pairs: runs too short for it to
    be of use, it leaves alone. 0 augments all."""
    cost_weight: float = SearchConfig.cost_weight
    """Lambda: price of as much compute again as plain training, where a point of accuracy is worth
    0.1."""
    actor: str = "shared"
    """'shared', one small network for all ops, or 'mlp', the ablation."""
    op_bias: bool = True
    """Whether each op has a learned bias of its own, which helps at home and hinders transfer."""
    constant_share: float = 0.1
    """Child trainings for the best constant's random search, as a share of the policy's."""
    time_limit_minutes: float | None = None
    """End the search after the update in which this time is up, but for the safeguard's share."""
    resume: bool = False
    """Go on with an interrupted search, with the settings that it was begun with."""
    seed: int = 0
    """Seeds the search; evaluation seeds are others."""
    training: ChildOptions = field(default_factory=ChildOptions)
    """How children are trained."""

    def op_names(self, task: Task) -> tuple[str, ...]:
        """The op space: the user's, or the defaults of all data sets that are searched over.

        Raises:
            AdaptAugError: an op is unknown, or none suits the task that the policy is judged on.
        """
        if self.ops is not None:
            source = load(task.dataset)
            suiting(self.ops, source, task.lexicon)
            missing = lacking(self.ops, source, task.lexicon)
            return tuple(op for op in self.ops if op not in missing)
        names = [default_ops(load(name), task.lexicon) for name in self.dataset]
        return tuple(dict.fromkeys(op for ops in names for op in ops))

    def task_ranges(self) -> list[TaskRange]:
        """What is searched over."""
        if self.tasks is not None:
            return read_tasks(self.tasks)
        steps = self.search_steps or (max(1, self.steps // 4), 2 * self.steps)
        ranges = []
        for name in self.dataset:
            source = load(name)
            room = len(source.train) - self.training.n_validation
            most = max(self.n_train, min(4 * self.n_train, room))
            fewest = min(self.n_train, max(source.num_classes, self.n_train // 2))
            n_train = self.search_n_train or (fewest, most)
            ranges.append(TaskRange(self.training.task(name, n_train[1], steps[1]), steps, n_train))
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
    """Does the whole job; returns the exit code."""
    check_options(options)
    task = options.training.task(options.dataset[0], options.n_train, options.steps)
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
        screening=options.screening,
        safeguard=options.safeguard,
        screened_at=DEFAULTS[load(task.dataset).modality].screened_at,
        actor=options.actor,
        op_bias=options.op_bias,
        seed=options.seed,
        processes=options.training.processes,
        device=options.training.device,
        time_limit_minutes=options.time_limit_minutes,
    )
    print(f"search: {options.episodes} child trainings, over {len(ranges)} range(s) of tasks")
    try:
        result = search(config, folder, resume=resume)
    except KeyboardInterrupt:
        return interrupted(folder, "before the first update, so there is no policy yet")
    if result.interrupted:
        return interrupted(folder, f"after {result.episodes} child trainings")
    if result.safeguard:
        print(f"safeguard: the policy augments {scope(result.safeguard['fewest_passes'])}")
    try:
        summary, records = judge(options, task, ranges, result, folder)
    except KeyboardInterrupt:
        return interrupted(folder, "in the evaluation")
    write_json(folder / "records.json", records)
    write_report(folder, summary, records)
    with Board(folder) as board:
        shown = judged(summary)
        final = {
            f"final/{score_name(summary['task'])}": shown["arms"]["learned"]["accuracy"]["mean"],
            "final/gain_over_none": shown["learned_minus"]["none"]["mean"],
        }
        board.hyperparameters(config.to_dict(), final)
    print(arms_table(summary))
    print(f"\nreport: {folder / 'report.md'}   policy: {folder / 'policy'}")
    print(f"curves: tensorboard --logdir {RUNS}")
    return 0


def interrupted(folder: Path, when: str) -> int:
    """Says what Ctrl-C has left, and where; returns the exit code."""
    policy, checkpoint = folder / "policy", folder / CHECKPOINT
    left = [f"policy: {policy}"] if policy.exists() else []
    left += [f"checkpoint: {checkpoint}"] if checkpoint.exists() else []
    print(f"interrupted {when}; {', '.join([*left, 'go on with --resume'])}", file=sys.stderr)
    return 130


def check_options(options: Options) -> None:
    """Finds what is wrong with single options."""
    check_counts(1, seeds=options.seeds, episodes=options.episodes, datasets=len(options.dataset))
    check_numbers(
        cost_weight=options.cost_weight,
        constant_share=options.constant_share,
        time_limit_minutes=options.time_limit_minutes,
    )
    check_seed(options.seed)
    options.training.check()
    for name in ("screening", "safeguard"):
        if not 0 <= getattr(options, name) < 1:
            raise AdaptAugError(f"{name} must lie in [0, 1), a share, got {getattr(options, name)}")
    if options.screening + options.safeguard >= 1:
        raise AdaptAugError(
            "screening and safeguard must leave a share for PPO, "
            f"got {options.screening} and {options.safeguard}"
        )
    if options.actor not in ACTORS:
        raise AdaptAugError(f"actor must be one of {sorted(ACTORS)}, got {options.actor!r}")


def check(task: Task, ranges: Sequence[TaskRange]) -> None:
    """Finds a user's mistake before anything is written or trained."""
    check_counts(1, tasks=len(ranges))
    check_task(task)
    for item in ranges:
        for n_train in item.n_train:
            check_task(item.task.but(n_train=n_train))


def settings(options: Options, ranges: Sequence[TaskRange]) -> dict[str, Any]:
    """What `config.json` says: the options, and what they make a search over."""
    said = plain(options)
    assert isinstance(said, dict)
    return said | {"searched_over": plain([item.to_dict() for item in ranges])}


def check_resumed(options: Options, ranges: Sequence[TaskRange], folder: Path) -> None:
    """Makes sure that a resumed search is the one that was begun.

    Raises:
        AdaptAugError: there is no run to resume, or it was begun with other settings.
    """
    try:
        begun = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        begun = None
    if not isinstance(begun, dict):
        raise AdaptAugError(f"--resume needs a config.json, got none in {folder}")
    free = {"resume", "time_limit_minutes", "seeds", "constant_share"}
    ours = settings(options, ranges)
    for said in (ours, begun):  # the number of processes changes no result
        said.get("training", {}).pop("processes", None)
    changed = sorted(key for key in ours if key not in free and ours[key] != begun.get(key))
    if changed:
        raise AdaptAugError(
            f"--resume must keep the settings of {folder / 'config.json'}, got another {changed[0]}"
        )


def judge(
    options: Options,
    task: Task,
    ranges: Sequence[TaskRange],
    result: SearchResult,
    folder: Path,
) -> tuple[dict[str, Any], list[Record]]:
    """Trains children on unseen seeds under every arm; returns summary and records."""
    costs = result.policy.costs
    device = options.training.device
    trial = Trial(ranges, result.costs, options.cost_weight, options.seed + 1, device)
    trainings = max(FEWEST_TRAININGS, round(options.constant_share * result.episodes))
    ops = result.policy.ops
    arms = [
        *fixed_arms(ops, task),
        policy_arm("untrained policy", result.untrained),
        policy_arm("learned", result.policy),
    ]
    seeds = range(EVALUATION_SEEDS, EVALUATION_SEEDS + options.seeds)
    datasets = [task.dataset, *(item.task.dataset for item in ranges)]
    with worker_pool(datasets, options.training.processes) as pool:
        constant, spent = best_constant(ops, trial, trainings, pool)
        write_json(folder / "best_constant.json", dict(zip(ops, constant, strict=True)))
        arms.append(constant_arm("best constant", ops, constant))
        share = spent / max(1, result.episodes)
        print(f"best constant: {spent} child trainings, {share:.0%} of the policy's")
        jobs = [Job(arm, task, seed, costs, device=device) for seed in seeds for arm in arms]
        records = pool.run(jobs, "evaluation")
    summary = {
        "task": described(task),
        "search": {
            "episodes": result.episodes,
            "child_steps": result.child_steps,
            "seconds": result.seconds,
            "child_steps_per_second": result.child_steps / max(result.seconds, 1e-9),
            "constant_trainings": spent,
        },
        "command": command(),
        "safeguard": result.safeguard,
    }  # fmt: skip
    return summary | summarise(records), records


if __name__ == "__main__":
    main(Options, run, __doc__)
