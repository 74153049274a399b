import math

import numpy as np
import pytest
import torch

from adaptaug.controllers import Constant, Learned
from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.train_child import Job, Record
from adaptaug.policy.cost import CostTable
from adaptaug.policy.network import OFF_BIAS, PolicyNetwork
from adaptaug.policy.observation import GLOBAL_FEATURES, observation_size
from adaptaug.policy.policy import Policy
from adaptaug.training.task import Task, TaskRange
from agents.min_epochs import NEVER, guarded
from agents.objective import Trial
from agents.random_search import adapt, best_constant, shifted

OPS = ("rotate", "noise", "hflip")
TARGET = np.array([0.6, 0.2, 0.0])


def chosen(network: PolicyNetwork, passes: float = 128) -> list[float]:
    """The magnitudes at a budget."""
    observation = np.zeros(observation_size(len(OPS)), np.float32)
    observation[GLOBAL_FEATURES.index("log_passes")] = math.log2(1 + passes) / 4
    return network.magnitudes(observation)


class ToyPool:
    """Children whose accuracy falls with the distance of the magnitudes from a known best."""

    def __init__(self, target: np.ndarray = TARGET) -> None:
        self.target, self.jobs = target, []

    def run(self, jobs: list[Job], label: str, *, quiet: bool = False) -> list[Record]:
        self.jobs += jobs
        return [self.record(job) for job in jobs]

    def record(self, job: Job) -> Record:
        controller = job.arm.controller
        if isinstance(controller, Constant):
            magnitudes = np.array(controller.magnitudes)
        else:
            assert isinstance(controller, Learned)
            magnitudes = np.array(chosen(controller.network, job.task.passes))
        luck = np.random.default_rng(job.seed).normal(0, 0.1)  # shared by arms on one trial
        accuracy = 0.9 - ((magnitudes - self.target) ** 2).sum() + luck
        return {
            "validation_score": accuracy, "validation_loss": 1.0, "num_classes": 10, "cost": 0.0,
        }  # fmt: skip


@pytest.fixture
def trial() -> Trial:
    return Trial([TaskRange(Task(), (100, 800), (50, 400))], [CostTable()], 0.05, seed=3)


@pytest.fixture
def policy() -> Policy:
    return Policy(PolicyNetwork(len(OPS)), OPS)


def test_arms_share_the_task_and_seed_of_a_trial(trial: Trial, policy: Policy) -> None:
    pool = ToyPool()
    best_constant(OPS, trial, 40, pool, quiet=True)
    first = {(job.seed, job.task) for job in pool.jobs[:10]}
    assert len(first) == 1
    assert all(not job.test for job in pool.jobs)


def test_best_constant_finds_the_best_and_keeps_to_its_budget(trial: Trial) -> None:
    pool = ToyPool()
    magnitudes, spent = best_constant(OPS, trial, 800, pool, quiet=True)
    assert spent == len(pool.jobs) <= 800
    assert np.abs(np.array(magnitudes) - TARGET).max() < 0.2
    assert best_constant(OPS, trial, 800, ToyPool(), quiet=True)[0] == magnitudes


def test_adaptation_keeps_what_helps_at_its_dose_and_drops_what_harms(
    trial: Trial, policy: Policy
) -> None:
    pool = ToyPool(np.array([0.7, 0.3, -0.5]))
    adapted, done = adapt(policy, trial, 200, 0.3, pool, quiet=True)
    assert done["episodes"] == len(pool.jobs) <= 200
    assert done["kept"] != "own"
    assert min(done["worth"]["rotate"]["effects"]) > 0 > max(done["worth"]["hflip"]["effects"])
    rotate, noise, hflip = chosen(adapted.network)
    assert rotate > 0.45 > noise > 0.1 > hflip == 0
    assert policy.network.op_bias.tolist() == [0, 0, 0]  # the policy itself is as it was


def test_adaptation_frees_an_op_that_was_off_at_home(trial: Trial, policy: Policy) -> None:
    at_home = shifted(policy, policy.network, 0.0)
    with torch.no_grad():
        at_home.network.op_bias.copy_(torch.tensor([0.0, 0.0, OFF_BIAS]))
        at_home.network.gate.copy_(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]))
    pool = ToyPool(np.array([-0.5, -0.5, 0.3]))
    adapted, _ = adapt(at_home, trial, 100, 0.3, pool, quiet=True)
    rotate, noise, hflip = chosen(adapted.network)
    assert rotate == noise == 0
    assert hflip > 0.1


def test_adaptation_switches_off_what_only_harms(trial: Trial, policy: Policy) -> None:
    adapted, _ = adapt(policy, trial, 20, 0.3, ToyPool(np.full(3, -1.0)), quiet=True)
    assert chosen(adapted.network) == [0, 0, 0]


