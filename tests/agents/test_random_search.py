"""Random search for the best constant, on children whose best magnitudes are known."""

import numpy as np
import pytest

from adaptaug.controllers import Constant
from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.train_child import Job, Record
from adaptaug.policy.cost import CostTable
from adaptaug.training.task import Task, TaskRange
from agents.objective import Objective
from agents.random_search import best_constant

OPS = ("rotate", "noise", "hflip")
BEST = np.array([0.6, 0.2, 0.0])


class ToyPool:
    """Children whose score falls with the squared distance from the best magnitudes."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def run(self, jobs: list[Job], label: str, *, quiet: bool = False) -> list[Record]:
        self.jobs += jobs
        return [self.record(job) for job in jobs]

    def record(self, job: Job) -> Record:
        assert isinstance(job.arm.controller, Constant)
        magnitudes = np.array(job.arm.controller.magnitudes)
        offset = np.random.default_rng(job.seed).normal(0, 0.1)  # shared by all arms of a trial
        return {
            "validation_score": 0.9 - ((magnitudes - BEST) ** 2).sum() + offset,
            "validation_loss": 1.0, "num_classes": 10, "cost": 0.0,
        }  # fmt: skip


@pytest.fixture
def objective() -> Objective:
    return Objective([TaskRange(Task(), (100, 800), (50, 400))], [CostTable()], 0.05, seed=3)


def test_candidates_of_a_round_share_task_and_seed(objective: Objective) -> None:
    pool = ToyPool()
    best_constant(OPS, objective, 40, pool, quiet=True)
    assert len({(job.seed, job.task) for job in pool.jobs[:10]}) == 1
    assert all(not job.test for job in pool.jobs)


def test_best_magnitudes_are_found(objective: Objective) -> None:
    magnitudes, _ = best_constant(OPS, objective, 800, ToyPool(), quiet=True)
    assert np.abs(np.array(magnitudes) - BEST).max() < 0.2


def test_equal_seeds_give_equal_constants(objective: Objective) -> None:
    first, second = (best_constant(OPS, objective, 100, ToyPool(), quiet=True) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("trainings", [12, 13, 20, 29, 42, 100, 160, 180, 800, 1800])
def test_all_trainings_but_one_or_two_are_spent(objective: Objective, trainings: int) -> None:
    pool = ToyPool()
    _, spent = best_constant(OPS, objective, trainings, pool, quiet=True)
    assert trainings - 2 <= spent == len(pool.jobs) <= trainings


def test_too_few_trainings_are_refused(objective: Objective) -> None:
    with pytest.raises(AdaptAugError, match="at least 12 child trainings, got 5"):
        best_constant(OPS, objective, 5, ToyPool())
