"""Screening, on children whose scores are known functions of the magnitudes."""

import json

import numpy as np
import pytest

from adaptaug.controllers import Constant
from adaptaug.evaluation.train_child import Job, Record
from adaptaug.policy.cost import CostTable
from adaptaug.policy.network import PolicyNetwork
from adaptaug.policy.observation import GLOBAL_FEATURES, log_epochs, observation_size
from adaptaug.training.task import Task, TaskRange
from agents.objective import Objective
from agents.warm_start.gaussian_process import SHORT_LENGTH
from agents.warm_start.screening import OCTAVES, Screening, screen

N_OPS, MAGNITUDE = 4, 0.3
SHORT, LONG = log_epochs(8), log_epochs(256)


def gains(magnitudes: np.ndarray, budget: float) -> np.ndarray:
    """The first op is best at 0.5, the second helps in long runs only, the last two harm."""
    first, second, third, fourth = magnitudes.T
    late = 2 * (budget - SHORT) / (LONG - SHORT) - 1
    return first * (1 - first) + 0.7 * late * second - third - 0.2 * fourth


def screened(rounds: int, seed: int = 0, noise: float = 0.05) -> Screening:
    """A screening that has seen groups of six, each with an offset and a budget of its own."""
    random = np.random.default_rng(seed)
    screening = Screening(N_OPS, MAGNITUDE, seed)
    for _ in range(rounds):
        budget = random.uniform(SHORT, LONG)
        suggested = screening.ask(6, budget)
        scores = gains(suggested, budget) + random.normal() + random.normal(0, noise, 6)
        screening.tell(suggested, scores, budget)
        screening.process.fit(SHORT_LENGTH)
    return screening


def chosen(screening: Screening, budget: float, *, before_ppo: bool = False) -> np.ndarray:
    """Magnitudes of a policy that the screening initialises."""
    network = PolicyNetwork(N_OPS)
    screening.initialise(network, before_ppo=before_ppo)
    observation = np.zeros(observation_size(N_OPS), np.float32)
    observation[GLOBAL_FEATURES.index("log_epochs")] = budget
    return np.array(network.magnitudes(observation))


@pytest.mark.parametrize("before_ppo", [False, True])
def test_ops_are_on_at_the_budgets_where_they_help(before_ppo: bool) -> None:
    screening = screened(20)
    short, long = (chosen(screening, budget, before_ppo=before_ppo) for budget in (SHORT, LONG))
    assert short[0] == pytest.approx(0.5, abs=0.15)
    assert long[0] == pytest.approx(0.5, abs=0.15)
    assert short[1] < 0.1
    assert long[1] > 0.45
    assert max(short[2:].max(), long[2:].max()) < 0.05
    assert gains(long[None], LONG) > 0.8 * gains(np.array([[0.5, 0.6, 0, 0]]), LONG)


def test_gates_never_close_with_the_budget() -> None:
    """Not even for an op that seems to help in short runs only."""
    screening = Screening(N_OPS, MAGNITUDE, 0)
    random = np.random.default_rng(0)
    for budget in random.uniform(SHORT, LONG, 20):
        suggested = screening.ask(6, budget)
        screening.tell(suggested, gains(suggested, SHORT + LONG - budget), budget)
        screening.process.fit()
    short, long = chosen(screening, SHORT), chosen(screening, LONG)
    assert (long >= short - 1e-3).all()


@pytest.mark.slow
def test_ops_are_mostly_off_after_scores_of_noise() -> None:
    magnitudes = []
    for seed in range(30):
        random = np.random.default_rng(seed)
        screening = Screening(N_OPS, MAGNITUDE, seed)
        for _ in range(10):
            screening.tell(screening.ask(6, 1.0), random.normal(0, 0.1, 6), 1.0)
            screening.process.fit(SHORT_LENGTH)
        magnitudes.append(chosen(screening, 1.0))
    assert np.median(magnitudes) == 0
    assert np.mean(magnitudes) < 0.5 * MAGNITUDE


