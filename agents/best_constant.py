"""The best constant and the best ramp at one budget, by Bayesian optimisation.

Both are baselines of a learned policy. The trainings are those of a warm start: each child gets the
best of many random schedules under one draw from the process (see `agents.warm_start.screening`).
Then gradient ascent finds the schedule of the highest lower confidence bound.

A schedule is magnitudes m times a shape (a, b): the magnitudes of the ops go linearly from a m at
the start of the run to b m at its end, each at most 1. The process sees the two ends, both divided
by sqrt(2). A constant has the shape (1, 1), and its distances are then those of its magnitudes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from adaptaug.controllers import Controller
from adaptaug.controllers.fixed import Linear
from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.train_child import Pool
from adaptaug.ops import Op
from adaptaug.utils.progress import ProgressBar
from adaptaug.utils.seeding import one_thread
from agents.objective import Objective
from agents.random_search import MIN_TRAININGS
from agents.warm_start.gaussian_process import LENGTHS, NOISES, SCALES
from agents.warm_start.screening import CAUTION, Screening, screen

Shape = tuple[float, float]
"""Factors of the magnitudes at the start and at the end of a run."""

CONSTANT: tuple[Shape, ...] = ((1.0, 1.0),)
"""The shape of a constant."""

RAMPS: tuple[Shape, ...] = ((0.0, 2.0), (0.5, 1.5), (1.0, 1.0), (1.5, 0.5), (2.0, 0.0))
"""The shapes of a ramp; all have the same mean over a run."""

GROUP_SIZE = 6
"""Children that share task and seed, as in `screen`."""

GROUPS = 3
"""Groups that train at once if there are trainings for at least `MIN_ROUNDS` such rounds."""

MIN_ROUNDS = 10
"""Rounds after which the process is fitted again, at least, where the trainings allow it."""

STARTS = 5
"""Number of the schedules tried that gradient ascent starts from, for each shape."""

ASCENT_STEPS, ASCENT_LEARNING_RATE = 200, 0.01
"""Adam's steps and learning rate in the gradient ascent."""

ONE_BUDGET = tuple((length, SCALES[0], noise) for length in LENGTHS for noise in NOISES)
"""Hyperparameters to choose from, where all children have one budget."""


@dataclass(frozen=True)
class Found:
    """A schedule and how it was found."""

    magnitudes: list[float]
    """Magnitudes m, one per op in [0, 1]."""
    shape: Shape
    """Their factors (a, b) at the start and at the end of the run."""
    gain: float
    """Predicted gain over no augmentation, in units of the objective."""
    deviation: float
    """Standard deviation of that prediction."""
    trainings: int
    """Child trainings spent."""

    @property
    def controller(self) -> Controller:
        """Picks the magnitudes of the schedule."""
        first, last = (np.minimum(1, factor * np.array(self.magnitudes)) for factor in self.shape)
        return Linear(first.tolist(), last.tolist())


