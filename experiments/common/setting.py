"""What arms are built from: a setting, and which ops and policies suit its task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adaptaug.controllers import Controller
from adaptaug.controllers.fixed import Schedule
from adaptaug.data import load
from adaptaug.evaluation.train_child import Arm
from adaptaug.ops import Op, OpSpace
from adaptaug.policy.cost import CostTable
from adaptaug.policy.policy import Policy
from adaptaug.training.task import Task
from adaptaug.utils.types import Modality


@dataclass(frozen=True)
class Setting:
    """What arms are built from: a task, ops, and the policies and constants to compare."""

    task: Task
    """The task; arms may change its decisions."""
    ops: tuple[str, ...]
    """The ops of every rule and of the best constant."""
    hand_set: Mapping[str, float]
    """Hand-set magnitude of each op, by name; an op that is not named is off."""
    policies: Mapping[str, Policy] = field(default_factory=dict)
    """Learned policies that fit the task's data (see `fitting`), by the name of their arm."""
    best: Sequence[float] = ()
    """The best constant of a random search, one magnitude per op; empty without a search."""
    found: Mapping[str, Controller] = field(default_factory=dict)
    """The best constant and the best ramp of a Gaussian process, by the name of their arm."""
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    """The mean magnitudes of each policy at the task's budget, by the name of the policy's arm; see
    `experiments.common.baselines.mean_schedule`."""
    warm_starts: Mapping[str, Policy] = field(default_factory=dict)
    """Each policy before PPO, as far as its run folder has it, by the name of the policy's arm."""
    variants: Mapping[str, Op] = field(default_factory=dict)
    """Ops that replace the registered ones of these names: generators with other settings."""
    device: str = "cpu"
    """Torch device that children train on."""
    name: str = ""
    """The task's short name in files and charts, unique in a comparison."""

    @property
    def modality(self) -> Modality:
        """The modality of the task's data."""
        return load(self.task.dataset).modality

    def acting(self, ops: Sequence[str]) -> tuple[str | Op, ...]:
        """The ops to use: names, or the op itself if `variants` replaces it."""
        return tuple(self.variants.get(name, name) for name in ops)

    @property
    def costs(self) -> CostTable:
        """The cost table of every arm that has no policy: the first policy's."""
        return next((policy.costs for policy in self.policies.values()), CostTable())

    def task_for(self, policy: Policy) -> Task:
        """The task with the policy's decision interval; unchanged under early stopping.

        Patience counts decisions, so all arms must then decide at the same steps.
        """
        return self.task if self.task.patience is not None else as_searched(self.task, policy)

    @property
    def magnitudes(self) -> list[float]:
        """The hand-set magnitudes, one per op."""
        return [self.hand_set.get(name, 0.0) for name in self.ops]


@dataclass(frozen=True)
class Entrant:
    """An arm and the task that it trains on; only the decisions differ from the setting's task."""

    arm: Arm
    task: Task
    costs: CostTable
    """The table that the observation's cost feature is computed from."""


def fitting(policies: Mapping[str, Policy], task: Task) -> dict[str, Policy]:
    """The policies that have at least one op for the task's data."""
    return {name: policy for name, policy in policies.items() if any(ops_fit(policy.ops, task))}


def as_searched(task: Task, policy: Policy) -> Task:
    """The task with the policy's number or interval of decisions, unless it sets an interval.

    An interval that is longer than the run is cut to the run, as in an `Augmenter`.
    """
    interval = task.decision_interval or policy.decision_interval
    interval = interval and min(interval, task.steps)
    return task.but(decisions=policy.decisions, decision_interval=interval)


def ops_fit(ops: Sequence[str | Op], task: Task) -> tuple[bool, ...]:
    """Which of the ops suit the task's data."""
    source = load(task.dataset)
    channels = source.channels if source.modality == "image" else 3
    return OpSpace(ops).applies(source.modality, channels, lexicon=task.lexicon is not None)
