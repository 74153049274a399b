"""Screening, on children whose scores are known functions of the magnitudes."""

import json

import numpy as np
import pytest

from adaptaug.controllers import Constant
from adaptaug.evaluation.train_child import Job, Record
from adaptaug.policy.cost import CostTable
from adaptaug.policy.network import PolicyNetwork
from adaptaug.policy.observation import GLOBAL_FEATURES, log_passes, observation_size
from adaptaug.training.task import Task, TaskRange
from agents.objective import Trial
from agents.warm_start.gaussian_process import ROUGH
from agents.warm_start.screening import OCTAVES, Screening, screen

N_OPS, TRIED = 4, 0.3
SHORT, LONG = log_passes(8), log_passes(256)


def gains(magnitudes: np.ndarray, budget: float) -> np.ndarray:
    """The first op should be at a half, the second in long runs alone, the last two harm."""
    first, second, third, fourth = magnitudes.T
    late = 2 * (budget - SHORT) / (LONG - SHORT) - 1
    return first * (1 - first) + 0.7 * late * second - third - 0.2 * fourth


def screened(rounds: int, seed: int = 0, noise: float = 0.05) -> Screening:
    """Groups of six whose members share luck and budget."""
    random = np.random.default_rng(seed)
    screening = Screening(N_OPS, TRIED, seed)
    for _ in range(rounds):
        budget = random.uniform(SHORT, LONG)
        asked = screening.ask(6, budget)
        scores = gains(asked, budget) + random.normal() + random.normal(0, noise, 6)
        screening.tell(asked, scores, budget)
        screening.surrogate.fit(ROUGH)
    return screening


def chosen(screening: Screening, budget: float, *, learns: bool = False) -> np.ndarray:
    """Where a policy that has learned nothing else starts."""
    network = PolicyNetwork(N_OPS)
    screening.start(network, learns=learns)
    observation = np.zeros(observation_size(N_OPS), np.float32)
    observation[GLOBAL_FEATURES.index("log_passes")] = budget
    return np.array(network.magnitudes(observation))


@pytest.mark.parametrize("learns", [False, True])
def test_a_start_has_what_helps_at_the_budgets_where_it_helps(learns: bool) -> None:
    screening = screened(20)
    short, long = (chosen(screening, budget, learns=learns) for budget in (SHORT, LONG))
    assert short[0] == pytest.approx(0.5, abs=0.15)
    assert long[0] == pytest.approx(0.5, abs=0.15)
    assert short[1] < 0.1
    assert long[1] > 0.45
    assert max(short[2:].max(), long[2:].max()) < 0.05
    assert gains(long[None], LONG) > 0.8 * gains(np.array([[0.5, 0.6, 0, 0]]), LONG)


def test_gates_open_with_the_budget_or_not_at_all() -> None:
    """Even where an op helps in short runs alone, as far as noise lets one think."""
    screening = Screening(N_OPS, TRIED, 0)
    random = np.random.default_rng(0)
    for budget in random.uniform(SHORT, LONG, 20):
        asked = screening.ask(6, budget)
        screening.tell(asked, gains(asked, SHORT + LONG - budget), budget)
        screening.surrogate.fit()
    short, long = chosen(screening, SHORT), chosen(screening, LONG)
    assert (long >= short - 1e-3).all()


def test_a_start_on_noise_alone_is_mostly_off() -> None:
    """It is judged by a lower bound."""
    starts = []
    for seed in range(60):
        random = np.random.default_rng(seed)
        screening = Screening(N_OPS, TRIED, seed)
        for _ in range(10):
            screening.tell(screening.ask(6, 1.0), random.normal(0, 0.1, 6), 1.0)
            screening.surrogate.fit()
        starts.append(chosen(screening, 1.0))
    assert np.median(starts) == 0
    assert np.mean(starts) < 0.5 * TRIED


