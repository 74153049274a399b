"""What augmentation costs: measured once, then read from a table, so that a seed replays."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from statistics import median
from typing import Any, Self

from adaptaug.clock import clock
from adaptaug.errors import AdaptAugError
from adaptaug.observation import Situation
from adaptaug.ops import OpSpace
from adaptaug.randomness import one_thread
from adaptaug.start import start
from adaptaug.task import Task

COST_WEIGHT = 0.05
"""Lambda where none is given: the price, in reward, of as much compute again as plain training."""


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
        """Reads plain data; what is missing takes its default, as in older policies.

        Raises:
            AdaptAugError: a key is unknown, or a value no number.
        """
        try:
            numbers = {key: float(value) for key, value in data.items() if key != "stages"}
            stages = {stage: float(cost) for stage, cost in data.get("stages", {}).items()}
            return cls(stages, **numbers)
        except (AttributeError, TypeError, ValueError) as error:
            raise AdaptAugError(f"a cost table must be as to_dict has it: {error}") from None


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
