"""The Gymnasium environment: one episode is one whole training of a child model."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from adaptaug.errors import AdaptAugError
from adaptaug.metrics import Metrics
from adaptaug.ops import OpSpace
from adaptaug.policy.cost import COST_WEIGHT, CostTable
from adaptaug.policy.network import to_magnitudes
from adaptaug.policy.observation import (
    FEATURES,
    LIMIT,
    Observation,
    check_features,
    observation_size,
)
from adaptaug.training.episode import Episode
from adaptaug.training.task import TaskRange
from adaptaug.utils.seeding import one_thread

SCORE_WEIGHT = 10.0
"""Weight of the score in the potential, relative to one nat of loss."""


class ChildTrainingEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """Set the magnitude of every augmentation op while a child model trains.

    ## Action space
    `Box(-1, 1, (n_ops,), float32)`, one number a per op. It holds until the next decision.

    | a          | magnitude                         |
    |------------|-----------------------------------|
    | -1 to -0.9 | 0, the op is off                  |
    | -0.9 to 1  | (a + 0.9) / 1.9, in [0, 1]        |

    ## Observation space
    `Box(-4, 4, (16 + 6 n_ops,), float32)`: the 16 features of the run, then the 6 features of each
    op in turn. `adaptaug.policy.observation.GLOBAL_FEATURES` and `OP_FEATURES` define them with
    their ranges. They do not depend on the scale of the data and include the budget.

    ## Reward
    Phi(after) - Phi(before) - lambda * cost. The potential Phi is 10 * score - loss on the
    reward-validation split: the score is the task's metric in [0, 1], the loss is in nats and
    counts up to log(classes). A diverged child has the lowest potential, -log(classes). The cost is
    that of augmenting and observing since the last decision, as a fraction of plain training of the
    whole run, read from a table.

    ## Info
    `reset` returns `task` (its fields) and `child_seed`. `step` returns `gain` (the increase of
    Phi), `cost`, `magnitudes` (those used), `steps` (batches done), and the reward-validation
    `score` and `loss`.

    ## Start
    A new child at step 0. The seed given to `reset` draws the task, the run length and the number
    of training examples from their ranges, and the child's seed: two environments that are reset
    with one seed train the same child on the same data.

    ## End
    `terminated` after the last batch, at early stopping, or if the child diverges. Never
    `truncated`.

    ## Version history
    * v0: first version.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - gymnasium declares it on the instance

    def __init__(
        self,
        tasks: Sequence[Mapping[str, Any]] = ({},),
        ops: Sequence[str] = ("rotate", "translate", "zoom", "shear", "brightness", "noise"),
        cost_weight: float = COST_WEIGHT,
        costs: Sequence[Mapping[str, Any]] | None = None,
        features: Sequence[str] = FEATURES,
        device: str = "cpu",
    ) -> None:
        """Checks the arguments; data is loaded at the first reset.

        Args:
            tasks: fields of `adaptaug.training.task.Task`; `steps` and `n_train` may be pairs,
                from which each episode draws log-uniformly. An episode draws one of the tasks.
            ops: names of the ops.
            cost_weight: lambda, the reward subtracted for compute that equals one plain training.
            costs: a cost table for each task; None uses a rough default.
            features: names of the features to observe; the others are 0. Must include "progress".
            device: device of child and data.

        Raises:
            AdaptAugError: a task's field, an op or a feature is unknown or out of its range; there
                is no task, no op, or not one cost table per task; the cost weight is negative.
        """
        self.tasks = [TaskRange.from_dict(task) for task in tasks]
        self.op_space = OpSpace(ops)
        if not self.op_space.ops:
            raise AdaptAugError("an environment must have at least one op to act on, got none")
        self.cost_weight = cost_weight
        rows = [{}] * len(tasks) if costs is None else costs
        if not 0 < len(tasks) == len(rows):
            raise AdaptAugError(
                "an environment needs at least one task and a cost table for each, "
                f"got {len(tasks)} tasks and {len(rows)} tables"
            )
        if not cost_weight >= 0:  # refuses NaN too
            raise AdaptAugError(f"cost_weight must be a number of at least 0, got {cost_weight}")
        self.costs = [CostTable.from_dict(row) for row in rows]
        self.device = device
        n_ops = len(self.op_space)
        self.action_space = spaces.Box(-1.0, 1.0, (n_ops,), np.float32)
        self.features = check_features(features)
        shape = (observation_size(n_ops),)
        self.observation_space = spaces.Box(-LIMIT, LIMIT, shape, np.float32)
        self._episode: Episode | None = None
        self._cost = self._potential = 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Starts a new child training; see the class."""
        super().reset(seed=seed)
        index = int(self.np_random.integers(len(self.tasks)))
        task = self.tasks[index].draw(self.np_random)
        child_seed = int(self.np_random.integers(2**31))
        with one_thread():
            self._episode = Episode(task, child_seed, self.op_space, self.costs[index], self.device)
            observation = self._episode.observe(self.features)
            metrics = _validated(self._episode, observation)
        self._cost = self._episode.cost
        self._potential = _potential_of(self._episode, metrics)
        return _flat(observation), {"task": task.to_dict(), "child_seed": child_seed}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Trains the child to the next decision; see the class."""
        episode = self._episode
        if episode is None or episode.finished:
            raise gymnasium.error.ResetNeeded("step needs a running episode, call reset first")
        with one_thread():
            magnitudes = episode.advance(to_magnitudes(np.asarray(action, np.float64)).tolist())
            observation = episode.observe(self.features)
            metrics = _validated(episode, observation)
        potential = _potential_of(episode, metrics)
        gain, cost = potential - self._potential, episode.cost - self._cost
        self._potential, self._cost = potential, episode.cost
        info = {
            "gain": gain,
            "cost": cost,
            "magnitudes": magnitudes,
            "steps": episode.run.step,
            "score": metrics.score,
            "loss": metrics.loss,
        }
        reward = gain - self.cost_weight * cost
        return _flat(observation), reward, episode.finished, False, info


def _flat(observation: Observation) -> np.ndarray:
    """All features; those that are not observed are 0."""
    features: np.ndarray = np.nan_to_num(observation.flat(), nan=0.0)
    return features


def _validated(episode: Episode, observation: Observation) -> Metrics:
    """Loss and score on the reward-validation split, which the observation may have measured."""
    measured = observation.validation
    return episode.validate() if math.isnan(measured.score) else measured


def _potential_of(episode: Episode, metrics: Metrics) -> float:
    """Potential of an episode's child."""
    loss = math.nan if episode.run.diverged else metrics.loss
    return potential(loss, metrics.score, episode.run.num_classes)


def potential(loss: float, score: float, num_classes: int) -> float:
    """Potential Phi of a child; the reward is its increase less the price of the compute.

    Phi = 10 * score - min(loss, log(num_classes)). The loss counts up to that of a uniform guess:
    a child that memorises a few sentences is confidently wrong on others, and without this bound
    the reward would favour low confidence over a high score. A diverged child gets the lowest
    potential, that of score 0, because the score of its predictions is an accident.

    Args:
        loss: cross-entropy on the reward-validation split, in nats; not finite if the child has
            diverged.
        score: accuracy or F1 there, in [0, 1].
        num_classes: number of classes or tags.
    """
    bound = math.log(num_classes)
    return SCORE_WEIGHT * score - min(loss, bound) if math.isfinite(loss) else -bound
