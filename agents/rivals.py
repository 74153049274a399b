"""Searches that rival PPO's: the best constant by random search, and adaptation of op biases."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cmaes
import numpy as np
import torch

from adaptaug.artefact import Policy
from adaptaug.controllers import Constant, Learned
from adaptaug.cost import CostTable
from adaptaug.errors import AdaptAugError
from adaptaug.evaluation import Arm, Job, Pool, Record
from adaptaug.task import TaskRange
from envs.child_training import potential

FEWEST_TRAININGS = 12
"""Fewer child trainings than these find nothing."""

OFF_BIAS = -8.0
"""Bias that switches an op off whatever the network says."""


@dataclass(frozen=True)
class Trial:
    """What a rival search trains its children on: the same as the policy's search."""

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

    def jobs(self, arm: Arm, trials: Sequence[int]) -> list[Job]:
        """Jobs of one arm; arms that are given the same trial numbers share task and seed."""
        jobs = []
        for trial in trials:
            random = np.random.default_rng((self.seed, trial))
            index = int(random.integers(len(self.tasks)))
            task = self.tasks[index].draw(random)
            seed = int(random.integers(2**31))
            jobs.append(Job(arm, task, seed, self.costs[index], test=False, device=self.device))
        return jobs

    def score(self, record: Record) -> float:
        """The search's own objective: final potential less the price of the compute."""
        reached = potential(
            record["validation_loss"], record["validation_accuracy"], record["num_classes"]
        )
        return reached - self.cost_weight * float(record["cost"])


def best_constant(
    ops: tuple[str, ...], trial: Trial, trainings: int, pool: Pool, *, quiet: bool = False
) -> tuple[list[float], int]:
    """Random search for the best constant magnitudes, by successive halving.

    A quarter of the trainings goes to as many random constants, one training each, on one task
    and seed; the better third gets three more each, and so on: every round costs about the same,
    and within a round all candidates share tasks and seeds.

    Returns:
        The magnitudes, one per op, and the number of child trainings spent.
    """
    random = np.random.default_rng((trial.seed, 1))
    if trainings < FEWEST_TRAININGS:
        raise AdaptAugError(
            f"a rival search needs at least {FEWEST_TRAININGS} child trainings, got {trainings}"
        )
    count = trainings // 4
    # A random overall strength times a random mix, a part of the ops off.
    candidates = random.uniform(0.1, 1, (count, 1)) * random.uniform(size=(count, len(ops)))
    candidates *= random.uniform(size=candidates.shape) < random.uniform(0.3, 1, (count, 1))
    totals, each, spent, first = np.zeros(count), 1, 0, 0
    alive = np.arange(count)
    while True:
        trials = range(first, first + each)
        jobs = [
            job
            for index in alive
            for job in trial.jobs(Arm("constant", ops, Constant(candidates[index])), trials)
        ]
        scores = [trial.score(record) for record in pool.run(jobs, "best constant", quiet=quiet)]
        totals[alive] += np.reshape(scores, (len(alive), each)).sum(1)
        spent, first = spent + len(jobs), first + each
        alive = alive[np.argsort(-totals[alive])]
        kept = max(2, len(alive) // 3)
        if len(alive) <= 3 or spent + kept * each * 3 > trainings:
            return candidates[alive[0]].tolist(), spent
        alive, each = alive[:kept], each * 3


def adapt(
    policy: Policy, trial: Trial, trainings: int, pool: Pool, *, quiet: bool = False
) -> tuple[Policy, dict[str, Any]]:
    """Fits the biases of the ops to new data; the shared network stays as it is.

    Four fifths of the trainings go to CMA-ES (Hansen 2016) on one shift of the latent per op, in
    generations that share task and seed. The rest decides, on equal tasks and seeds, between the
    fitted biases, the policy's own and all ops off: what does not help is not kept.

    Returns:
        The adapted policy, and what was done: `episodes` spent, the mean `scores` of the three
        choices, and which of them was `kept`.
    """
    if trainings < FEWEST_TRAININGS:
        raise AdaptAugError(
            f"adaptation needs at least {FEWEST_TRAININGS} child trainings, got {trainings}"
        )
    n_ops = len(policy.ops)
    with torch.no_grad():
        own = policy.network.op_bias.numpy().astype(np.float64)
    size = 8
    optimiser = cmaes.CMA(mean=own / 2, sigma=0.7, population_size=size, seed=trial.seed)
    generations = max(1, trainings * 4 // 5 // size)
    for generation in range(generations):
        biases = [optimiser.ask() for _ in range(size)]
        jobs = [
            job for bias in biases
            for job in trial.jobs(_arm(shifted(policy, bias), "adapting"), [generation])
        ]  # fmt: skip
        label = f"adapting {generation + 1}/{generations}"
        scores = [trial.score(record) for record in pool.run(jobs, label, quiet=quiet)]
        optimiser.tell([(bias, -score) for bias, score in zip(biases, scores, strict=True)])
    choices = {"fitted": optimiser.mean, "own": own, "off": np.full(n_ops, OFF_BIAS)}
    last = range(generations, generations + max(1, (trainings - generations * size) // 3))
    means = {
        name: float(np.mean([
            trial.score(record)
            for record in pool.run(
                trial.jobs(_arm(shifted(policy, bias), name), last), "choosing", quiet=quiet
            )
        ]))
        for name, bias in choices.items()
    }  # fmt: skip
    chosen = max(means, key=lambda name: means[name])
    spent = generations * size + len(choices) * len(last)
    done = {"episodes": spent, "scores": means, "kept": chosen, "seed": trial.seed}
    return shifted(policy, choices[chosen]), done


def shifted(policy: Policy, bias: np.ndarray) -> Policy:
    """The policy with these biases in place of its own."""
    network = copy.deepcopy(policy.network)
    with torch.no_grad():
        network.op_bias.copy_(torch.from_numpy(bias))
    return replace(policy, network=network)


def _arm(policy: Policy, name: str) -> Arm:
    return Arm(name, policy.ops, Learned(policy.network))
