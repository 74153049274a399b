"""The shortest useful run: found from pairs, and applied to a policy's runs."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from adaptaug.controllers import Constant, Learned
from adaptaug.evaluation.train_child import Arm, Job, Record, train_child
from adaptaug.policy.cost import CostTable
from adaptaug.policy.network import PolicyNetwork
from adaptaug.policy.policy import Policy, load_policy, save_policy
from adaptaug.training.task import Task, TaskRange
from agents.min_epochs import (
    MIN_PAIRS,
    NEVER,
    evidence,
    gains_over_none,
    read_evidence,
    scope,
    shortest_useful_run,
)
from agents.objective import Objective

OPS = ("rotate", "noise")


@pytest.fixture
def policy() -> Policy:
    return Policy(PolicyNetwork(len(OPS)), OPS)


def pairs(seed: int, crossing: float, noise: float, count: int = 60) -> tuple[np.ndarray, ...]:
    """Epochs of runs, and gains that rise by 1 per doubling and are 0 at `crossing` epochs."""
    random = np.random.default_rng(seed)
    epochs = 2 ** random.uniform(0, 8, count)
    gains = np.clip(np.log2(epochs / crossing), -2, 2) + random.normal(0, noise, count)
    return epochs, gains


def test_zero_crossing_is_found_despite_noise() -> None:
    doublings = [np.log2(shortest_useful_run(*pairs(seed, 16, 1.0)) / 16) for seed in range(50)]
    assert np.abs(np.mean(doublings)) < 0.3
    assert np.abs(doublings).max() < 2


def test_gain_in_all_pairs_includes_the_shortest_run() -> None:
    epochs, gains = pairs(0, 1e-3, 0.5)
    assert shortest_useful_run(epochs, gains) == epochs.min()


def test_loss_in_all_pairs_includes_no_run() -> None:
    assert shortest_useful_run(*pairs(0, 1e5, 0.5)) == NEVER


def test_gain_of_zero_includes_no_run() -> None:
    assert shortest_useful_run(np.arange(1.0, 11), np.zeros(10)) == NEVER


def test_threshold_is_a_geometric_mean_whatever_the_order_of_the_pairs() -> None:
    epochs = np.array([64.0, 1, 16, 4, 256, 512, 1024, 2048])
    gains = np.array([2.0, -2, 2, -2, 2, 2, 2, 2])
    assert shortest_useful_run(epochs, gains) == 8
    assert shortest_useful_run(epochs[::-1], gains[::-1]) == 8


@pytest.mark.parametrize("order", [1, -1])
def test_runs_of_equal_epochs_are_included_together_or_not_at_all(order: int) -> None:
    epochs, gains = np.full(12, 32.0), np.array([1.0, *[-1.0] * 11])[::order]
    assert shortest_useful_run(epochs, gains) == NEVER
    assert shortest_useful_run(epochs, -gains) == 32
    shorter = np.append(epochs, np.full(4, 8.0))
    assert shortest_useful_run(shorter, np.append(-gains, [1.0, 1, -2, -2])) == 16


@pytest.mark.parametrize(("losses", "included"), [(0, True), (1, False)])
def test_five_pairs_must_all_gain(losses: int, included: bool) -> None:
    """All five signs agree by chance in 1 of 32 cases; one sign differs in 5 more."""
    gains = np.array([-1.0] * losses + [1.0] * (5 - losses))
    assert (shortest_useful_run(np.full(5, 32.0), gains) < NEVER) == included


def share_with_a_useful_run(gains: np.ndarray, epochs: np.ndarray) -> float:
    """Share of searches, the rows of `gains` and `epochs`, that find any useful run."""
    found = [shortest_useful_run(*pair) for pair in zip(epochs, gains, strict=True)]
    return float(np.mean(np.less(found, NEVER)))


def searches(pairs: int, count: int) -> tuple[np.random.Generator, np.ndarray]:
    """A generator, and epochs of `pairs` runs in each of `count` simulated searches."""
    random = np.random.default_rng(pairs)
    return random, np.exp(random.uniform(np.log(8), np.log(1000), (count, pairs)))


@pytest.mark.parametrize("pairs", [8, 30, 90])
def test_true_gain_of_zero_is_taken_for_a_gain_in_at_most_a_tenth_of_searches(pairs: int) -> None:
    """The rate is 5%; the rule before had 43, 57 and 64%."""
    random, epochs = searches(pairs, count := 300)
    noise = np.where(np.arange(count) % 2, epochs.T / 100, 1.0).T  # larger in longer runs, or equal
    gains = noise * random.normal(size=epochs.shape)
    assert share_with_a_useful_run(gains, epochs) < 0.1


@pytest.mark.parametrize("pairs", [30, 90])
def test_so_is_one_with_a_long_lower_tail(pairs: int) -> None:
    """The rate is 10 and 9%, of gains with mean 0 and skewness -2."""
    random, epochs = searches(pairs, count := 300)
    gains = 1 - random.exponential(size=epochs.shape)
    assert share_with_a_useful_run(gains, epochs) < 0.1 + 2 * np.sqrt(0.1 * 0.9 / count)


@pytest.mark.parametrize(("pairs", "share"), [(9, 0.65), (30, 0.97), (90, 1.0)])
def test_gain_of_a_usual_size_is_found(pairs: int, share: float) -> None:
    """A search on digits had mean gains of 0, 0.1, 0.4 and 1 in the quarters of run lengths."""
    random, epochs = searches(pairs, 100)
    gains = np.clip(0.2 * np.log2(epochs / 30), -0.1, 1) + random.normal(0, 0.3, epochs.shape)
    assert share_with_a_useful_run(gains, epochs) >= share


def test_fewer_than_min_pairs_include_every_run() -> None:
    few = MIN_PAIRS - 1
    assert shortest_useful_run(np.arange(1.0, few + 1), np.full(few, -1.0)) == 0


def test_evidence_is_read_as_it_was_written(tmp_path: Path) -> None:
    epochs, gains = pairs(0, 16, 1.0)
    found = evidence(epochs, gains, shortest_useful_run(epochs, gains))
    path = tmp_path / "min_epochs.json"
    assert read_evidence(path) is None
    path.write_text(json.dumps(found))
    assert read_evidence(path) == found


def test_scope_names_the_runs() -> None:
    assert scope(0) == "every run"
    assert scope(12.345) == "runs of at least 12.3 epochs"
    assert scope(NEVER) == "no run, because it gains in none"


class ToyPool:
    """Children that augmentation helps in runs of more than 64 epochs, and harms in shorter."""

    def run(self, jobs: list[Job], label: str, *, quiet: bool = False) -> list[Record]:
        return [self.record(job) for job in jobs]

    def record(self, job: Job) -> Record:
        strength = 0.0 if isinstance(job.arm.controller, Constant) else 0.1
        offset = np.random.default_rng(job.seed).normal()  # shared by all arms of a trial
        gain = strength if job.task.epochs > 64 else -strength
        return {
            "validation_score": 0.5 + gain + offset, "validation_loss": 1.0, "num_classes": 10,
            "cost": 0.0,
        }  # fmt: skip


def test_children_of_a_pair_share_task_and_seed(policy: Policy) -> None:
    objective = Objective([TaskRange(Task(), (20, 2000), (100, 100))], [CostTable()], 0.05, seed=3)
    epochs, gains = gains_over_none([policy, policy], objective, range(40), ToyPool())
    assert gains.shape == (2, 40)
    assert gains[0] == pytest.approx(np.where(epochs > 64, 1.0, -1.0))
    assert 40 < shortest_useful_run(epochs, gains[0]) < 100


def test_policy_leaves_shorter_runs_alone_at_no_cost(policy: Policy, tmp_path: Path) -> None:
    with torch.no_grad():
        policy.network.op_bias.fill_(20.0)  # magnitudes near 1
    save_policy(tmp_path / "policy", replace(policy, min_epochs=10.0))
    limited = load_policy(tmp_path / "policy")
    assert limited.min_epochs == 10
    controllers = {
        "none": Constant([0.0, 0.0]),
        "limited": Learned(limited.network, limited.min_epochs),
        "unlimited": Learned(policy.network),
    }
    for steps, augments in ((31, False), (32, True)):  # 9.9 and 10.2 epochs
        task = Task(n_train=100, steps=steps)
        records = {
            name: train_child(Job(Arm(name, OPS, controller), task, 5, CostTable()))
            for name, controller in controllers.items()
        }
        equal_to = records["unlimited" if augments else "none"]
        assert np.any(records["limited"]["magnitudes"]) == augments
        for key in ("magnitudes", "accuracy", "cost"):
            assert records["limited"][key] == equal_to[key]
        assert (records["limited"]["cost"] > 0) == augments
