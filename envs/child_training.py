"""The Gymnasium environment: an episode is one whole child training."""

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
from adaptaug.policy.observation import LIMIT, observation_size
from adaptaug.training.episode import Episode
from adaptaug.training.task import TaskRange
from adaptaug.utils.seeding import one_thread

ACCURACY_WEIGHT = 10.0
"""Weight of accuracy in the potential, against one nat of loss."""

DIVERGENCE_PENALTY = 10.0
"""Subtracted once when a child's loss stops being finite."""


class ChildTrainingEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """Set the magnitude of every augmentation op while a child model trains.

    ## Action
    `Box(-1, 1, (n_ops,), float32)`, one number per op: up to -0.9 the op is off, from there to 1
    its magnitude rises linearly from 0 to 1. It holds until the next decision.

    ## Observation
    `Box(-4, 4, (16 + 6 n_ops,), float32)`: `adaptaug.policy.observation.GLOBAL_FEATURES`, then
    `OP_FEATURES` op by op. Scale-free; the budget is part of it.

    ## Reward
    potential(after) - potential(before) - lambda x cost, where the potential is
    10 x accuracy - loss (nats, at most log(classes)) on the reward-validation split and the cost
    is that of augmenting and observing, as a fraction of plain training of the whole run, read
    from a table. `info["gain"]` and `info["cost"]` hold the two parts.

    ## Start
    A new child at step 0. Data set, run length, number of training examples and the child's seed
    are drawn from the seed given to `reset` within the tasks' ranges, so that two environments
    reset with one seed train the same child on the same data.

    ## End
    `terminated` when the budget is spent or early stopping strikes; also when the child diverges,
    with a penalty of 10. Never `truncated`.

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
        device: str = "cpu",
    ) -> None:
        """Sets up the environment; data is loaded at the first reset.

        Args:
            tasks: fields of `adaptaug.training.task.Task`; `steps` and `n_train` may be pairs,
                from which each episode draws log-uniformly. An episode draws one of the tasks.
            ops: names of the ops.
            cost_weight: lambda, the price of as much compute again as plain training.
            costs: a cost table for each task; None takes a rough default.
            device: where child and data live.

        Raises:
            AdaptAugError: a task's field or an op is unknown or out of its range; there is no
                task, or not a cost table for each; the cost weight is negative.
        """
        self.tasks = [TaskRange.from_dict(task) for task in tasks]
        self.op_space = OpSpace(ops)
        self.cost_weight = cost_weight
        rows = [{}] * len(tasks) if costs is None else costs
        if not 0 < len(tasks) == len(rows):
            raise AdaptAugError(
                "an environment needs at least one task and a cost table for each, "
                f"got {len(tasks)} tasks and {len(rows)} tables"
            )
        if not cost_weight >= 0:  # NaN neither
            raise AdaptAugError(f"cost_weight must be a number of at least 0, got {cost_weight}")
        self.costs = [CostTable.from_dict(row) for row in rows]
        self.device = device
        n_ops = len(self.op_space)
        self.action_space = spaces.Box(-1.0, 1.0, (n_ops,), np.float32)
        self.observation_space = spaces.Box(-LIMIT, LIMIT, (observation_size(n_ops),), np.float32)
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
            observation = self._episode.observe()
        self._cost = self._episode.cost
        self._potential = self._measure(self._episode)
        return observation.flat(), {"task": task.to_dict(), "child_seed": child_seed}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Trains the child to the next decision; see the class."""
        episode = self._episode
        if episode is None or episode.finished:
            raise gymnasium.error.ResetNeeded("step needs a running episode, call reset first")
        with one_thread():
            magnitudes = episode.advance(to_magnitudes(np.asarray(action, np.float64)).tolist())
            episode.check_early_stopping()
            observation = episode.observe()
        potential = self._measure(episode)
        gain, cost = potential - self._potential, episode.cost - self._cost
        self._potential, self._cost = potential, episode.cost
        validated = episode.observer.validated or Metrics(0.0, 0.0)
        info = {
            "gain": gain,
            "cost": cost,
            "magnitudes": magnitudes,
            "steps": episode.run.step,
            "accuracy": validated.accuracy,
            "loss": validated.loss,
        }
        reward = gain - self.cost_weight * cost
        return observation.flat(), reward, episode.finished, False, info

    def _measure(self, episode: Episode) -> float:
        """Potential of the child as it is, bounded."""
        if episode.run.diverged:
            return self._potential - DIVERGENCE_PENALTY
        metrics = episode.observer.validated or Metrics(0.0, 0.0)
        return potential(metrics.loss, metrics.accuracy, episode.run.num_classes)


def potential(loss: float, accuracy: float, num_classes: int) -> float:
    """What the reward is the gain in: 10 x accuracy - loss, at most log(classes) of it.

    A loss above that of a guess says only that the child is sure of itself: children that learn a
    few sentences by heart would otherwise be paid for their doubts more than for their accuracy.
    """
    highest = math.log(num_classes)
    return ACCURACY_WEIGHT * accuracy - (min(loss, highest) if math.isfinite(loss) else highest)
