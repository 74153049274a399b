"""Screening: which ops help, and how strong, from children that train under random subsets.

A reward tells what all ops of a run did together. Where each is switched on at random, a linear
model of the scores separates their effects, every child informing about every op (the main
effects of a factorial design). A policy then starts with each op off at the budgets where it harms,
and at the magnitude that promises most where it helps: before a search, and on data to which a
policy is adapted.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.linalg import block_diag
from scipy.stats import norm

from adaptaug.controllers import Constant
from adaptaug.evaluation import Arm, Pool
from adaptaug.observation import log_passes
from adaptaug.ops import Op
from agents.trial import Trial

OCTAVES = 1.0
"""A search tries doses from a half to twice a magnitude: up to so many octaves off."""

STRONGEST = 0.9
"""Largest magnitude to start from, which leaves some way to go up."""

KNOWN = 2.0
"""The dose that promises most is doubled or halved if what a doubling adds is known to be positive
or negative by so many standard deviations, and moves the less, the less is known."""

BARELY_OPEN = 2 / 3
"""How far a gate is open where magnitudes of 0.3 to 0.5 leave 0, seeing that `OFF_BIAS` is -3."""

TRIED = 0.1
"""However much it seems to harm, an op is on in this share of the children; and off likewise."""

PRIOR = 0.3
"""Standard deviation of an op's effect before anything is known, in units of the score."""

SLOPES = (0.1, 0.3)
"""What is expected of how effects change with the budget, as standard deviations of the slopes, for
a standard deviation of the budgets: of what an op has for itself, and of what all ops have in
common. That augmentation is worth more in long runs is common to them, more than that one op
differs from the others in it."""


