"""A Gaussian process over what magnitudes gain: the response surface of a screening.

The gain of magnitudes m over none in runs of x log-passes has the covariance

    A^2 exp(-(x - x')^2 / 2) (k(m, m') - k(m, 0) - k(0, m') + 1)

with k(m, m') = exp(-|m - m'|^2 / (2 l^2)), so that it is 0 where all ops are off, and that what
holds at one budget mostly holds at half and at twice the passes (Rasmussen and Williams 2006,
chapter 2). Children that share task and seed share an offset of their own. A, l and the noise are
those of the highest marginal likelihood on a grid (chapter 5).
"""

from itertools import product

import torch
from torch import Tensor

from adaptaug.randomness import one_thread

AMPLITUDES = (0.3, 0.6, 1.2, 2.4)
"""Values of A that are tried, in units of the score."""

LENGTHS = (0.5, 0.7, 1.0, 1.4)
"""Values of l that are tried: the Euclidean distance at which magnitudes gain different things."""

NOISES = (0.05, 0.1, 0.2, 0.4)
"""Standard deviations that are tried of a child's score around what its magnitudes are worth."""

OFFSET = 1.0
"""Standard deviation of what children that share task and seed have in common, once the mean of
their scores is taken off."""


class Surrogate:
    """What is known of gains after some groups of children; all tensors are float64."""

    def __init__(self, n_ops: int) -> None:
        """Knows nothing yet."""
        self.magnitudes = torch.zeros(0, n_ops, dtype=torch.float64)
        """Under which children have trained, (n, n_ops)."""
        self.budgets = torch.zeros(0, dtype=torch.float64)
        """Of their runs, (n,)."""
        self._scores = self._groups = self._weights = torch.zeros(0, dtype=torch.float64)
        self._precision = torch.zeros(0, 0, dtype=torch.float64)
        self._amplitude, self._length = AMPLITUDES[1], LENGTHS[1]

    def tell(self, magnitudes: Tensor, scores: Tensor, budget: float) -> None:
        """Takes scores of children that share task and seed; `fit` then makes use of them.

        Args:
            magnitudes: under which they trained, (n, n_ops).
            scores: what they reached, (n,).
            budget: their run's, as `adaptaug.observation.log_passes` has it.
        """
        count = torch.ones(len(scores), dtype=torch.float64)
        self.magnitudes = torch.cat([self.magnitudes, magnitudes])
        self._groups = torch.cat([self._groups, len(self.budgets) * count])
        self.budgets = torch.cat([self.budgets, budget * count])
        self._scores = torch.cat([self._scores, scores - scores.mean()])

    @one_thread()
    def fit(self) -> None:
        """Brings the process up to date with all that it was told."""
        seen = self.magnitudes, self.budgets
        offsets = OFFSET**2 * (self._groups[:, None] == self._groups)
        unit, highest = torch.eye(len(offsets), dtype=torch.float64), -torch.inf
        for length in LENGTHS:
            shape = _shape(*seen, *seen, length)
            for amplitude, noise in product(AMPLITUDES, NOISES):
                factor = torch.linalg.cholesky(amplitude**2 * shape + offsets + noise**2 * unit)
                weights = torch.cholesky_solve(self._scores[:, None], factor)[:, 0]
                likelihood = float(-self._scores @ weights / 2 - factor.diagonal().log().sum())
                if likelihood > highest:
                    highest, self._amplitude, self._length = likelihood, amplitude, length
                    self._precision, self._weights = torch.cholesky_inverse(factor), weights

    def gain(self, magnitudes: Tensor, budgets: Tensor) -> tuple[Tensor, Tensor]:
        """Gains of magnitudes (m, n_ops) at budgets (m,), in units of the score.

        Returns:
            What is expected, and its standard deviation, both (m,).
        """
        known = self._known(magnitudes, budgets)
        alone = torch.exp(-magnitudes.square().sum(1) / (2 * self._length**2))
        explained = (known @ self._precision * known).sum(1)
        variances = self._amplitude**2 * (2 - 2 * alone) - explained
        return known @ self._weights, variances.clamp_min(1e-8).sqrt()

    def sample(self, magnitudes: Tensor, budget: float, noise: Tensor) -> Tensor:
        """Gains (count, m) that may be: draws from the process for magnitudes (m, n_ops).

        Args:
            magnitudes: of children of one budget.
            budget: theirs.
            noise: standard normal numbers (count, m), which make the draws.
        """
        budgets = torch.full((len(magnitudes),), budget, dtype=torch.float64)
        known = self._known(magnitudes, budgets)
        asked = magnitudes, budgets
        covariance = self._amplitude**2 * _shape(*asked, *asked, self._length)
        covariance -= known @ self._precision @ known.t()
        jitter = 1e-6 * torch.eye(len(magnitudes), dtype=torch.float64)
        spread: Tensor = noise @ torch.linalg.cholesky(covariance + jitter).t()
        return known @ self._weights + spread

    def _known(self, magnitudes: Tensor, budgets: Tensor) -> Tensor:
        """Covariance (m, n) with what is known."""
        seen = self.magnitudes, self.budgets
        return self._amplitude**2 * _shape(magnitudes, budgets, *seen, self._length)


def _shape(
    magnitudes: Tensor, budgets: Tensor, others: Tensor, at: Tensor, length: float
) -> Tensor:
    """Covariance (m, n) for A = 1 of magnitudes (m, n_ops) at budgets with others (n, n_ops)."""
    lengths, theirs = (m.square().sum(1) for m in (magnitudes, others))
    distances = lengths[:, None] + theirs - 2 * magnitudes @ others.t()
    close, alone, alone_there = (
        torch.exp(-squares / (2 * length**2)) for squares in (distances, lengths, theirs)
    )
    near = torch.exp(-((budgets[:, None] - at) ** 2) / 2)
    return near * (close - alone[:, None] - alone_there + 1)
