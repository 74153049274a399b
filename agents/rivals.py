"""Searches that rival PPO's: the best constant by random search, and adaptation of op biases."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from adaptaug.artefact import Policy
from adaptaug.controllers import Constant, Learned
from adaptaug.cost import CostTable
from adaptaug.errors import AdaptAugError
from adaptaug.evaluation import Arm, Job, Pool, Record
from adaptaug.ops import Op
from adaptaug.policy import OFF_BIAS
from adaptaug.task import TaskRange
from agents.screening import Screening
from envs.child_training import potential

FEWEST_TRAININGS = 12
"""Fewer child trainings than these find nothing."""

SHIFTS = {"fitted": 0.0, "weaker": -0.3, "stronger": 0.3}
"""What adaptation tries on top of the biases of the ops that help."""

HALF_OPEN = 0.05
"""An op's gate is half open where its expected effect on the score is 0, and moves by as much
again for this effect: half a point of accuracy, more or less."""


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
            record["validation_loss"], record["validation_score"], record["num_classes"]
        )
        return reached - self.cost_weight * float(record["cost"])


def best_constant(
    ops: Sequence[str | Op], trial: Trial, trainings: int, pool: Pool, *, quiet: bool = False
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
            for job in trial.jobs(Arm("constant", tuple(ops), Constant(candidates[index])), trials)
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
    """Fits to new data which ops act at which budgets; the shared network stays as it is.

    Three quarters of the trainings screen the ops (see `agents.screening`): each is off, or on
    as the network would have it, whatever held it down where the policy was searched. What an op
    adds is a line over the budget's logarithm, and sets the op's gate: it closes where the op
    would not help. The rest of the trainings decides, on equal tasks and seeds, between the ops
    so gated, these a little weaker or stronger, the policy's own biases, and all ops off.

    Returns:
        The adapted policy, and what was done: `episodes` spent, what each op is worth at the
        lowest and the highest budget that was tried (`effects`), the mean `scores` of the choices,
        and which of them was `kept`.
    """
    if trainings < FEWEST_TRAININGS:
        raise AdaptAugError(
            f"adaptation needs at least {FEWEST_TRAININGS} child trainings, got {trainings}"
        )
    with torch.no_grad():
        own = policy.network.op_bias.numpy().astype(np.float64)
    free, off = own.clip(min=0), np.full(len(own), OFF_BIAS)
    size = 6
    rounds = max(1, trainings * 3 // 4 // size)
    random, budgets = np.random.default_rng((trial.seed, 2)), []
    screening = Screening(len(own), random)
    for number in range(rounds):
        on = screening.ask(size)
        arms = [_arm(shifted(policy, bias), "adapting") for bias in np.where(on, free, off)]
        jobs = [job for arm in arms for job in trial.jobs(arm, [number])]
        label = f"adapting {number + 1}/{rounds}"
        scores = [trial.score(record) for record in pool.run(jobs, label, quiet=quiet)]
        budgets.append(math.log2(1 + jobs[0].task.passes) / 4)
        screening.tell(on, np.array(scores), budgets[-1])
    gate = screening.lines / HALF_OPEN / 2 + (0.5, 0)
    choices = {name: shifted(policy, free + shift, gate) for name, shift in SHIFTS.items()}
    choices |= {"own": policy, "off": shifted(policy, off)}
    last = range(rounds, rounds + max(1, (trainings - rounds * size) // len(choices)))
    means = {
        name: float(np.mean([
            trial.score(record)
            for record in pool.run(trial.jobs(_arm(choice, name), last), "choosing", quiet=quiet)
        ]))
        for name, choice in choices.items()
    }  # fmt: skip
    chosen = max(means, key=lambda name: means[name])
    spent = rounds * size + len(choices) * len(last)
    ends = np.array([[1, 1], [min(budgets), max(budgets)]])
    effects = dict(zip(policy.ops, (screening.lines @ ends).tolist(), strict=True))
    done = {
        "episodes": spent, "effects": effects, "scores": means, "kept": chosen, "seed": trial.seed,
    }  # fmt: skip
    return choices[chosen], done


def shifted(
    policy: Policy, bias: np.ndarray, gate: Sequence[float] | np.ndarray = (1, 0)
) -> Policy:
    """The policy with these biases (n_ops,) and gates (n_ops, 2), open ones by default."""
    network = copy.deepcopy(policy.network)
    with torch.no_grad():
        network.op_bias.copy_(torch.from_numpy(bias))
        network.gate.copy_(torch.as_tensor(gate))
    return replace(policy, network=network)


def _arm(policy: Policy, name: str) -> Arm:
    return Arm(name, policy.ops, Learned(policy.network))
