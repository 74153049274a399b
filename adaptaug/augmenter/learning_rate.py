"""The learning rate of a user's own loop, as the fraction of its peak that a policy sees."""

from collections.abc import Callable

from torch.optim import Optimizer

from adaptaug.errors import AdaptAugError
from adaptaug.policy.schedules import SCHEDULES

LearningRate = Callable[[], float] | Optimizer | None
"""Where the fraction comes from: a function that returns it, an optimiser, or one-cycle."""


class PeakFraction:
    """Reads the learning rate of the next batch as a fraction of its peak, in [0, 1].

    Of an optimiser the first parameter group counts. Its peak is `max_lr` where a `OneCycleLR` has
    put one; otherwise the highest of the rates seen and `initial_lr`, the rate that a scheduler
    scales. So a warm-up by `LambdaLR` is read rightly, and one by hand as if it were at its peak.
    """

    def __init__(self, source: LearningRate) -> None:
        """Takes what to read; None assumes the one-cycle schedule of the search.

        Raises:
            AdaptAugError: it is something else.
        """
        if not (source is None or isinstance(source, Optimizer) or callable(source)):
            raise AdaptAugError(
                "learning_rate must be an optimizer, a function without arguments or None, "
                f"got {type(source).__name__}"
            )
        self.highest = 0.0
        self._source = source

    def at(self, progress: float) -> float:
        """The fraction, where `progress` in [0, 1) of the run is done."""
        if self._source is None:
            return SCHEDULES["one_cycle"](progress)
        if not isinstance(self._source, Optimizer):
            return float(self._source())
        group = self._source.param_groups[0]
        rate = float(group["lr"])
        self.highest = max(self.highest, rate, float(group.get("initial_lr", 0.0)))
        peak = float(group.get("max_lr", self.highest))
        return min(1.0, rate / peak) if peak > 0 else 0.0