def test_before_ppo_the_short_length_scale_is_used_if_its_r_squared_is_positive() -> None:
    signal, noise = screened(20), screened(20, noise=3.0)
    for screening, positive in ((signal, True), (noise, False)):
        screening.process.fit(SHORT_LENGTH)
        assert (screening.process.r_squared > 0) == positive
        first, second = (chosen(screening, LONG, before_ppo=value) for value in (True, False))
        assert np.array_equal(first, second) != positive


def test_constants_lie_within_an_octave_of_the_magnitude_or_are_0() -> None:
    suggested = Screening(N_OPS, MAGNITUDE, 0).ask(500, LONG)
    on = suggested[suggested > 0]
    assert 0.3 < (suggested == 0).mean() < 0.7
    assert MAGNITUDE / 2**OCTAVES <= on.min() < 0.7 * MAGNITUDE
    assert 1.5 * MAGNITUDE < on.max() <= MAGNITUDE * 2**OCTAVES
    assert Screening(N_OPS, 0.9, 0).ask(500, LONG).max() == 1


def test_ops_with_larger_gains_are_suggested_more_often() -> None:
    screening = screened(10)
    early, late = screening.ask(300, SHORT), screening.ask(300, LONG)
    assert late[:, 0].mean() > 2 * late[:, 2].mean()
    assert late[:, 1].mean() > 2 * early[:, 1].mean()


def test_equal_seeds_suggest_equal_constants() -> None:
    assert np.array_equal(screened(3).ask(4, 1.0), screened(3).ask(4, 1.0))


def test_replayed_history_continues_the_screening() -> None:
    whole, again = screened(4), Screening(N_OPS, MAGNITUDE, 0)
    again.replay(json.loads(json.dumps(whole.history)))
    assert np.array_equal(again.ask(4, 1.0), whole.ask(4, 1.0))
    assert np.array_equal(chosen(again, LONG), chosen(whole, LONG))


def test_op_effects_are_positive_where_an_op_helps_and_negative_where_it_harms() -> None:
    screening, network = screened(20), PolicyNetwork(N_OPS)
    screening.initialise(network)
    rows = screening.op_effects(network)
    helps, late, harms, _ = (row["effects"] for row in rows)
    assert min(helps) > 0 > max(harms)
    assert late[0] < 0 < late[2]
    assert rows[0]["magnitudes"][2] == pytest.approx(0.5, abs=0.15)
    assert rows[2]["magnitudes"] == pytest.approx([0, 0, 0], abs=0.05)


class ToyPool:
    """Children whose score is 0.8 and a tenth of `gains`."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def run(self, jobs: list[Job], label: str, *, quiet: bool = False) -> list[Record]:
        assert quiet
        self.jobs += jobs
        return [self.record(job) for job in jobs]

    def record(self, job: Job) -> Record:
        assert isinstance(job.arm.controller, Constant)
        gain = gains(np.array([job.arm.controller.magnitudes]), log_epochs(job.task.epochs))
        return {
            "validation_score": 0.8 + gain[0] / 10, "validation_loss": 1.0, "num_classes": 10,
            "cost": 0.0,
        }  # fmt: skip


def test_children_of_a_group_share_task_and_seed() -> None:
    objective = Objective([TaskRange(Task(), (100, 800), (50, 400))], [CostTable()], 0.05, seed=3)
    pool, screening = ToyPool(), Screening(N_OPS, MAGNITUDE, 0)
    rounds = screen(
        screening, ("rotate", "zoom", "hflip", "noise"), objective, 6, pool, groups=3, group_size=4
    )
    assert [len(pool.jobs) for _ in rounds] == [12, 24, 36, 48, 60, 72]
    groups = [pool.jobs[start : start + 4] for start in range(0, 72, 4)]
    assert all(len({(job.seed, job.task) for job in group}) == 1 for group in groups)
    assert len({group[0].seed for group in groups}) == 18
    assert not any(job.test for job in pool.jobs)
    trained = screening.process.magnitudes
    assert trained.tolist() == [job.arm.controller.magnitudes for job in pool.jobs]
    assert chosen(screening, LONG)[0] > 0.2
