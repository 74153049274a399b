import pytest

from adaptaug.controllers import Constant
from adaptaug.evaluation.train_child import Arm
from adaptaug.policy.cost import CostTable
from adaptaug.training.task import Task, TaskRange
from agents.objective import Objective

COSTS = [CostTable(observe=1.0), CostTable(observe=2.0)]


@pytest.fixture
def objective() -> Objective:
    short, long = TaskRange(Task(), (10, 20), (50, 400)), TaskRange(Task(), (100, 800), (50, 400))
    return Objective([short, long], COSTS, 0.5, seed=3)


def test_arms_get_equal_tasks_and_seeds_in_the_same_trials(objective: Objective) -> None:
    off, on = (Arm(name, ("rotate",), Constant([m])) for name, m in (("off", 0.0), ("on", 0.5)))
    pairs = list(zip(objective.jobs(off, range(20)), objective.jobs(on, range(20)), strict=True))
    assert all((a.task, a.seed, a.costs) == (b.task, b.seed, b.costs) for a, b in pairs)
    assert len({a.seed for a, _ in pairs}) == 20
    assert not any(job.test for pair in pairs for job in pair)


def test_cost_table_is_that_of_the_task_that_was_drawn(objective: Objective) -> None:
    draws = [objective.draw(trial) for trial in range(20)]
    assert all(costs == COSTS[task.steps >= 100] for task, _, costs in draws)
    assert {task.steps >= 100 for task, _, _ in draws} == {False, True}


def test_score_matches_hand_computation(objective: Objective) -> None:
    record = {
        "validation_loss": 1.5, "validation_score": 0.5, "num_classes": 10, "cost": 0.25,
    }  # fmt: skip
    assert objective.score(record) == pytest.approx(10 * 0.5 - 1.5 - 0.5 * 0.25)
