"""A Gaussian process that predicts the gain of constant magnitudes over no augmentation.

The gains of magnitudes m at budget x and of m' at x' (budgets as log-epochs) have the covariance

    A^2 exp(-(x - x')^2 / (2 s^2)) (k(m, m') - k(m, 0) - k(0, m') + 1)

with k(m, m') = exp(-|m - m'|^2 / (2 l^2)). So the gain is 0 where all ops are off, and gains at
nearby budgets are similar (Rasmussen and Williams 2006, chapter 2). Children that share task and
seed also share an offset.

The length scales l and s and the noise, in units of A, are chosen from a grid by the smallest
leave-one-group-out error. A is then set so that the predicted variances match the errors (section
5.4.2). The marginal likelihood would choose too short length scales, because it takes the larger
noise of some budgets for a function that varies quickly.
"""

from collections.abc import Sequence
from itertools import accumulate, product

import torch
from torch import Tensor

from adaptaug.utils.seeding import one_thread

LENGTHS = (0.7, 1.0, 2.0, 4.0)
"""Grid of l, the length scale of magnitudes: a Euclidean distance."""

SCALES = (0.25, 0.5, 1.0)
"""Grid of s, the length scale of budgets: 0.25 is one doubling of the epochs."""

NOISES = (0.1, 0.2, 0.4, 0.8)
"""Grid of the standard deviation of one child's score, in units of A."""

GRID = tuple(product(LENGTHS, SCALES, NOISES))
"""All hyperparameters (l, s, noise) to choose from."""

SHORT_LENGTH = ((0.5, 1.0, 0.1),)
"""Fixed hyperparameters with a short l: little is ruled out, which suits exploration."""

OFFSET = 10.0
"""Standard deviation of the offset that children of one task and seed share, in units of A."""


