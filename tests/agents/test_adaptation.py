"""Adaptation, on children whose best magnitudes are known."""

import math
from dataclasses import replace

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
from agents.adaptation import adapt, shifted
from agents.min_epochs import MIN_PAIRS, NEVER
from agents.objective import Objective
from agents.warm_start.screening import Screening

OPS = ("rotate", "noise", "hflip")


def chosen(network: PolicyNetwork, epochs: float = 128) -> list[float]:
    """Magnitudes of a policy at a budget."""
    observation = np.zeros(observation_size(len(OPS)), np.float32)
    observation[GLOBAL_FEATURES.index("log_epochs")] = math.log2(1 + epochs) / 4
    return network.magnitudes(observation)


class ToyPool:
    """Children whose score falls with the squared distance from the best magnitudes."""

    def __init__(self, best: np.ndarray) -> None:
        self.best = best
        self.jobs: list[Job] = []

    def run(self, jobs: list[Job], label: str, *, quiet: bool = False) -> list[Record]:
        self.jobs += jobs
        return [self.record(job) for job in jobs]

    def record(self, job: Job) -> Record:
        controller = job.arm.controller
        if isinstance(controller, Constant):
            magnitudes = np.array(controller.magnitudes or [0.0] * len(OPS))
        elif job.task.epochs < controller.min_epochs:
            magnitudes = np.zeros(len(OPS))
        else:
            assert isinstance(controller, Learned)
            magnitudes = np.array(chosen(controller.network, job.task.epochs))
        offset = np.random.default_rng(job.seed).normal(0, 0.1)  # shared by all arms of a trial
        return {
            "validation_score": 0.9 - ((magnitudes - self.best) ** 2).sum() + offset,
            "validation_loss": 1.0, "num_classes": 10, "cost": 0.0,
        }  # fmt: skip


@pytest.fixture
def objective() -> Objective:
    """Runs of 8 to 512 epochs."""
    return Objective([TaskRange(Task(), (100, 800), (50, 400))], [CostTable()], 0.05, seed=3)


@pytest.fixture
def one_budget() -> Objective:
    """Runs of 32 epochs."""
    return Objective([TaskRange(Task(), (100, 100), (100, 100))], [CostTable()], 0.05, seed=3)


@pytest.fixture
def policy() -> Policy:
    return Policy(PolicyNetwork(len(OPS)), OPS)


def test_helpful_ops_get_their_magnitude_and_harmful_ops_are_off(
    objective: Objective, policy: Policy
) -> None:
    pool = ToyPool(np.array([0.7, 0.3, -0.5]))
    adapted, report = adapt(policy, objective, 200, 0.3, pool, quiet=True)
    assert report["episodes"] == len(pool.jobs) <= 200
    assert report["kept"] != "own"
    effects = report["op_effects"]
    assert min(effects["rotate"]["effects"]) > 0 > max(effects["hflip"]["effects"])
    rotate, noise, hflip = chosen(adapted.network)
    assert rotate > 0.45 > noise > 0.1 > hflip == 0
    assert policy.network.op_bias.tolist() == [0, 0, 0]  # the policy itself is unchanged


def test_op_that_the_search_switched_off_can_be_switched_on(
    objective: Objective, policy: Policy
) -> None:
    searched = shifted(policy, policy.network, 0.0)
    with torch.no_grad():
        searched.network.op_bias.copy_(torch.tensor([0.0, 0.0, OFF_BIAS]))
        searched.network.gate.copy_(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]))
    pool = ToyPool(np.array([-0.5, -0.5, 0.3]))
    adapted, _ = adapt(searched, objective, 100, 0.3, pool, quiet=True)
    rotate, noise, hflip = chosen(adapted.network)
    assert rotate == noise == 0
    assert hflip > 0.1


def test_all_ops_are_off_if_all_harm(objective: Objective, policy: Policy) -> None:
    adapted, _ = adapt(policy, objective, 20, 0.3, ToyPool(np.full(3, -1.0)), quiet=True)
    assert chosen(adapted.network) == [0, 0, 0]


def test_policy_is_kept_if_it_is_better_than_the_fitted_ones(
    one_budget: Objective, policy: Policy
) -> None:
    """It has its ops at 0.15, the best; the screening tries 0.45 and more, which harm."""
    adapted, report = adapt(policy, one_budget, 50, 0.9, ToyPool(np.full(3, 0.15)), quiet=True)
    assert report["kept"] == "own"
    before, after = policy.network.state_dict(), adapted.network.state_dict()
    assert all(after[name].equal(before[name]) for name in before)
    assert adapted.min_epochs == report["evidence"]["min_epochs"] == 32  # epochs of all trials


def test_kept_policy_has_at_least_its_min_epochs(one_budget: Objective, policy: Policy) -> None:
    limited, pool = replace(policy, min_epochs=30.0), ToyPool(np.full(3, 0.15))
    adapted, report = adapt(limited, one_budget, 50, 0.9, pool, quiet=True)
    assert report["kept"] == "own"
    assert adapted.min_epochs == 32  # epochs of all trials
    few = adapt(limited, one_budget, 12, 0.9, ToyPool(np.full(3, 0.7)), quiet=True)[0]
    assert few.min_epochs == 0  # of the fitted policy, which gains in three pairs


