"""Settings of a search: tasks, ops, phases and PPO."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from adaptaug.policy.cost import COST_WEIGHT
from adaptaug.policy.observation import FREE_FEATURES
from agents.min_epochs import MIN_PAIRS


@dataclass(frozen=True)
class SearchConfig:
    """What a search covers, and how it learns."""

    tasks: Sequence[Mapping[str, Any]] = ({},)
    """Fields of `adaptaug.training.task.Task`, for each task. `steps` and `n_train` may be pairs:
    ranges from which each child training draws log-uniformly."""
    ops: tuple[str, ...] = ()
    """Names of the ops."""
    cost_weight: float = COST_WEIGHT
    """Lambda: the reward subtracted for compute that equals one plain training."""
    episodes: int = 1800
    """Child trainings of all phases. The warm start and PPO round them to multiples of groups x
    group_size."""
    warm_start_share: float = 0.2
    """Fraction of the trainings spent on the warm start. Without op_bias there is no warm start."""
    warm_start_magnitude: float = 0.3
    """Magnitude around which the warm start tries the ops, in (0, 1]."""
    min_epochs_share: float = 0.1
    """Fraction of the trainings spent, at the end, on finding the shortest run worth augmenting."""
    groups: int = 3
    """Groups of children in an update of PPO, or in a round of the warm start."""
    group_size: int = 6
    """Children in a group: they share task, data, initial weights and batch order."""
    hidden: tuple[int, ...] = (32, 32)
    """Widths of the policy network's hidden layers."""
    features: tuple[str, ...] = FREE_FEATURES
    """Features that the policy observes; the others are 0. Must include "progress"."""
    op_bias: bool = True
    """Whether the policy network learns a bias for each op."""
    learning_rate: float = 2e-3
    """Initial learning rate of PPO's Adam; it decays linearly to 0 over the search."""
    epochs: int = 10
    """Epochs of PPO over the transitions of an update."""
    minibatches: int = 2
    """Minibatches in an epoch of PPO."""
    target_kl: float = 0.1
    """An update stops early if its approximate KL divergence exceeds 1.5 times this value."""
    log_std: float = -0.9
    """Initial logarithm of the standard deviation of PPO's exploration noise, before tanh."""
    seed: int = 0
    """Seed of the search: of its tasks, children, exploration noise and initial weights."""
    processes: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Worker processes, by default one per core; 0 trains children in the main process."""
    costs: Sequence[Mapping[str, Any]] = ()
    """A cost table for each task, as plain data. By default they are measured, so that two searches
    with one seed differ; a resumed search reads those that it began with."""
    device: str = "cpu"
    """Device on which children are trained."""
    time_limit_minutes: float | None = None
    """Minutes for the whole search, or None. The warm start and PPO stop after the rollout in which
    a fraction 1 - min_epochs_share of this time has passed."""

    @property
    def children(self) -> int:
        """Number of children that train at once, in a round or an update."""
        return self.groups * self.group_size

    @property
    def warm_start_rounds(self) -> int:
        """Number of rounds of the warm start."""
        return int(self.warm_start_share * self.episodes) // self.children if self.op_bias else 0

    @property
    def updates(self) -> int:
        """Number of updates of PPO, at least 1."""
        pairs = self.pairs(self.episodes * (1 - self.min_epochs_share))
        return max(1, (self.episodes - 2 * pairs) // self.children - self.warm_start_rounds)

    def pairs(self, episodes: float) -> int:
        """Number of pairs with and without the policy after `episodes` other trainings.

        It is 0 where the share is too small for `agents.min_epochs.MIN_PAIRS`.
        """
        share = self.min_epochs_share / (1 - self.min_epochs_share)
        pairs = round(share * episodes) // 2
        return pairs if pairs >= MIN_PAIRS else 0

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain data, for JSON."""
        return asdict(self)