class GaussianProcess:
    """Gains predicted from groups of children; all tensors are float64."""

    def __init__(self, n_ops: int) -> None:
        """Starts from the prior, without data."""
        self.magnitudes = torch.zeros(0, n_ops, dtype=torch.float64)
        """Magnitudes of the children, (n, n_ops)."""
        self.budgets = torch.zeros(0, dtype=torch.float64)
        """Budgets of their runs, (n,), as `adaptaug.policy.observation.log_epochs`."""
        self._sizes: list[int] = []
        self._scores = self._weights = torch.zeros(0, dtype=torch.float64)
        self._precision = torch.zeros(0, 0, dtype=torch.float64)
        self.amplitude = 1.0
        """A, in units of the score."""
        self.length, self.scale = LENGTHS[0], SCALES[0]
        """l and s."""
        self.r_squared = 0.0
        """Leave-one-group-out R² of within-group differences; below 0 if worse than predicting no
        difference."""

    def tell(self, magnitudes: Tensor, scores: Tensor, budget: float) -> None:
        """Adds a group of children that share task and seed; takes effect at the next `fit`.

        Args:
            magnitudes: constant magnitudes of the children, (n, n_ops).
            scores: their scores, (n,).
            budget: budget of their run, as `adaptaug.policy.observation.log_epochs`.
        """
        count = torch.ones(len(scores), dtype=torch.float64)
        self.magnitudes = torch.cat([self.magnitudes, magnitudes])
        self._sizes.append(len(scores))
        self.budgets = torch.cat([self.budgets, budget * count])
        self._scores = torch.cat([self._scores, scores - scores.mean()])

    @one_thread()
    def fit(self, hyperparameters: Sequence[tuple[float, float, float]] = GRID) -> None:
        """Fits the process to all groups, with the best of some hyperparameters (l, s, noise)."""
        if not self._sizes:
            return
        data = self.magnitudes, self.budgets
        offsets = OFFSET**2 * torch.block_diag(*(torch.ones(n, n) for n in self._sizes))
        unit, lowest = torch.eye(len(offsets), dtype=torch.float64), torch.inf
        for length, scale, noise in hyperparameters:
            kernel = _kernel(*data, *data, length, scale)
            factor = torch.linalg.cholesky(kernel + offsets + noise**2 * unit)
            precision = torch.cholesky_inverse(factor)
            weights = precision @ self._scores
            error, variance = self._leave_one_group_out(precision, weights)
            if error < lowest:
                lowest, self.amplitude = error, variance**0.5
                self.length, self.scale = length, scale
                self._precision, self._weights = precision / variance, weights / variance
        self.r_squared = 1 - lowest / float(self._scores.square().sum().clamp_min(1e-12))

    def _leave_one_group_out(self, precision: Tensor, weights: Tensor) -> tuple[float, float]:
        """Error of predicting each group from the others, for A = 1.

        Returns:
            The sum of squared errors of within-group differences, and the A^2 under which the
            predicted variances match the errors.
        """
        squares = mahalanobis = 0.0
        for end, size in zip(accumulate(self._sizes), self._sizes, strict=True):
            group = slice(end - size, end)
            errors = torch.linalg.solve(precision[group, group], weights[group])
            squares += float((errors - errors.mean()).square().sum())
            mahalanobis += float(errors @ weights[group])
        degrees_of_freedom = max(1, len(weights) - len(self._sizes))
        return squares, max(mahalanobis / degrees_of_freedom, 1e-6)

    def gain(self, magnitudes: Tensor, budgets: Tensor) -> tuple[Tensor, Tensor]:
        """Predicts the gains of magnitudes (m, n_ops) at budgets (m,), in units of the score.

        Returns:
            Posterior means and standard deviations, both (m,).
        """
        covariances = self._covariances(magnitudes, budgets)
        to_none = torch.exp(-magnitudes.square().sum(1) / (2 * self.length**2))
        explained = (covariances @ self._precision * covariances).sum(1)
        variances = self.amplitude**2 * (2 - 2 * to_none) - explained
        return covariances @ self._weights, variances.clamp_min(1e-8).sqrt()

    def sample(self, magnitudes: Tensor, budget: float, noise: Tensor) -> Tensor:
        """Draws gains (count, m) of magnitudes (m, n_ops) from the posterior.

        Args:
            magnitudes: constant magnitudes, (m, n_ops).
            budget: budget of all, as `adaptaug.policy.observation.log_epochs`.
            noise: standard normal numbers (count, m), one row for each draw.
        """
        budgets = torch.full((len(magnitudes),), budget, dtype=torch.float64)
        covariances = self._covariances(magnitudes, budgets)
        points = magnitudes, budgets
        covariance = self.amplitude**2 * _kernel(*points, *points, self.length, self.scale)
        covariance -= covariances @ self._precision @ covariances.t()
        jitter = 1e-6 * torch.eye(len(magnitudes), dtype=torch.float64)
        deviations: Tensor = noise @ torch.linalg.cholesky(covariance + jitter).t()
        return covariances @ self._weights + deviations

    def _covariances(self, magnitudes: Tensor, budgets: Tensor) -> Tensor:
        """Covariances (m, n) of gains with the gains of all children."""
        data = self.magnitudes, self.budgets
        kernel = _kernel(magnitudes, budgets, *data, self.length, self.scale)
        return self.amplitude**2 * kernel


def _kernel(
    magnitudes: Tensor,
    budgets: Tensor,
    others: Tensor,
    other_budgets: Tensor,
    length: float,
    scale: float,
) -> Tensor:
    """Covariances (m, n) for A = 1 of magnitudes (m, n_ops) with others (n, n_ops)."""
    squares, other_squares = (m.square().sum(1) for m in (magnitudes, others))
    distances = squares[:, None] + other_squares - 2 * magnitudes @ others.t()
    close, to_none, other_to_none = (
        torch.exp(-values / (2 * length**2)) for values in (distances, squares, other_squares)
    )
    near = torch.exp(-(((budgets[:, None] - other_budgets) / scale) ** 2) / 2)
    return near * (close - to_none[:, None] - other_to_none + 1)
