"""Screening: which ops help at all, from children that train under random subsets of them.

A reward tells what all ops of a run did together. Where each is switched on at random, a linear
model of the scores separates their effects, every child informing about every op (the main
effects of a factorial design). An op that harms is then left out before magnitudes are searched.
"""

from collections.abc import Callable

import numpy as np
from scipy.linalg import block_diag
from scipy.stats import norm

from adaptaug.observation import GLOBAL_FEATURES
from adaptaug.policy import to_actions
from envs.vector import GroupedVecEnv

ON = 0.3
"""Magnitude at which a search tries the ops."""

DROP_BELOW = 0.3
"""An op is left out if the probability that it helps is lower than this."""

TRIED = 0.1
"""However much it seems to harm, an op is on in this share of the children; and off likewise."""

PRIOR = 0.3
"""Standard deviation of an op's effect before anything is known, in units of the score."""


class Screening:
    """Draws subsets of the ops and estimates what each op adds to the score.

    Subsets follow the belief so far: an op that probably harms is mostly off, so that the others
    are judged in the company in which they will be used. An effect may change with the budget: it
    is a line over the logarithm of the passes, read one standard deviation above the mean, since
    what does not help in a long run does not help in a short one.
    """

    def __init__(
        self, n_ops: int, random: np.random.Generator, slopes: tuple[float, float] = (PRIOR, 0.0)
    ) -> None:
        """Starts without a belief.

        Args:
            n_ops: number of ops.
            random: draws the subsets.
            slopes: what is expected of the lines' slopes, as standard deviations: of what an op
                has for itself, and of what all ops have in common, in units of the score for a
                standard deviation of the budgets.
        """
        self.helps = np.full(n_ops, 0.5)
        """Each op's probability of having a positive effect."""
        self.effects = np.zeros(n_ops)
        """Each op's expected effect on the score, there."""
        self.lines = np.zeros((n_ops, 2))
        """The expected effect at any budget: a + b x, where x is the feature `log_passes`."""
        levels, own = (deviation**2 * np.eye(n_ops) for deviation in (PRIOR, slopes[0]))
        self._prior = block_diag(levels, own + slopes[1] ** 2)
        self._random = random
        self._on: list[np.ndarray] = []
        self._scores: list[np.ndarray] = []
        self._budgets: list[float] = []

    def ask(self, count: int) -> np.ndarray:
        """Draws which ops are on: bool (count, n_ops)."""
        chance = self.helps.clip(TRIED, 1 - TRIED)
        drawn: np.ndarray = self._random.uniform(size=(count, len(chance))) < chance
        return drawn

    def tell(self, on: np.ndarray, scores: np.ndarray, log_passes: float) -> None:
        """Takes scores (count,) of children that share task and seed.

        Args:
            on: which ops were on, (count, n_ops).
            scores: what the children reached, (count,).
            log_passes: their budget, as the observation has it.
        """
        self._on.append(on - on.mean(0))
        self._scores.append(scores - scores.mean())
        self._budgets.append(log_passes)
        self._fit()

    def _fit(self) -> None:
        """Ridge regression, its noise estimated from the residuals."""
        budgets = np.array(self._budgets)
        centre, spread = budgets.mean(), max(budgets.std(), 1e-6)
        budgets = (budgets - centre) / spread
        features = np.concatenate(
            [np.hstack([on, on * budget]) for on, budget in zip(self._on, budgets, strict=True)]
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
        reading = np.hstack([np.eye(len(self.helps))] * 2)
        self.effects = reading @ weights
        level, slope = np.split(weights, 2)
        self.lines = np.column_stack([level - slope * centre / spread, slope / spread])
        deviations = np.sqrt(np.diag(reading @ covariance @ reading.T))
        self.helps = norm.cdf(self.effects / deviations)

    @property
    def kept(self) -> np.ndarray:
        """Which ops are worth searching, bool (n_ops,)."""
        worth: np.ndarray = self.helps >= DROP_BELOW
        return worth


def screen(
    env: GroupedVecEnv,
    observations: np.ndarray,
    decisions: int,
    rollouts: int,
    random: np.random.Generator,
    after_rollout: Callable[[], object],
) -> tuple[Screening, int]:
    """Screens the ops of an environment's action space.

    Args:
        env: where the children train.
        observations: the first ones (num_envs, size), as `env.reset` has returned them.
        decisions: decisions in an episode.
        rollouts: episodes of every child.
        random: draws the subsets.
        after_rollout: called after each of them.

    Returns:
        What was learned, and the number of batches that children were trained on.
    """
    assert env.action_space.shape is not None
    screening = Screening(env.action_space.shape[0], random)
    passes, steps = GLOBAL_FEATURES.index("log_passes"), 0
    for _ in range(rollouts):
        budgets = observations[:: env.group_size, passes]
        on = screening.ask(env.num_envs)
        actions = to_actions(on * ON).astype(np.float32)
        scores = np.zeros(env.num_envs)
        for _ in range(decisions):
            env.step_async(actions)
            observations, _, _, infos = env.step_wait()
            scores += [info["reward"] for info in infos]
        steps += sum(info["steps"] for info in infos)
        for group, budget in enumerate(budgets):
            rows = slice(group * env.group_size, (group + 1) * env.group_size)
            screening.tell(on[rows], scores[rows], float(budget))
        after_rollout()
    return screening, steps
