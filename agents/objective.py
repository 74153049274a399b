"""The objective of a search, for child trainings outside of PPO."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adaptaug.evaluation.train_child import Arm, Job, Record
from adaptaug.policy.cost import CostTable
from adaptaug.training.task import Task, TaskRange
from envs.child_training import potential


@dataclass(frozen=True)
class Objective:
    """Draws child trainings from the same tasks as PPO and scores them with the same objective.

    A trial is a pair of task and child seed, fixed by its number.
    """

    tasks: Sequence[TaskRange]
    """Ranges of tasks; each trial draws one of them and a task from it."""
    costs: Sequence[CostTable]
    """A cost table for each of `tasks`."""
    cost_weight: float
    """Lambda: the score subtracted for compute that equals one plain training."""
    seed: int
    """Fixes task and child seed of every trial."""
    device: str = "cpu"
    """Device on which children are trained."""

    def draw(self, trial: int) -> tuple[Task, int, CostTable]:
        """Task, child seed and cost table of the trial with this number."""
        random = np.random.default_rng((self.seed, trial))
        index = int(random.integers(len(self.tasks)))
        task = self.tasks[index].draw(random)
        return task, int(random.integers(2**31)), self.costs[index]

    def jobs(self, arm: Arm, trials: Sequence[int]) -> list[Job]:
        """One child training under an arm for each trial; arms share the tasks and seeds."""
        return [
            Job(arm, task, seed, costs, test=False, device=self.device)
            for task, seed, costs in map(self.draw, trials)
        ]

    def score(self, record: Record) -> float:
        """Final potential of a child less lambda times its cost."""
        final = potential(
            record["validation_loss"], record["validation_score"], record["num_classes"]
        )
        return final - self.cost_weight * float(record["cost"])
