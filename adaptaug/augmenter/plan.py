"""The length of a user's run in calls of the `Augmenter`: as told, and as the run turns out."""

from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from adaptaug.augmenter.checks import check_counts
from adaptaug.augmenter.notices import Notices
from adaptaug.errors import AdaptAugError

_ENOUGH = 3
"""Optimizer steps after which the calls to each of them are known."""


class Plan:
    """Calls and epochs of a run, from what the user has at hand.

    Gradient accumulation makes several calls of one optimizer step. Where only the number of
    optimizer steps is known, the calls follow from `accumulate`, or from counting the steps of the
    optimizer. A run that goes on after its end is planned anew.
    """

    def __init__(
        self,
        notices: Notices,
        *,
        total_steps: int | None,
        n_train: int | None,
        batch_size: int | None,
        loader: DataLoader[Any] | None,
        epochs: int | None,
        optimizer: Optimizer | None,
        scheduler: LRScheduler | None,
        accumulate: int | None,
    ) -> None:
        """Finds the calls in the whole run; for the arguments see `Augmenter`.

        Raises:
            AdaptAugError: a number is below 1, or the length of the run or the number of training
                examples is not known.
        """
        check_counts(
            total_steps=total_steps, n_train=n_train, batch_size=batch_size, epochs=epochs,
            accumulate=accumulate,
        )  # fmt: skip
        self._notices = notices
        self._counter = None if optimizer is None else _StepCounter(optimizer)
        self._scheduled = getattr(scheduler, "total_steps", None)  # of OneCycleLR
        self._batches = None if loader is None else _length(loader, "loader")
        n_train = n_train or (None if loader is None else _length(loader.dataset, "loader.dataset"))
        if n_train is None:
            raise AdaptAugError("n_train, the training examples in one epoch, or loader is needed")
        self.n_train = n_train
        self.batch_size = batch_size or getattr(loader, "batch_size", None)
        """Examples in a call; None until the first batch."""
        self._exact = False  # whether `epochs` divided by the loader's batches is exact
        if total_steps is None and epochs is not None and self._batches is not None:
            self._exact, total_steps, accumulate = True, epochs * self._batches, 1
        total_steps = total_steps or self._scheduled
        if total_steps is None:
            raise AdaptAugError(
                "the length of the run must be given: total_steps, or loader and epochs, or a "
                "OneCycleLR as scheduler"
            )
        self.told = total_steps * (accumulate or 1)
        """Calls in the whole run, as told."""
        self.total = self.told
        """Calls in the whole run, as planned now."""
        self._known = self._exact or accumulate is not None  # that `told` counts calls
        self._sizes: list[int] | None = []  # of the first batches; None once they are compared
        self._before: int | None = None  # calls in the run that is resumed
        self._ratio = 1.0  # calls to an optimizer step, where that was found by counting

    @property
    def epochs(self) -> float:
        """Epochs in the whole run; the size of a call must be known."""
        if self._exact and self._batches is not None:
            return self.total / self._batches
        assert self.batch_size is not None
        return self.total * self.batch_size / self.n_train

    def resume(self, calls: int, batch_size: int | None) -> None:
        """Goes on where another run stopped.

        Args:
            calls: calls in the whole of that run, as it was told.
            batch_size: its examples in a call, which this one takes if it was told no other.
        """
        self.batch_size = self.batch_size or batch_size
        self._sizes, self._before = [], calls

    def follow(self, size: int, step: int) -> int:
        """Looks before a call whether the run is as planned.

        Args:
            size: examples in the batch.
            step: index of the call.

        Returns:
            The index of the call; another one if a resumed run turns out to have smaller batches.
        """
        if self._sizes is not None:
            self._sizes.append(size)
            # A run may be resumed at the last batch of an epoch, which is smaller.
            if self._before is None or len(self._sizes) == 2:
                known = self.batch_size
                self.meet(max(self._sizes), step)
                if self._before is not None and self.batch_size != known:
                    step = self.rescaled(step - 1, self._before) + 1
                self._sizes = None
        self.look(step)
        return step

    def rescaled(self, step: int, calls: int) -> int:
        """Calls done of this run, where `step` of `calls` batches of another size were done."""
        return round(step * self.told / calls)

    def meet(self, size: int, step: int) -> None:
        """Compares a whole batch with the size that was told.

        Args:
            size: examples in the batch, not the smaller last one of an epoch.
            step: index of the call.
        """
        told = self.batch_size or size
        low, high = sorted((size, told))
        if low and high >= 2 * low and high % low == 0 and size < self.n_train:
            self._notices(
                "size",
                "batch %d has %d examples where batch_size=%d; batch_size and total_steps count "
                "what the Augmenter is called with, so %d is taken; if gradients are accumulated "
                "over several calls, pass accumulate=, and total_steps in optimizer steps",
                step, size, told, size,
            )  # fmt: skip
            told = size
        self.batch_size = told

    def look(self, step: int) -> None:
        """Looks before the call of index `step` whether the run is as long as planned."""
        total = self.total
        ratio = None if self._known or self._counter is None else self._counter.ratio()
        if ratio is not None:
            self._known = True
            total = self._with_accumulation(ratio)
        if step >= total:
            longer = self.told * self._ratio if self.total == self.told else 0
            total = max(step + 1, round(longer), total + max(1, self.told // 8))
            self._notices(
                "over",
                "the run goes on after its %d batches (total_steps); it is planned for %d now",
                self.told, total,
            )  # fmt: skip
        self.total = total

    def _with_accumulation(self, ratio: float) -> int:
        """Calls in the run, now that the optimizer is known to step once in `ratio` calls."""
        self._ratio = ratio
        if ratio == 1:
            return self.total
        if self._scheduled is None:
            self._notices(
                "accumulation",
                "the optimizer steps once in %d calls of the Augmenter; total_steps=%d is taken "
                "for calls; if it counts optimizer steps, pass accumulate=%d",
                round(ratio), self.told, round(ratio),
            )  # fmt: skip
            return self.total
        calls = self._scheduled * ratio
        return self.told if abs(self.told - calls) < self.told / 4 else round(self.told * ratio)


class _StepCounter:
    """Counts the steps of an optimizer, to find how many calls make one step."""

    def __init__(self, optimizer: Optimizer) -> None:
        self._calls = self._steps = 0
        self._first: tuple[int, int] | None = None  # calls and steps when the first was noticed
        if hasattr(optimizer, "_optimizer_step_post_hooks"):  # wrappers may lack it
            self._handle = optimizer.register_step_post_hook(self._count)

    def _count(self, *_: object) -> None:
        self._steps += 1

    def ratio(self) -> float | None:
        """Calls to each step, at least 1, once they are known; to be asked before every call."""
        calls, self._calls = self._calls, self._calls + 1
        if self._steps and self._first is None:  # loss scaling may have skipped steps before
            self._first = calls, self._steps
        if self._first is None or self._steps < self._first[1] + _ENOUGH:
            return None
        self._handle.remove()
        ratio = (calls - self._first[0]) / (self._steps - self._first[1])
        return ratio if ratio >= 1.5 else 1.0


def _length(data: Any, name: str) -> int:
    """Length of a loader or data set.

    Raises:
        AdaptAugError: it has none.
    """
    try:
        return len(data)
    except TypeError as error:
        raise AdaptAugError(
            f"{name} must have a length, got {type(data).__name__}; pass total_steps and n_train"
        ) from error