def test_adaptation_keeps_a_policy_that_is_better_than_what_it_finds(policy: Policy) -> None:
    """Which holds its ops at 0.15, where magnitudes of 0.3 and more do nothing but harm."""
    short = Trial([TaskRange(Task(), (100, 100), (100, 100))], [CostTable()], 0.05, seed=3)
    adapted, done = adapt(policy, short, 50, 0.9, ToyPool(np.full(3, 0.15)), quiet=True)
    assert done["kept"] == "own"
    ours, theirs = policy.network.state_dict(), adapted.network.state_dict()
    assert all(theirs[name].equal(ours[name]) for name in ours)
    fewest = done["safeguard"]["fewest_passes"]
    assert adapted.network.fewest_passes == fewest == 32  # as all its trials have
    assert min(chosen(adapted.network, passes=32)) > 0 == max(chosen(adapted.network, passes=31))


def test_adaptation_keeps_the_guard_of_a_policy_that_it_keeps(policy: Policy) -> None:
    """Too few trials to find one anew, and trials of 32 passes alone."""
    short = Trial([TaskRange(Task(), (100, 100), (100, 100))], [CostTable()], 0.05, seed=3)
    for trainings in (40, 50):
        adapted, done = adapt(
            guarded(policy, 20.0), short, trainings, 0.9, ToyPool(np.full(3, 0.15)), quiet=True
        )
        assert done["kept"] == "own"
        assert adapted.network.fewest_passes == (20 if trainings == 40 else 32)


class Contrary(ToyPool):
    """Children that every op helps while it is screened, and that every policy harms."""

    def record(self, job: Job) -> Record:
        self.target = np.full(len(OPS), 0.3 if job.arm.name == "screening" else -0.3)
        return super().record(job)


class LongRunsOnly(ToyPool):
    """Children that every op helps in long runs and harms in short ones."""

    def record(self, job: Job) -> Record:
        self.target = np.full(len(OPS), 0.3 if job.task.passes > 64 else -0.3)
        return super().record(job)


@pytest.mark.parametrize("seed", [4, 5, 7])  # 3 and 6 are wrong about one op at one end
def test_adaptation_gates_the_ops_by_the_budget(policy: Policy, seed: int) -> None:
    wide = Trial([TaskRange(Task(), (20, 2000), (100, 100))], [CostTable()], 0.05, seed=seed)
    off = shifted(policy, policy.network, OFF_BIAS)  # weak ops, well guarded, would do well here
    adapted, done = adapt(off, wide, 250, 0.3, LongRunsOnly(), quiet=True)
    assert done["kept"] != "own"
    assert 32 < done["safeguard"]["fewest_passes"] < 128
    assert chosen(adapted.network, passes=8) == [0, 0, 0]
    assert min(chosen(adapted.network, passes=512)) > 0.1
    for row in done["worth"].values():
        assert row["effects"][0] < 0 < row["effects"][-1]


def test_shifted_changes_nothing_but_the_biases(policy: Policy) -> None:
    other = shifted(policy, policy.network, 0.5)
    ours, theirs = policy.network.state_dict(), other.network.state_dict()
    assert (theirs["op_bias"] - ours["op_bias"]).tolist() == [0.5] * 3
    assert all(ours[name].equal(theirs[name]) for name in ours if name != "op_bias")


@pytest.mark.parametrize("trainings", [12, 13, 20, 29, 42, 100, 160, 180, 1800])
def test_the_best_constant_is_given_all_trainings(trial: Trial, trainings: int) -> None:
    pool = ToyPool()
    _, spent = best_constant(OPS, trial, trainings, pool, quiet=True)
    assert trainings - 2 <= spent == len(pool.jobs) <= trainings


def test_adaptation_on_few_trials_that_all_lose_augments_no_run(policy: Policy) -> None:
    """Whatever its screening found: here noise and nothing else, as every op is said to harm."""
    short = Trial([TaskRange(Task(), (100, 100), (100, 100))], [CostTable()], 0.05, seed=3)
    adapted, done = adapt(policy, short, 20, 0.3, Contrary(), quiet=True)
    assert done["gains"][done["kept"]] == 0
    assert adapted.network.fewest_passes == done["safeguard"]["fewest_passes"] == NEVER


@pytest.mark.parametrize("trainings", [12, 29, 100, 160, 180])
def test_a_rival_search_never_overspends(trial: Trial, policy: Policy, trainings: int) -> None:
    for spend in (
        lambda pool: best_constant(OPS, trial, trainings, pool, quiet=True),
        lambda pool: adapt(policy, trial, trainings, 0.3, pool, quiet=True),
    ):
        pool = ToyPool()
        spend(pool)
        assert len(pool.jobs) <= trainings


def test_too_few_trainings_are_refused(trial: Trial, policy: Policy) -> None:
    with pytest.raises(AdaptAugError, match="at least 12 child trainings, got 5"):
        adapt(policy, trial, 5, 0.3, ToyPool())
    with pytest.raises(AdaptAugError, match="at least 12 child trainings, got 5"):
        best_constant(OPS, trial, 5, ToyPool())
