"""A Gaussian process over what magnitudes gain: the response surface of a screening.

The gain of magnitudes m over none in runs of x log-passes has the covariance

    A^2 exp(-(x - x')^2 / (2 s^2)) (k(m, m') - k(m, 0) - k(0, m') + 1)

with k(m, m') = exp(-|m - m'|^2 / (2 l^2)), so that it is 0 where all ops are off, and that what
holds at one budget mostly holds at one nearby (Rasmussen and Williams 2006, chapter 2). Children
that share task and seed share an offset of their own. Of l, s and the noise in units of A, those on
a grid are taken that foretell each group best from the others, and A so that the errors are as
large as expected (section 5.4.2). The marginal likelihood would not do: some budgets are noisier
than others, which it takes for a rough surface.
"""

from collections.abc import Sequence
from itertools import accumulate, product

import torch
from torch import Tensor

from adaptaug.utils.seeding import one_thread

LENGTHS = (0.7, 1.0, 2.0, 4.0)
"""Values of l that are tried: the Euclidean distance at which magnitudes gain different things."""

SCALES = (0.25, 0.5, 1.0)
"""Values of s that are tried: 1, 2 and 4 doublings of the passes."""

NOISES = (0.1, 0.2, 0.4, 0.8)
"""Standard deviations that are tried, in units of A, of a child's score around what its magnitudes
are worth."""

SHAPES = tuple(product(LENGTHS, SCALES, NOISES))
"""Of the process: l, s and the noise."""

ROUGH = ((0.5, 1.0, 0.1),)
"""A shape that takes little for granted, for whoever is looking for what is not known."""

OFFSET = 10.0
"""Standard deviation, in units of A, of what children that share task and seed have in common."""


class Surrogate:
    """What is known of gains after some groups of children; all tensors are float64."""

    def __init__(self, n_ops: int) -> None:
        """Knows nothing yet."""
        self.magnitudes = torch.zeros(0, n_ops, dtype=torch.float64)
        """Under which children have trained, (n, n_ops)."""
        self.budgets = torch.zeros(0, dtype=torch.float64)
        """Of their runs, (n,)."""
        self._sizes: list[int] = []
        self._scores = self._weights = torch.zeros(0, dtype=torch.float64)
        self._precision = torch.zeros(0, 0, dtype=torch.float64)
        self._amplitude, self._length, self._scale = 1.0, LENGTHS[0], SCALES[0]
        self.foretold = 0.0
        """Of the differences within groups, the share (R squared) that the others foretell; below 0
        where to expect none would be less wrong."""

    def tell(self, magnitudes: Tensor, scores: Tensor, budget: float) -> None:
        """Takes scores of children that share task and seed; `fit` then makes use of them.

        Args:
            magnitudes: under which they trained, (n, n_ops).
            scores: what they reached, (n,).
            budget: their run's, as `adaptaug.policy.observation.log_passes` has it.
        """
        count = torch.ones(len(scores), dtype=torch.float64)
        self.magnitudes = torch.cat([self.magnitudes, magnitudes])
        self._sizes.append(len(scores))
        self.budgets = torch.cat([self.budgets, budget * count])
        self._scores = torch.cat([self._scores, scores - scores.mean()])

    @one_thread()
    def fit(self, shapes: Sequence[tuple[float, float, float]] = SHAPES) -> None:
        """Brings the process up to date with all that it was told, in the best of some shapes."""
        if not self._sizes:
            return
        seen = self.magnitudes, self.budgets
        offsets = OFFSET**2 * torch.block_diag(*(torch.ones(n, n) for n in self._sizes))
        unit, lowest = torch.eye(len(offsets), dtype=torch.float64), torch.inf
        for length, scale, noise in shapes:
            shape = _shape(*seen, *seen, length, scale)
            factor = torch.linalg.cholesky(shape + offsets + noise**2 * unit)
            precision = torch.cholesky_inverse(factor)
            weights = precision @ self._scores
            error, variance = self._left_out(precision, weights)
            if error < lowest:
                lowest, self._amplitude = error, variance**0.5
                self._length, self._scale = length, scale
                self._precision, self._weights = precision / variance, weights / variance
        self.foretold = 1 - lowest / float(self._scores.square().sum().clamp_min(1e-12))

    def _left_out(self, precision: Tensor, weights: Tensor) -> tuple[float, float]:
        """How wrong each group is foretold by the others, for A = 1, but for what it has in common.

        Returns:
            The sum of squares, and the value of A^2 that would have led to expect it.
        """
        error = surprise = 0.0
        for end, size in zip(accumulate(self._sizes), self._sizes, strict=True):
            group = slice(end - size, end)
            wrong = torch.linalg.solve(precision[group, group], weights[group])
            error += float((wrong - wrong.mean()).square().sum())
            surprise += float(wrong @ weights[group])
        free = max(1, len(weights) - len(self._sizes))
        return error, max(surprise / free, 1e-6)

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
        covariance = self._amplitude**2 * _shape(*asked, *asked, self._length, self._scale)
        covariance -= known @ self._precision @ known.t()
        jitter = 1e-6 * torch.eye(len(magnitudes), dtype=torch.float64)
        spread: Tensor = noise @ torch.linalg.cholesky(covariance + jitter).t()
        return known @ self._weights + spread

    def _known(self, magnitudes: Tensor, budgets: Tensor) -> Tensor:
        """Covariance (m, n) with what is known."""
        seen = self.magnitudes, self.budgets
        shape = _shape(magnitudes, budgets, *seen, self._length, self._scale)
        return self._amplitude**2 * shape


def _shape(
    magnitudes: Tensor, budgets: Tensor, others: Tensor, at: Tensor, length: float, scale: float
) -> Tensor:
    """Covariance (m, n) for A = 1 of magnitudes (m, n_ops) at budgets with others (n, n_ops)."""
    lengths, theirs = (m.square().sum(1) for m in (magnitudes, others))
    distances = lengths[:, None] + theirs - 2 * magnitudes @ others.t()
    close, alone, alone_there = (
        torch.exp(-squares / (2 * length**2)) for squares in (distances, lengths, theirs)
    )
    near = torch.exp(-(((budgets[:, None] - at) / scale) ** 2) / 2)
    return near * (close - alone[:, None] - alone_there + 1)
