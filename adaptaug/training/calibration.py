"""Calibration: measures the costs of augmenting and observing on this machine, for one task."""

from collections.abc import Callable, Sequence
from functools import partial
from statistics import median

from adaptaug.ops import OpSpace
from adaptaug.policy.cost import CostTable
from adaptaug.policy.observation import GLOBAL_FEATURES, Situation
from adaptaug.training.setup import set_up
from adaptaug.training.task import Task
from adaptaug.utils.seeding import one_thread
from adaptaug.utils.timing import clock

SLOW = 0.25
"""Seconds; steps that take at least this long are timed one by one, others eight together."""

ROUNDS = 15
"""Number of times that each piece of work is timed, at most."""

LONGEST = 20.0
"""Total seconds of timing after which no new round begins."""


def calibrate(task: Task, op_space: OpSpace, device: str = "cpu") -> CostTable:
    """Measures the cost table of a task on this machine, on one thread.

    Takes a few seconds; for a large child, about as long as twenty of its training steps.
    """
    run, observer = set_up(task.but(steps=10**9, decision_interval=1), 0, op_space, device)
    situation = Situation(0.5, task.epochs, 1.0, None, 0.0)
    # A stage is timed with all its ops on, since a policy uses the ops of a fused stage together.
    used = {
        stage: [0.5 * (other == stage) for other in op_space.stages]
        for stage, applies in zip(op_space.stages, observer.applies, strict=True)
        if applies
    }
    off = [0.0] * len(op_space)
    with one_thread():
        once = partial(run.train_batches, 1, off)
        once()  # not timed: the first step of a child is slower
        batches = 8 if _seconds(once, device) < SLOW else 1
        step, observe, validate, *augmented = _typical(
            [
                partial(run.train_batches, batches, off),
                partial(observer.observe, run.model, situation),
                partial(observer.observe, run.model, situation, GLOBAL_FEATURES),
                *(partial(run.train_batches, batches, on) for on in used.values()),
            ],
            device,
        )
    stages = {s: max(0.0, taken / step - 1) for s, taken in zip(used, augmented, strict=True)}
    return CostTable(stages, observe / step * batches, validate=validate / step * batches)


def _typical(works: Sequence[Callable[[], object]], device: str) -> list[float]:
    """Median seconds of each piece of work: processor time on a CPU, elapsed time on a GPU.

    Each round times every piece once, so that a machine that is slow for a while slows all of them.
    """
    rounds: list[list[float]] = []
    while len(rounds) < ROUNDS and sum(map(sum, rounds)) < LONGEST:
        rounds.append([_seconds(work, device) for work in works])
    return [median(taken) for taken in zip(*rounds, strict=True)]


def _seconds(work: Callable[[], object], device: str) -> float:
    started = clock(device)
    work()
    return clock(device) - started
