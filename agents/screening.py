"""Screening: which ops help, and how strong, from children that train under random subsets.

A reward tells what all ops of a run did together. Where each is switched on at random, a linear
model of the scores separates their effects, every child informing about every op (the main
effects of a factorial design). A policy then starts with each op off at the budgets where it harms,
and at the magnitude that promises most where it helps.
"""

from collections.abc import Callable

import numpy as np
from scipy.linalg import block_diag
from scipy.stats import norm

from adaptaug.observation import GLOBAL_FEATURES
from adaptaug.policy import to_actions
from envs.vector import GroupedVecEnv

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
    def helps(self) -> np.ndarray:
        """Each op's probability of having a positive effect: (n_ops,)."""
        probabilities: np.ndarray = norm.cdf(self.effects / self.deviations)
        return probabilities

    @property
    def gates(self) -> np.ndarray:
        """`PolicyNetwork.gate` for ops that act where they help: (n_ops, 2).

        An op acts where it is expected to help, fully so from a third of a standard deviation on.
        """
        gates: np.ndarray = self.lines / self.deviations[:, None] + (BARELY_OPEN, 0)
        return gates


def screen(
    env: GroupedVecEnv,
    observations: np.ndarray,
    decisions: int,
    magnitude: float,
    rollouts: int,
    random: np.random.Generator,
    after_rollout: Callable[[], object],
) -> tuple[Screening, int]:
    """Screens the ops of an environment's action space.

    Args:
        env: where the children train.
        observations: the first ones (num_envs, size), as `env.reset` has returned them.
        decisions: decisions in an episode.
        magnitude: what a dose of 1 is, in (0, 1].
        rollouts: episodes of every child.
        random: draws the subsets.
        after_rollout: called after each of them.

    Returns:
        What was learned, and the number of batches that children were trained on.
    """
    assert env.action_space.shape is not None
    screening = Screening(env.action_space.shape[0], random, OCTAVES)
    passes, steps = GLOBAL_FEATURES.index("log_passes"), 0
    for _ in range(rollouts):
        budgets = observations[:: env.group_size, passes]
        doses = screening.ask(env.num_envs)
        actions = to_actions((magnitude * doses).clip(max=1)).astype(np.float32)
        scores = np.zeros(env.num_envs)
        for _ in range(decisions):
            env.step_async(actions)
            observations, _, _, infos = env.step_wait()
            scores += [info["reward"] for info in infos]
        steps += sum(info["steps"] for info in infos)
        for group, budget in enumerate(budgets):
            rows = slice(group * env.group_size, (group + 1) * env.group_size)
            screening.tell(doses[rows], scores[rows], float(budget))
        after_rollout()
    return screening, steps
