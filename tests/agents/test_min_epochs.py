"""Where a policy is found to be of use, and what it does elsewhere."""

from pathlib import Path

import numpy as np
import pytest
import torch

from adaptaug.controllers import Constant, Learned
from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.train_child import Arm, Job, Record, train_child
from adaptaug.policy.cost import CostTable
from adaptaug.policy.network import PolicyNetwork
from adaptaug.policy.policy import Policy, load_policy, save_policy
from adaptaug.training.task import Task, TaskRange
from agents.min_epochs import FEWEST_PAIRS, NEVER, fewest_passes, gains, guarded
from agents.objective import Trial

OPS = ("rotate", "noise")


@pytest.fixture
def policy() -> Policy:
    return Policy(PolicyNetwork(len(OPS)), OPS)


def pairs(seed: int, crossing: float, noise: float, count: int = 60) -> tuple[np.ndarray, ...]:
    """Passes of runs, and gains that rise through 0 at `crossing` passes by 1 an octave."""
    random = np.random.default_rng(seed)
    passes = 2 ** random.uniform(0, 8, count)
    gained = np.clip(np.log2(passes / crossing), -2, 2) + random.normal(0, noise, count)
    return passes, gained


def test_the_crossing_is_found_in_spite_of_noise() -> None:
    octaves = [np.log2(fewest_passes(*pairs(seed, 16, 1.0)) / 16) for seed in range(50)]
    assert np.abs(np.mean(octaves)) < 0.3
    assert np.abs(octaves).max() < 2


def test_what_always_helps_is_open_down_to_the_shortest_run_that_was_tried() -> None:
    passes, gained = pairs(0, 1e-3, 0.5)
    assert fewest_passes(passes, gained) == passes.min()


def test_what_only_harms_is_never_used() -> None:
    assert fewest_passes(*pairs(0, 1e5, 0.5)) == NEVER


def test_what_does_nothing_is_never_used() -> None:
    """So that it costs nothing either."""
    assert fewest_passes(np.arange(1.0, 11), np.zeros(10)) == NEVER


def test_the_threshold_lies_between_open_and_closed_whatever_the_order() -> None:
    passes, gained = np.array([64.0, 1, 16, 4, 256]), np.array([2.0, -2, 2, -2, 2])
    assert fewest_passes(passes, gained) == 8
    assert fewest_passes(passes[::-1], gained[::-1]) == 8


@pytest.mark.parametrize("order", [1, -1])
def test_runs_of_equal_passes_open_together_or_not_at_all(order: int) -> None:
    passes, gained = np.full(12, 32.0), np.array([1.0, 1.0, *[-1.0] * 10])[::order]
    assert fewest_passes(passes, gained) == NEVER
    assert fewest_passes(passes, -gained) == 32
    shorter = np.append(passes, np.full(4, 8.0))
    assert fewest_passes(shorter, np.append(-gained, [1.0, 1, -2, -2])) == 16


def test_few_pairs_tell_nothing() -> None:
    few = FEWEST_PAIRS - 1
    assert fewest_passes(np.arange(1.0, few + 1), np.full(few, -1.0)) == 0


class ToyPool:
    """Children that augmentation harms by its magnitudes, in runs of 64 passes or fewer."""

    def run(self, jobs: list[Job], label: str, *, quiet: bool = False) -> list[Record]:
        return [self.record(job) for job in jobs]

    def record(self, job: Job) -> Record:
        strength = 0.0 if isinstance(job.arm.controller, Constant) else 0.1
        luck = np.random.default_rng(job.seed).normal()  # shared by arms on one trial
        gain = strength if job.task.passes > 64 else -strength
        return {
            "validation_score": 0.5 + gain + luck, "validation_loss": 1.0, "num_classes": 10,
            "cost": 0.0,
        }  # fmt: skip


def test_children_of_a_pair_share_their_luck(policy: Policy) -> None:
    trial = Trial([TaskRange(Task(), (20, 2000), (100, 100))], [CostTable()], 0.05, seed=3)
    passes, gained = gains([policy, policy], trial, range(40), ToyPool())
    assert gained.shape == (2, 40)
    assert gained[0] == pytest.approx(np.where(passes > 64, 1.0, -1.0))
    assert 40 < fewest_passes(passes, gained[0]) < 100


def test_a_guarded_policy_leaves_short_runs_alone_at_the_price_of_one_look(
    policy: Policy, tmp_path: Path
) -> None:
    with torch.no_grad():
        policy.network.op_bias.fill_(20.0)  # as sure as can be
    guard = guarded(policy, 10.0)
    save_policy(tmp_path / "policy", guard)
    guard = load_policy(tmp_path / "policy")
    assert guard.network.fewest_passes == 10
    assert policy.network.fewest_passes == 0
    costs = CostTable()
    for steps, acts in ((31, False), (32, True)):  # of 32 images: 9.9 and 10.2 passes
        task = Task(n_train=100, steps=steps)
        records = {}
        for name, controller in (
            ("none", Constant([0.0, 0.0])), ("guarded", Learned(guard.network)),
            ("policy", Learned(policy.network)),
        ):  # fmt: skip
            records[name] = train_child(Job(Arm(name, OPS, controller), task, 5, costs))
        if acts:
            assert records["guarded"]["magnitudes"] == records["policy"]["magnitudes"]
            assert records["guarded"]["cost"] == records["policy"]["cost"]
        else:
            assert not np.any(records["guarded"]["magnitudes"])
            assert records["guarded"]["accuracy"] == records["none"]["accuracy"]
            assert records["guarded"]["cost"] * steps == pytest.approx(costs.observation(True))


def test_a_guard_that_its_arguments_do_not_know_of_is_not_saved(
    policy: Policy, tmp_path: Path
) -> None:
    """A file would lose it."""
    policy.network.fewest_passes = 10.0
    with pytest.raises(AdaptAugError, match="must be built for its 2 ops with its network_kwargs"):
        save_policy(tmp_path / "policy", policy)
