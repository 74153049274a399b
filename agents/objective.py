"""Child trainings that are not PPO's: drawn from the ranges of its search, scored as it scores."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adaptaug.evaluation.train_child import Arm, Job, Record
from adaptaug.policy.cost import CostTable
from adaptaug.training.task import Task, TaskRange
from envs.child_training import potential


@dataclass(frozen=True)
class Trial:
    """What a screening or a rival search trains its children on: what PPO trains its own on."""

    tasks: Sequence[TaskRange]
    """Each pair of task and seed is drawn from one of these."""
    costs: Sequence[CostTable]
    """A cost table for each task."""
    cost_weight: float
    """Lambda of the score."""
    seed: int
    """Seeds tasks and children."""
    device: str = "cpu"
    """Where children train."""

    def draw(self, trial: int) -> tuple[Task, int, CostTable]:
        """Task, seed and cost table of a trial, by its number."""
        random = np.random.default_rng((self.seed, trial))
        index = int(random.integers(len(self.tasks)))
        task = self.tasks[index].draw(random)
        return task, int(random.integers(2**31)), self.costs[index]

    def jobs(self, arm: Arm, trials: Sequence[int]) -> list[Job]:
        """Jobs of one arm; arms that are given the same trial numbers share task and seed."""
        return [
            Job(arm, task, seed, costs, test=False, device=self.device)
            for task, seed, costs in map(self.draw, trials)
        ]

    def score(self, record: Record) -> float:
        """The search's own objective: final potential less the price of the compute."""
        reached = potential(
            record["validation_loss"], record["validation_score"], record["num_classes"]
        )
        return reached - self.cost_weight * float(record["cost"])
