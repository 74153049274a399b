"""Calibration: what augmenting and observing cost on this machine, for one task."""

from collections.abc import Callable, Sequence
from functools import partial
from statistics import median

from adaptaug.ops import OpSpace
from adaptaug.policy.cost import CostTable
from adaptaug.policy.observation import Situation
from adaptaug.training.setup import start
from adaptaug.training.task import Task
from adaptaug.utils.seeding import one_thread
from adaptaug.utils.timing import clock

SLOW = 0.25
"""Seconds of one step from which steps are timed one by one, not eight together."""

ROUNDS = 15
"""Times that each piece of work is timed."""

LONGEST = 20.0
"""Seconds after which no further round begins."""


def calibrate(task: Task, op_space: OpSpace, device: str = "cpu") -> CostTable:
    """Measures the table on this machine, for this task, on one thread.

    Takes a few seconds, for a large child as long as some twenty of its steps.
    """
    run, observer = start(task.but(steps=10**9, decision_interval=1), 0, op_space, device)
    situation = Situation(0.5, task.passes, 1.0, None, 0.0)
    # Every op of a fused stage, since that is how a policy uses it.
    used = {
        stage: [0.5 * (other == stage) for other in op_space.stages]
        for stage, applies in zip(op_space.stages, observer.applies, strict=True)
        if applies
    }
    off = [0.0] * len(op_space)
    with one_thread():
        once = partial(run.train_batches, 1, off)
        once()  # the first step warms up
        batches = 8 if _seconds(once, device) < SLOW else 1
        step, observe, validate, *augmented = _typical(
            [
                partial(run.train_batches, batches, off),
                partial(observer.observe, run.model, situation, probe=True),
                partial(observer.observe, run.model, situation, probe=False),
                *(partial(run.train_batches, batches, on) for on in used.values()),
            ],
            device,
        )
    stages = {s: max(0.0, taken / step - 1) for s, taken in zip(used, augmented, strict=True)}
    return CostTable(stages, observe / step * batches, validate=validate / step * batches)


def _typical(works: Sequence[Callable[[], object]], device: str) -> list[float]:
    """Seconds of each piece of work, medians.

    All are timed in turn, again and again, so that a machine that is fast or slow for a while is so
    for every one of them; on a CPU in processor time, which other programs do not add to.
    """
    rounds: list[list[float]] = []
    while len(rounds) < ROUNDS and sum(map(sum, rounds)) < LONGEST:
        rounds.append([_seconds(work, device) for work in works])
    return [median(taken) for taken in zip(*rounds, strict=True)]


def _seconds(work: Callable[[], object], device: str) -> float:
    started = clock(device)
    work()
    return clock(device) - started
