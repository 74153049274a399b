"""Trains children under arms: the one training loop of every comparison and baseline search."""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from adaptaug.controllers import Controller
from adaptaug.data import Source, load, preload
from adaptaug.evaluation.robustness import robustness, score_names
from adaptaug.metrics import measure, precision_recall_f1, predict
from adaptaug.ops import Op, OpSpace
from adaptaug.policy.cost import CostTable
from adaptaug.training.child_run import ChildRun
from adaptaug.training.episode import Episode
from adaptaug.training.setup import draw_split
from adaptaug.training.task import Task
from adaptaug.utils.progress import ProgressBar
from adaptaug.utils.seeding import one_thread
from adaptaug.utils.signals import kept_from_workers
from adaptaug.utils.timing import clock

Record = dict[str, Any]
"""One child training under one arm, as plain data."""


@dataclass(frozen=True)
class Arm:
    """A controller with the ops that it acts on."""

    name: str
    """Name of the arm in tables."""
    ops: tuple[str | Op, ...]
    """The ops, as names or `Op` objects."""
    controller: Controller
    """Picks the magnitudes."""
    search: str = ""
    """Name of the search that found the controller, if the arm stands for several searches."""


@dataclass(frozen=True)
class Job:
    """One child to train."""

    arm: Arm
    """The controller that picks the magnitudes, and its ops."""
    task: Task
    """Data, child and budget."""
    seed: int
    """Fixes split, child and draws."""
    costs: CostTable = field(default_factory=CostTable)
    """Costs from which the observation's feature `cost` is computed."""
    test: bool = True
    """Whether to evaluate on the final test split; a search must set this to False."""
    device: str = "cpu"
    """Device on which the child trains."""
    robustness: bool = False
    """Whether to measure robustness on the test split; read only if `test` is True."""


def train_child(job: Job) -> Record:
    """Trains one child to the end of its run.

    Returns:
        A record with these keys:

        - `arm`, `search`, `seed`, `dataset`, `child`, `n_train`, `steps`, `num_classes`, `ops`.
        - `validation_accuracy`, `validation_loss`, and `validation_score`, the task's metric. The
          loss of a diverged child is NaN.
        - `accuracy`, `precision`, `recall`, `f1` (macro over classes, in tagging of entities) and
          `loss` on the final test split, if `job.test` is True.
        - `robustness`, if `job.test` is True: the scores of `adaptaug.evaluation.robustness` by
          name, or None if `job.robustness` is False.
        - `seconds`: processor time of the training (elapsed time on a GPU), including augmenting,
          observing, deciding and fitting ops; `controller_seconds`: the part spent on observing and
          deciding.
        - `cost`: of observing and augmenting, as a fraction of plain training.
        - `magnitudes`: those of every decision.
        - `notes`: warnings about ops, such as a generator that could not be used.
        - `diverged`: whether the child diverged; its test scores are then those of chance.
    """
    task, controller = job.task, job.arm.controller
    op_space = OpSpace(job.arm.ops)
    with one_thread():
        episode = Episode(task, job.seed, op_space, job.costs, job.device)
        controller.reset(job.seed)
        started = clock(job.device)
        magnitudes = list(episode.play(controller))
        seconds = clock(job.device) - started
        run = episode.run
        logits, targets = predict(run.model, run.validation.inputs), run.validation.targets
        validated = measure(logits, targets)
        # The last update may have broken a child whose last training loss was still finite.
        diverged = run.diverged or not math.isfinite(validated.loss)
        record: Record = {
            "arm": job.arm.name,
            "search": job.arm.search,
            "seed": job.seed,
            "dataset": task.dataset,
            "child": task.child,
            "n_train": task.n_train,
            "steps": task.steps,
            "num_classes": run.num_classes,
            "seconds": seconds + run.op_space.fit_seconds,
            "controller_seconds": episode.controller_seconds,
            "cost": episode.cost,
            "validation_accuracy": validated.score,
            "validation_loss": math.nan if diverged else validated.loss,
            "validation_score": episode.observer.scorer(logits.argmax(-1), targets),
            "diverged": diverged,
            "ops": list(op_space.names),
            "magnitudes": magnitudes,
            "notes": list(run.op_space.notes),
        }
        if job.test:
            record |= _test_scores(run, job, diverged)
    return record


