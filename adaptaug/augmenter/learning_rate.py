"""The learning rate of a user's loop as a fraction of its peak, which a policy observes."""

import math
from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from adaptaug.errors import AdaptAugError
from adaptaug.policy.schedules import SCHEDULES

LearningRate = Callable[[], float] | Optimizer | LRScheduler | None
"""Source of the fraction: a function that returns it, an optimizer, the scheduler of one, or None
for one-cycle."""


def optimizer_of(source: LearningRate) -> Optimizer | None:
    """The optimizer behind a source, if there is one."""
    source = source.optimizer if isinstance(source, LRScheduler) else source
    return source if isinstance(source, Optimizer) else None


class PeakFraction:
    """Reads the learning rate of the next batch as a fraction of its peak, in [0, 1].

    The rate of an optimizer is that of its first parameter group. The peak is the group's `max_lr`,
    which `OneCycleLR` sets. Without a `max_lr` it is the highest rate read so far or the group's
    `initial_lr`, the rate that a scheduler scales, whichever is higher. So the fraction is right
    during a warm-up by `LambdaLR`, but is 1 during a warm-up that sets `lr` by hand.
    """

    def __init__(self, source: LearningRate) -> None:
        """Sets the source; None assumes the one-cycle schedule of the search.

        Raises:
            AdaptAugError: the source is none of `LearningRate`.
        """
        source = optimizer_of(source) or source
        if not (source is None or isinstance(source, Optimizer) or callable(source)):
            raise AdaptAugError(
                "learning_rate must be an optimizer, a scheduler, a function without arguments "
                "or None, "
                f"got {type(source).__name__}"
            )
        self.highest = 0.0
        """Highest learning rate of the optimizer read so far."""
        self._source = source

    def at(self, progress: float) -> float:
        """The fraction of the peak when the fraction `progress` in [0, 1) of the run is done.

        Raises:
            AdaptAugError: the user's function does not return a number.
        """
        if self._source is None:
            return SCHEDULES["one_cycle"](progress)
        if not isinstance(self._source, Optimizer):
            return _number(self._source())
        group = self._source.param_groups[0]
        rate = float(group["lr"])
        self.highest = max(self.highest, rate, float(group.get("initial_lr", 0.0)))
        peak = float(group.get("max_lr", self.highest))
        return min(1.0, rate / peak) if peak > 0 else 0.0


def _number(value: object) -> float:
    """What a user's function returned, as a number."""
    try:
        rate = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        rate = math.nan
    if not math.isfinite(rate):
        raise AdaptAugError(f"learning_rate must return a fraction of its peak, got {value!r}")
    return rate