class ScheduleScreening(Screening):
    """Suggests schedules in place of constants: rows hold the two ends, divided by sqrt(2)."""

    def __init__(self, n_ops: int, magnitude: float, seed: int, shapes: Sequence[Shape]) -> None:
        """Starts without data; see `Screening`."""
        super().__init__(2 * n_ops, magnitude, seed)
        self._n_ops, self._shapes = n_ops, shapes

    def controller(self, row: np.ndarray) -> Controller:
        """The schedule of a row (2 n_ops,)."""
        first, last = (row * 2**0.5).clip(0, 1).reshape(2, self._n_ops)
        return Linear(first.tolist(), last.tolist())

    @one_thread()
    def best(self) -> Found:
        """The schedule of the highest lower confidence bound."""
        self.process.fit(ONE_BUDGET)
        found = [self._ascend(shape) for shape in self._shapes]
        bounds, magnitudes, gains, deviations = zip(*found, strict=True)
        best = int(np.argmax(bounds))
        return Found(
            magnitudes[best], self._shapes[best], gains[best], deviations[best],
            len(self.process.budgets),
        )  # fmt: skip

    def _draw(self, count: int, random: np.random.Generator) -> np.ndarray:
        """Random schedules (count, 2 n_ops)."""
        constants = self._draw_constants(count, self._n_ops, random)
        shapes = torch.tensor(self._shapes, dtype=torch.float64)
        picked = shapes[random.integers(len(shapes), size=count)]
        drawn: np.ndarray = _ends(torch.from_numpy(constants), picked).numpy()
        return drawn

    def _ascend(self, shape: Shape) -> tuple[float, list[float], float, float]:
        """Maximises the bound at one shape: bound, magnitudes, predicted gain and its deviation.

        Adam starts from the means over the run of the schedules tried that have the highest bounds,
        and from none. Magnitudes stay within [0, 1].
        """
        factors = torch.tensor([shape], dtype=torch.float64)
        tried = self.process.magnitudes.reshape(-1, 2, self._n_ops).sum(1) / 2**0.5
        with torch.no_grad():
            bounds = self._bounds(tried, factors)[0]
        starts = tried[bounds.topk(min(STARTS, len(tried))).indices]
        magnitudes = torch.cat([starts, torch.zeros(1, self._n_ops)]).clamp(0, 1)
        magnitudes.requires_grad_()
        optimizer = torch.optim.Adam([magnitudes], lr=ASCENT_LEARNING_RATE)
        best, kept = (
            torch.full((len(magnitudes),), -torch.inf).double(),
            magnitudes.detach().clone(),
        )
        for _ in range(ASCENT_STEPS):
            bounds = self._bounds(magnitudes, factors)[0]
            optimizer.zero_grad()
            (-bounds.sum()).backward()
            with torch.no_grad():
                better = bounds > best
                best[better], kept[better] = bounds[better], magnitudes[better]
            optimizer.step()
            with torch.no_grad():
                magnitudes.clamp_(0, 1)
        with torch.no_grad():
            bounds, gains, deviations = self._bounds(kept, factors)
        index = int(bounds.argmax())
        return (
            float(bounds[index]), kept[index].tolist(), float(gains[index]),
            float(deviations[index]),
        )  # fmt: skip

    def _bounds(self, magnitudes: Tensor, shape: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Lower confidence bounds, predicted gains and their deviations, (m,) each."""
        rows = _ends(magnitudes, shape)
        gains, deviations = self.process.gain(rows, self.process.budgets[:1].expand(len(rows)))
        return gains - CAUTION * deviations, gains, deviations


def best_schedule(
    ops: Sequence[str | Op],
    objective: Objective,
    trainings: int,
    magnitude: float,
    pool: Pool,
    shapes: Sequence[Shape] = CONSTANT,
    *,
    quiet: bool = False,
) -> Found:
    """Searches the best constant, or the best schedule of some shapes, at one budget.

    Args:
        ops: the ops, by name or themselves.
        objective: draws seeds and scores the children; all its tasks must have one budget.
        trainings: number of child trainings, at least `MIN_TRAININGS`; rounded to whole groups.
        magnitude: magnitude around which the ops are tried, in (0, 1].
        pool: trains the children.
        shapes: the shapes to choose from.
        quiet: shows no progress bar.

    Raises:
        AdaptAugError: the trainings are too few, or the tasks have several budgets.
    """
    if trainings < MIN_TRAININGS:
        raise AdaptAugError(
            "a search for the best schedule needs at least "
            f"{MIN_TRAININGS} child trainings, got {trainings}"
        )
    budgets = {
        budget for item in objective.tasks for budget in zip(item.steps, item.n_train, strict=True)
    }
    if len(budgets) != 1:
        raise AdaptAugError(
            "a search for the best schedule needs tasks of one budget, got "
            f"steps and training examples {sorted(budgets)}"
        )
    screening = ScheduleScreening(len(ops), magnitude, objective.seed, shapes)
    count = trainings // GROUP_SIZE
    together = count - count % GROUPS if count >= MIN_ROUNDS * GROUPS else 0
    screened = chain(
        *(
            screen(
                screening, ops, objective, end // groups, pool, groups=groups, group_size=GROUP_SIZE
            )
            for end, groups in ((together, GROUPS), (count, 1))
        )
    )
    label = "best constant (GP)" if tuple(shapes) == CONSTANT else "best ramp"
    rounds = together // GROUPS + count - together
    for _ in ProgressBar(screened, label, rounds, unit="round", disable=quiet):
        pass
    return screening.best()


def _ends(magnitudes: Tensor, shapes: Tensor) -> Tensor:
    """Rows (m, 2 n_ops) of magnitudes (m, n_ops) times shapes (m, 2) or (1, 2)."""
    ends = (magnitudes[:, None] * shapes[:, :, None]).clamp(max=1)
    return ends.flatten(1) / 2**0.5