def train_children(
    jobs: Sequence[Job], processes: int, label: str, *, quiet: bool = False
) -> list[Record]:
    """Trains children, one at a time in each process, with a progress bar.

    Args:
        jobs: the children to train.
        processes: number of worker processes; 0 trains in this process.
        label: text of the progress bar.
        quiet: hides the progress bar.

    Returns:
        Records in the order of the jobs.
    """
    with worker_pool([job.task.dataset for job in jobs], processes) as pool:
        return pool.run(jobs, label, quiet=quiet)


class Pool:
    """Workers that train children, kept alive over several rounds of jobs."""

    def __init__(self, executor: ProcessPoolExecutor | None) -> None:
        """Takes an executor whose workers have loaded the data; None trains in this process."""
        self._executor = executor

    def run(self, jobs: Sequence[Job], label: str, *, quiet: bool = False) -> list[Record]:
        """Trains the jobs' children; see `train_children`."""
        records: list[Record] = [{} for _ in jobs]
        total = sum(job.task.steps for job in jobs)
        with ProgressBar(total=total, desc=label, unit="step", disable=quiet) as bar:
            for index, record in self._completed(jobs):
                records[index] = record
                bar.update(jobs[index].task.steps)
        return records

    def _completed(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Record]]:
        if self._executor is None:
            for index, job in enumerate(jobs):
                yield index, train_child(job)
            return
        with kept_from_workers():
            futures = {
                self._executor.submit(train_child, _self_contained(job)): index
                for index, job in enumerate(jobs)
            }
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            for future in futures:
                future.cancel()


@contextmanager
def worker_pool(datasets: Sequence[str], processes: int) -> Iterator[Pool]:
    """Starts workers that hold the data sets; with 0 processes, children train in this process."""
    if processes == 0:
        yield Pool(None)
        return
    sources = [load(name) for name in sorted(set(datasets))]
    executor = ProcessPoolExecutor(
        processes,
        mp_context=torch.multiprocessing.get_context("spawn"),
        initializer=_prepare_worker,
        initargs=(sources,),
    )
    with executor:
        yield Pool(executor)


def _self_contained(job: Job) -> Job:
    """The job with `Op` objects in place of names, since a worker does not know the user's ops."""
    return replace(job, arm=replace(job.arm, ops=OpSpace(job.arm.ops).ops))


def _prepare_worker(sources: Sequence[Source]) -> None:
    torch.set_num_threads(1)
    for source in sources:
        preload(source)


def _test_scores(run: ChildRun, job: Job, diverged: bool) -> Record:
    """The entries of a record that are measured on the final test split."""
    source = load(job.task.dataset)
    test = draw_split(job.task, job.seed).test.to(job.device)
    logits = predict(run.model, test.inputs)
    metrics = measure(logits, test.targets)
    if diverged or not math.isfinite(metrics.loss):
        return _scores_of_chance(source, job)
    predicted = logits.argmax(-1)
    precision, recall, f1 = precision_recall_f1(predicted, test.targets, source.classes)
    robust = None
    if job.robustness:
        size = 0 if source.vocabulary is None else len(source.vocabulary)
        robust = robustness(run.model, test, job.seed, classes=source.classes, vocabulary_size=size)
    return {
        "accuracy": metrics.score,
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "loss": metrics.loss,
        "robustness": robust,
    }


def _scores_of_chance(source: Source, job: Job) -> Record:
    """Test scores of a diverged child: the accuracy of a guess, precision, recall and F1 of 0."""
    chance = 1 / source.num_classes
    disturbed = 0.0 if source.modality == "tagging" else chance  # entities' F1
    robust = dict.fromkeys(score_names(source.modality), disturbed)
    return {
        "accuracy": chance,
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
        "loss": math.log(source.num_classes),
        "robustness": robust if job.robustness else None,
        "diverged": True,
    }