def test_where_a_policy_learns_on_the_rough_process_decides_if_it_foretells_anything() -> None:
    signal, noise = screened(20), screened(20, noise=3.0)
    for screening, rough in ((signal, True), (noise, False)):
        screening.surrogate.fit(ROUGH)
        assert (screening.surrogate.foretold > 0) == rough
        first, final = (chosen(screening, LONG, learns=learns) for learns in (True, False))
        assert np.array_equal(first, final) != rough


def test_constants_are_tried_around_a_magnitude_and_off_too() -> None:
    asked = Screening(N_OPS, TRIED, 0).ask(500, LONG)
    tried = asked[asked > 0]
    assert 0.3 < (asked == 0).mean() < 0.7
    assert TRIED / 2**OCTAVES <= tried.min() < 0.7 * TRIED
    assert 1.5 * TRIED < tried.max() <= TRIED * 2**OCTAVES
    assert Screening(N_OPS, 0.9, 0).ask(500, LONG).max() == 1


def test_what_promises_more_is_tried_more_often() -> None:
    screening = screened(10)
    early, late = screening.ask(300, SHORT), screening.ask(300, LONG)
    assert late[:, 0].mean() > 2 * late[:, 2].mean()
    assert late[:, 1].mean() > 2 * early[:, 1].mean()


def test_the_same_seed_asks_the_same() -> None:
    assert np.array_equal(screened(3).ask(4, 1.0), screened(3).ask(4, 1.0))


def test_what_was_told_is_known_again_and_asked_on() -> None:
    whole, again = screened(4), Screening(N_OPS, TRIED, 0)
    again.recall(json.loads(json.dumps(whole.told)))
    assert np.array_equal(again.ask(4, 1.0), whole.ask(4, 1.0))
    assert np.array_equal(chosen(again, LONG), chosen(whole, LONG))


def test_worth_tells_what_each_op_adds_at_three_budgets() -> None:
    screening, network = screened(20), PolicyNetwork(N_OPS)
    screening.start(network)
    worth = screening.worth(network)
    helps, late, harms, _ = (row["effects"] for row in worth)
    assert min(helps) > 0 > max(harms)
    assert late[0] < 0 < late[2]
    assert worth[0]["magnitudes"][2] == pytest.approx(0.5, abs=0.15)
    assert worth[2]["magnitudes"] == pytest.approx([0, 0, 0], abs=0.05)


class ToyPool:
    """Children whose accuracy is 0.8 and a tenth of `gains`."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def run(self, jobs: list[Job], label: str, *, quiet: bool = False) -> list[Record]:
        assert quiet
        self.jobs += jobs
        return [self.record(job) for job in jobs]

    def record(self, job: Job) -> Record:
        assert isinstance(job.arm.controller, Constant)
        gain = gains(np.array([job.arm.controller.magnitudes]), log_passes(job.task.passes))
        return {
            "validation_score": 0.8 + gain[0] / 10, "validation_loss": 1.0, "num_classes": 10,
            "cost": 0.0,
        }  # fmt: skip


def test_screening_trains_groups_that_share_task_and_seed() -> None:
    trial = Trial([TaskRange(Task(), (100, 800), (50, 400))], [CostTable()], 0.05, seed=3)
    pool, screening = ToyPool(), Screening(N_OPS, TRIED, 0)
    rounds = screen(
        screening, ("rotate", "zoom", "hflip", "noise"), trial, 6, pool, groups=3, group_size=4
    )
    assert [len(pool.jobs) for _ in rounds] == [12, 24, 36, 48, 60, 72]
    groups = [pool.jobs[start : start + 4] for start in range(0, 72, 4)]
    assert all(len({(job.seed, job.task) for job in group}) == 1 for group in groups)
    assert len({group[0].seed for group in groups}) == 18
    assert not any(job.test for job in pool.jobs)
    told = screening.surrogate.magnitudes
    assert told.tolist() == [job.arm.controller.magnitudes for job in pool.jobs]
    assert chosen(screening, LONG)[0] > 0.2