class HelpfulOnlyInTheScreening(ToyPool):
    """Children that every op helps under constants and harms under policies."""

    def __init__(self) -> None:
        super().__init__(np.zeros(len(OPS)))

    def record(self, job: Job) -> Record:
        self.best = np.full(len(OPS), 0.3 if job.arm.name == "screening" else -0.3)
        return super().record(job)


class HelpfulOnlyInLongRuns(ToyPool):
    """Children that every op helps in runs of more than 64 epochs and harms in shorter ones."""

    def __init__(self) -> None:
        super().__init__(np.zeros(len(OPS)))

    def record(self, job: Job) -> Record:
        self.best = np.full(len(OPS), 0.3 if job.task.epochs > 64 else -0.3)
        return super().record(job)


@pytest.mark.parametrize("seed", [4, 5, 7])  # 3 and 6 are wrong about one op at one end
def test_gates_switch_ops_off_in_short_runs(policy: Policy, seed: int) -> None:
    wide = Objective([TaskRange(Task(), (20, 2000), (100, 100))], [CostTable()], 0.05, seed=seed)
    # A policy that is always off: weak ops and a shortest useful run would do well here too.
    off = shifted(policy, policy.network, OFF_BIAS)
    adapted, report = adapt(off, wide, 250, 0.3, HelpfulOnlyInLongRuns(), quiet=True)
    assert report["kept"] != "own"
    assert 32 < report["evidence"]["min_epochs"] < 128
    assert chosen(adapted.network, epochs=8) == [0, 0, 0]
    assert min(chosen(adapted.network, epochs=512)) > 0.1
    for row in report["op_effects"].values():
        assert row["effects"][0] < 0 < row["effects"][-1]


@pytest.mark.parametrize("trainings", [12, 20])
def test_no_run_is_augmented_if_few_pairs_all_lose(
    one_budget: Objective, policy: Policy, trainings: int
) -> None:
    pool = HelpfulOnlyInTheScreening()
    adapted, report = adapt(policy, one_budget, trainings, 0.3, pool, quiet=True)
    assert (report["kept"], report["gains"]) == ("fitted", {})  # too few to compare candidates
    assert report["gain"] <= 0
    assert adapted.min_epochs == report["evidence"]["min_epochs"] == NEVER


def test_pairs_that_judge_a_candidate_did_not_choose_it(
    objective: Objective, policy: Policy
) -> None:
    pool = ToyPool(np.full(3, 0.3))
    _, report = adapt(policy, objective, 100, 0.3, pool, quiet=True)
    arms = [job.arm.name for job in pool.jobs]
    seeds = [job.seed for job in pool.jobs]
    chosen_on, judged_on = seeds[60:80], seeds[80:]  # after 60 trainings of the screening
    assert len(set(chosen_on)) == 4  # trials of four candidates and none
    assert arms[80:] == ["none"] * 10 + ["policy"] * 10
    assert len(set(judged_on)) == 10
    assert not set(judged_on) & set(seeds[:80])
    assert len(report["evidence"]["gains"]) == 10
    assert report["gain"] == pytest.approx(np.mean(report["evidence"]["gains"]))


class Useless(ToyPool):
    """Children whose scores do not depend on magnitudes; each has noise of its own."""

    def __init__(self, seed: int) -> None:
        super().__init__(np.zeros(len(OPS)))
        self.random = np.random.default_rng(seed)

    def record(self, job: Job) -> Record:
        return super().record(job) | {"validation_score": self.random.normal(0.9, 0.03)}


@pytest.mark.parametrize("trainings", [20, 100])
def test_candidates_that_gain_nothing_augment_no_run(
    objective: Objective, policy: Policy, trainings: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In at least 90% of adaptations. The screening, which is slow, leaves the policy as it was."""
    monkeypatch.setattr("agents.adaptation.screen", lambda *args, **kwargs: ())
    monkeypatch.setattr(Screening, "initialise", lambda *args: None)
    monkeypatch.setattr(Screening, "op_effects", lambda *args: OPS)
    adapted = [
        adapt(policy, replace(objective, seed=seed), trainings, 0.3, Useless(seed), quiet=True)[0]
        for seed in range(100)
    ]
    assert np.mean([policy.min_epochs == NEVER for policy in adapted]) >= 0.9


def test_shift_changes_only_the_biases(policy: Policy) -> None:
    other = shifted(policy, policy.network, 0.5)
    before, after = policy.network.state_dict(), other.network.state_dict()
    assert (after["op_bias"] - before["op_bias"]).tolist() == [0.5] * 3
    assert all(before[name].equal(after[name]) for name in before if name != "op_bias")


@pytest.mark.parametrize("trainings", [12, 16, 20, 21, 29, 33, 100, 160, 180])
def test_at_most_the_given_trainings_are_spent(
    objective: Objective, policy: Policy, trainings: int
) -> None:
    pool = ToyPool(np.array([0.6, 0.2, 0.0]))
    _, report = adapt(policy, objective, trainings, 0.3, pool, quiet=True)
    assert trainings - 5 <= report["episodes"] == len(pool.jobs) <= trainings
    assert len(report["evidence"]["gains"]) >= (MIN_PAIRS if trainings >= 16 else 3)


def test_too_few_trainings_are_refused(objective: Objective, policy: Policy) -> None:
    with pytest.raises(AdaptAugError, match="at least 12 child trainings, got 5"):
        adapt(policy, objective, 5, 0.3, ToyPool(np.zeros(3)))
