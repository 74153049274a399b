"""Best constant and best ramp, on children whose best schedules are known."""

import numpy as np
import pytest

from adaptaug.controllers.fixed import Linear
from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.train_child import Job, Record
from adaptaug.policy.cost import CostTable
from adaptaug.training.task import Task, TaskRange
from agents.best_constant import CONSTANT, RAMPS, Found, best_schedule
from agents.objective import Objective

OPS = ("rotate", "noise", "hflip", "zoom")
BEST = np.array([0.5, 0.25, 0.0, 0.0])


class ToyPool:
    """Children whose score falls with the squared distance of both ends from the best ones."""

    def __init__(self, shape: tuple[float, float] = (1.0, 1.0), noise: float = 0.02) -> None:
        self.jobs: list[Job] = []
        self._ends = np.minimum(1, np.outer(shape, BEST))
        self._noise = noise

    def run(self, jobs: list[Job], label: str, *, quiet: bool = False) -> list[Record]:
        self.jobs += jobs
        return [self.record(job) for job in jobs]

    def record(self, job: Job) -> Record:
        controller = job.arm.controller
        ends = np.array([controller.decide(progress, None) for progress in (0.0, 1.0)])
        offset = np.random.default_rng(job.seed).normal(0, 0.3)  # shared by all of a group
        noise = np.random.default_rng((job.seed, len(self.jobs))).normal(0, self._noise)
        return {
            "validation_score": 0.9 - ((ends - self._ends) ** 2).mean(0).sum() + offset + noise,
            "validation_loss": 1.0, "num_classes": 10, "cost": 0.0,
        }  # fmt: skip


@pytest.fixture
def objective() -> Objective:
    return Objective([TaskRange(Task(), (400, 400), (100, 100))], [CostTable()], 0.05, seed=3)


def test_best_constant_is_found(objective: Objective) -> None:
    found = best_schedule(OPS, objective, 240, 0.3, ToyPool(), quiet=True)
    assert found.shape == (1, 1)
    assert np.abs(np.array(found.magnitudes) - BEST).max() < 0.1
    assert found.trainings == 240
    assert found.gain == pytest.approx(10 * (BEST**2).sum(), abs=0.3)  # ten points a unit


@pytest.mark.parametrize("shape", RAMPS)
def test_best_ramp_has_the_best_shape_and_magnitudes(objective: Objective, shape) -> None:
    found = best_schedule(OPS, objective, 240, 0.3, ToyPool(shape), RAMPS, quiet=True)
    assert found.shape == shape
    assert np.abs(np.array(found.magnitudes) - BEST).max() < 0.12


def test_where_all_ops_harm_none_is_on(objective: Objective, monkeypatch) -> None:
    monkeypatch.setattr(f"{__name__}.BEST", np.full(4, -0.5))
    found = best_schedule(OPS, objective, 60, 0.3, ToyPool(), quiet=True)
    assert max(found.magnitudes) == 0


def test_controller_goes_from_one_end_to_the_other_and_stays_in_range() -> None:
    controller = Found([0.3, 0.8], (0.5, 1.5), 0.0, 0.0, 12).controller
    assert isinstance(controller, Linear)
    assert controller.decide(0, None) == pytest.approx([0.15, 0.4])
    assert controller.decide(1, None) == pytest.approx([0.45, 1.0])


@pytest.mark.parametrize("trainings", [12, 17, 180, 203])
def test_whole_groups_are_trained_on_validation_alone(objective: Objective, trainings: int) -> None:
    pool = ToyPool()
    found = best_schedule(OPS, objective, trainings, 0.3, pool, CONSTANT, quiet=True)
    assert found.trainings == len(pool.jobs) == trainings - trainings % 6
    assert not any(job.test for job in pool.jobs)
    assert len({job.seed for job in pool.jobs}) == trainings // 6


def test_equal_seeds_give_equal_schedules(objective: Objective) -> None:
    runs = [best_schedule(OPS, objective, 36, 0.3, ToyPool(), RAMPS, quiet=True) for _ in range(2)]
    assert runs[0] == runs[1]


def test_mistakes_are_refused(objective: Objective) -> None:
    with pytest.raises(AdaptAugError, match="at least 12 child trainings, got 5"):
        best_schedule(OPS, objective, 5, 0.3, ToyPool())
    several = Objective([TaskRange(Task(), (100, 400), (100, 100))], [CostTable()], 0.05, seed=3)
    with pytest.raises(AdaptAugError, match="tasks of one budget"):
        best_schedule(OPS, several, 60, 0.3, ToyPool())