class Screening:
    """Draws subsets of the ops, each at a dose, and estimates what each op adds to the score.

    Subsets follow the belief so far: an op that probably harms is mostly off, so that the others
    are judged in the company in which they will be used. An effect may change with the budget: it
    is a line over the logarithm of the passes, read one standard deviation above the mean, since
    what does not help in a long run does not help in a short one. It may change with the dose too:
    what every doubling adds is another such line.
    """

    def __init__(self, n_ops: int, random: np.random.Generator, octaves: float = 0.0) -> None:
        """Starts without a belief.

        Args:
            n_ops: number of ops.
            random: draws the subsets.
            octaves: doses are drawn log-uniformly from 2^-octaves to 2^octaves.
        """
        self.effects = np.zeros(n_ops)
        """Each op's expected effect on the score."""
        self.deviations = np.full(n_ops, PRIOR)
        """How well each effect is known, as its standard deviation."""
        self.lines = np.zeros((n_ops, 2))
        """The expected effect at any budget, at those doses: a + b x, where x is `log_passes`."""
        self.doses = np.ones(n_ops)
        """The dose of each op that promises most, the nearer to 1 the less is known of it."""
        self.octaves = octaves
        own, common = SLOPES
        levels, slopes = PRIOR**2 * np.eye(n_ops), own**2 * np.eye(n_ops) + common**2
        self._prior = block_diag(levels, slopes, levels, slopes)
        self._random = random
        self._drawn: list[np.ndarray] = []
        self._scores: list[np.ndarray] = []
        self._budgets: list[float] = []

    def ask(self, count: int) -> np.ndarray:
        """Draws the doses of the ops, 0 for off: (count, n_ops)."""
        chance = self.helps.clip(TRIED, 1 - TRIED)
        on = self._random.uniform(size=(count, len(chance))) < chance
        doses: np.ndarray = on * 2 ** self._random.uniform(-self.octaves, self.octaves, on.shape)
        return doses

    def tell(self, doses: np.ndarray, scores: np.ndarray, log_passes: float) -> None:
        """Takes scores (count,) of children that share task and seed.

        Args:
            doses: those of the ops, 0 for off, (count, n_ops).
            scores: what the children reached, (count,).
            log_passes: their budget, as the observation has it.
        """
        drawn = np.stack([doses > 0, np.log2(np.where(doses > 0, doses, 1))])
        self._drawn.append(drawn - drawn.mean(1, keepdims=True))
        self._scores.append(scores - scores.mean())
        self._budgets.append(log_passes)
        self._fit()

    def _fit(self) -> None:
        """Ridge regression, its noise estimated from the residuals."""
        budgets = np.array(self._budgets)
        centre, spread = budgets.mean(), max(budgets.std(), 1e-6)
        budgets = (budgets - centre) / spread
        features = np.concatenate(
            [
                np.hstack([on, on * budget, doubled, doubled * budget])
                for (on, doubled), budget in zip(self._drawn, budgets, strict=True)
            ]
        )
        scores = np.concatenate(self._scores)
        weights, covariance = np.zeros(features.shape[1]), np.eye(features.shape[1])
        products, noise = features.T @ features, scores.var() + 1e-6
        expected = np.linalg.inv(self._prior)
        for _ in range(5):
            covariance = np.linalg.inv(products / noise + expected)
            weights = covariance @ features.T @ scores / noise
            fitted = len(budgets) + np.trace(covariance @ products) / noise  # degrees of freedom
            squares = ((scores - features @ weights) ** 2).sum()
            noise = squares / max(1.0, len(scores) - fitted) + 1e-6

        def known(reading: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            """Means and standard deviations of linear readings (n_ops, weights)."""
            return reading @ weights, np.sqrt(np.diag(reading @ covariance @ reading.T))

        above = np.tile(np.eye(len(self.effects)), 2)  # a line, one deviation above the mean budget
        doubling, deviations = known(np.hstack([0 * above, above]))
        doubled = self.octaves * (doubling / deviations / KNOWN).clip(-1, 1)
        self.doses = 2**doubled
        self.effects, self.deviations = known(np.hstack([above, doubled[:, None] * above]))
        on, twice = weights.reshape(2, 2, -1)
        level, slope = on + doubled * twice
        self.lines = np.column_stack([level - slope * centre / spread, slope / spread])

    @property
    def budgets(self) -> tuple[float, float]:
        """The lowest and the highest budget that was tried, as the observation has them."""
        return min(self._budgets), max(self._budgets)

    @property
    def helps(self) -> np.ndarray:
        """Each op's probability of having a positive effect: (n_ops,)."""
        probabilities: np.ndarray = norm.cdf(self.effects / self.deviations)
        return probabilities

    def magnitudes(self, tried: float) -> np.ndarray:
        """The magnitudes (n_ops,) to start from, where a dose of 1 was `tried`."""
        strongest: np.ndarray = (tried * self.doses).clip(max=STRONGEST)
        return strongest

    @property
    def gates(self) -> np.ndarray:
        """`PolicyNetwork.gate` for ops that act where they help: (n_ops, 2).

        An op acts where it is expected to help, fully so from a third of a standard deviation on.
        """
        gates: np.ndarray = self.lines / self.deviations[:, None] + (BARELY_OPEN, 0)
        return gates


def screen(
    ops: Sequence[str | Op],
    trial: Trial,
    magnitude: float,
    rounds: int,
    pool: Pool,
    random: np.random.Generator,
    *,
    groups: int = 1,
    group_size: int = 6,
    after_round: Callable[[], object] = lambda: None,
) -> tuple[Screening, int]:
    """Screens ops on children that train under constants, which cost nothing but the ops.

    Args:
        ops: the ops.
        trial: what children are trained on.
        magnitude: what a dose of 1 is, in (0, 1].
        rounds: between them the belief is brought up to date.
        pool: trains the children.
        random: draws the subsets and doses.
        groups: pairs of task and seed in a round.
        group_size: children that share them.
        after_round: called after each.

    Returns:
        What was learned, and the number of batches that children were trained on.
    """
    screening, steps = Screening(len(ops), random, OCTAVES), 0
    for first in range(0, rounds * groups, groups):
        doses = screening.ask(groups * group_size)
        arms = [
            Arm("screening", tuple(ops), Constant(row.tolist()))
            for row in (magnitude * doses).clip(max=1)
        ]
        jobs = [
            job
            for index, arm in enumerate(arms)
            for job in trial.jobs(arm, [first + index // group_size])
        ]
        scores = np.array([trial.score(record) for record in pool.run(jobs, "", quiet=True)])
        steps += sum(job.task.steps for job in jobs)
        for start in range(0, len(jobs), group_size):
            rows = slice(start, start + group_size)
            screening.tell(doses[rows], scores[rows], log_passes(jobs[start].task.passes))
        after_round()
    return screening, steps
