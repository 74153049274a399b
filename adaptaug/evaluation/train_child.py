"""Training children under arms: the one loop of every comparison and every rival search."""

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
    """What tables call it."""
    ops: tuple[str | Op, ...]
    """The ops, by name or themselves."""
    controller: Controller
    """Picks the magnitudes."""


@dataclass(frozen=True)
class Job:
    """One child to train."""

    arm: Arm
    """Who augments."""
    task: Task
    """What is trained."""
    seed: int
    """Fixes split, child and draws."""
    costs: CostTable = field(default_factory=CostTable)
    """What the observation's cost feature is computed with."""
    test: bool = True
    """Whether the final test split is evaluated; a search must leave it alone."""
    device: str = "cpu"
    """Where the child trains."""
    robustness: bool = False
    """Whether the child is also tried on disturbed test examples; read only with `test`."""


def train_child(job: Job) -> Record:
    """Trains one child to the end of its run.

    Returns:
        A record: arm, seed, dataset, child, n_train, steps; validation accuracy, loss and score
        (the task's metric); with `test` also accuracy, precision, recall, f1 (macro, of entities
        in tagging) and loss on the final test split, and robustness: with `Job.robustness` its
        scores by name, see `adaptaug.evaluation.robustness`, else None; seconds (processor time of
        the training, augmentation, probing, controller and fitting of ops included) and
        controller_seconds, the part of it that observing and deciding took; the magnitudes of
        every decision; notes on what a person must know of the ops. A child that diverged has the
        scores of chance and `diverged` set.
    """
    task, controller = job.task, job.arm.controller
    op_space = OpSpace(job.arm.ops)
    with one_thread():
        episode = Episode(task, job.seed, op_space, job.costs, job.device)
        controller.start(job.seed)
        magnitudes: list[list[float]] = []
        controller_seconds = 0.0
        started = clock(job.device)
        while not episode.finished:
            asked = clock(job.device)
            observation = episode.observe(controller.probes) if controller.observes else None
            chosen = controller.decide(episode.run.progress, observation)
            controller_seconds += clock(job.device) - asked
            magnitudes.append(episode.advance(chosen))
            episode.check_early_stopping()
        seconds = clock(job.device) - started
        run = episode.run
        logits, targets = predict(run.model, run.validation.inputs), run.validation.targets
        validated = measure(logits, targets)
        # The last update may have broken a child whose last loss was finite still.
        diverged = run.diverged or not math.isfinite(validated.loss)
        record: Record = {
            "arm": job.arm.name,
            "seed": job.seed,
            "dataset": task.dataset,
            "child": task.child,
            "n_train": task.n_train,
            "steps": task.steps,
            "num_classes": run.num_classes,
            "seconds": seconds + run.op_space.fit_seconds,
            "controller_seconds": controller_seconds,
            "cost": episode.cost,
            "validation_accuracy": validated.accuracy,
            "validation_loss": validated.loss,
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
    """Trains children, one per process at a time, with a progress bar.

    Args:
        jobs: what to train.
        processes: worker processes; 0 trains in this one.
        label: says in the bar what is going on.
        quiet: no bar.

    Returns:
        Records in the order of the jobs.
    """
    with worker_pool([job.task.dataset for job in jobs], processes) as pool:
        return pool.run(jobs, label, quiet=quiet)


class Pool:
    """Workers that train children, kept alive over several rounds of jobs."""

    def __init__(self, executor: ProcessPoolExecutor | None) -> None:
        """Takes an executor whose workers have the data; None trains in this process."""
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
    """Starts workers and hands them the data sets."""
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
    """The job with its ops themselves: a worker's registry has no ops of the user's own."""
    return replace(job, arm=replace(job.arm, ops=OpSpace(job.arm.ops).ops))


def _prepare_worker(sources: Sequence[Source]) -> None:
    torch.set_num_threads(1)
    for source in sources:
        preload(source)


def _test_scores(run: ChildRun, job: Job, diverged: bool) -> Record:
    """What a record says of the final test split."""
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
        "accuracy": metrics.accuracy,
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "loss": metrics.loss,
        "robustness": robust,
    }


def _scores_of_chance(source: Source, job: Job) -> Record:
    """Of a child that says nothing: the accuracy of a guess, and no class or entity found."""
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
