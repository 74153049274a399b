"""What augmentation costs: measured once, then read from a table, so that a seed replays."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Self

from adaptaug.clock import finish
from adaptaug.observation import Situation
from adaptaug.ops import OpSpace
from adaptaug.randomness import one_thread
from adaptaug.start import start
from adaptaug.task import Task


@dataclass(frozen=True)
class CostTable:
    """Costs in units of one plain training step (batch, forward, backward, update)."""

    stages: Mapping[str, float] = field(default_factory=dict)
    """Augmenting one batch, by stage of the op space; fused ops share one stage."""
    observe: float = 1.5
    """One observation: validation and probes."""
    default: float = 0.1
    """Any stage that is not in the table."""
    validate: float = 0.5
    """One observation without probes."""

    def interval(self, op_space: OpSpace, magnitudes: Sequence[float], batches: int) -> float:
        """Cost of augmenting `batches` batches at these magnitudes."""
        active = {stage for stage, m in zip(op_space.stages, magnitudes, strict=True) if m > 0}
        return batches * sum(self.stages.get(stage, self.default) for stage in sorted(active))

    def observation(self, probe: bool) -> float:
        """Cost of one observation, with or without probes."""
        return self.observe if probe else self.validate

    def to_dict(self) -> dict[str, Any]:
        """The table as plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Reads plain data; what is missing takes its default, as in older policies."""
        return cls(**data)


SLOW = 0.25
"""Seconds of one step from which steps are timed one by one, not eight together."""

LONGEST = 5.0
"""Seconds after which a piece of work is not repeated once more."""


def calibrate(task: Task, op_space: OpSpace, device: str = "cpu") -> CostTable:
    """Measures the table on this machine, for this task, on one thread.

    Takes about a second, for a large child up to some ten seconds an op.
    """
    run, observer = start(task.but(steps=10**9, decision_interval=1), 0, op_space, device)
    situation = Situation(0.5, task.passes, 1.0, None, 0.0)
    off = [0.0] * len(op_space)
    with one_thread():
        batches = 8 if _seconds(lambda: run.train_batches(1, off), device) < SLOW else 1
        step = _seconds(lambda: run.train_batches(batches, off), device) / batches
        stages: dict[str, float] = {}
        for index, stage in enumerate(op_space.stages):
            if observer.applies[index] and stage not in stages:
                # Every op of a fused stage, since that is how a policy uses it.
                on = [0.5 * (other == stage) for other in op_space.stages]
                taken = _seconds(partial(run.train_batches, batches, on), device) / batches
                stages[stage] = max(0.0, taken / step - 1)
        observe, validate = (
            _seconds(partial(observer.observe, run.model, situation, probe=probe), device) / step
            for probe in (True, False)
        )
    return CostTable(stages, observe, validate=validate)


def _seconds(work: Callable[[], object], device: str, repeats: int = 9) -> float:
    """Fastest of a few runs: the one that other programs disturbed least."""
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        finish(device)
        taken.append(time.perf_counter() - started)
        if sum(taken) > LONGEST:
            break
    return min(taken)
