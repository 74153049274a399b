"""What a search is: tasks, ops, PPO's settings."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from adaptaug.policy.cost import COST_WEIGHT


@dataclass(frozen=True)
class SearchConfig:
    """What is searched over, and how."""

    tasks: Sequence[Mapping[str, Any]] = ({},)
    """Fields of `adaptaug.training.task.Task`; `steps` and `n_train` may be pairs: log-uniform
    ranges."""
    ops: tuple[str, ...] = ()
    """Names of the ops."""
    cost_weight: float = COST_WEIGHT
    """Lambda: the price, in reward, of as much compute again as plain training."""
    episodes: int = 1800
    """Child trainings, rounded to whole updates and pairs; more where some end early, by early
    stopping or as short runs under a `decision_interval`, and others begin in the same update."""
    screening: float = 0.2
    """Share of the episodes that first screens the ops (see there); needs `op_bias`."""
    screened_at: float = 0.3
    """Magnitude around which the screening tries the ops, in (0, 1]."""
    safeguard: float = 0.1
    """Share of the episodes that at last finds the budgets at which to leave runs alone."""
    groups: int = 3
    """Groups of children in an update."""
    group_size: int = 6
    """Children that share task, data, weights and batch order."""
    actor: str = "shared"
    """'shared', or 'mlp' for the ablation."""
    hidden: tuple[int, ...] = (32, 32)
    """Widths of the hidden layers."""
    op_bias: bool = True
    """Whether each op has a learned bias of its own."""
    learning_rate: float = 2e-3
    """Adam's, falling linearly to 0 over the search."""
    epochs: int = 10
    """Passes over an update's transitions."""
    minibatches: int = 2
    """Minibatches in a pass."""
    target_kl: float = 0.1
    """An update ends early beyond 1.5 times this divergence."""
    log_std: float = -0.9
    """Logarithm of the first exploration noise, before the squashing."""
    seed: int = 0
    """Seeds the search: tasks, children, noise, weights."""
    processes: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Worker processes; 0 trains in this one."""
    device: str = "cpu"
    """Where children train."""
    time_limit_minutes: float | None = None
    """Stop after the update in which this much time is spent, but for the safeguard's share; None
    means all episodes."""

    def to_dict(self) -> dict[str, Any]:
        """The configuration as plain data, for JSON."""
        return asdict(self)
