"""Searches that rival PPO's: the best constant by random search, and adaptation to new data."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from adaptaug.controllers import Constant
from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.train_child import Arm, Pool
from adaptaug.ops import Op
from adaptaug.policy.network import PolicyNetwork
from adaptaug.policy.policy import Policy
from adaptaug.utils.progress import ProgressBar
from agents.min_epochs import NEVER, evidence, fewest_passes, gains, guarded
from agents.objective import Trial
from agents.warm_start.screening import Screening, screen

FEWEST_TRAININGS = 12
"""Fewer child trainings than these find nothing."""

SHIFTS = {"fitted": 0.0, "weaker": -0.3, "stronger": 0.3}
"""What adaptation tries on top of the biases that its screening finds."""


def best_constant(
    ops: Sequence[str | Op], trial: Trial, trainings: int, pool: Pool, *, quiet: bool = False
) -> tuple[list[float], int]:
    """Random search for the best constant magnitudes, by successive halving.

    A quarter of the trainings goes to as many random constants, one training each, on one task
    and seed; the better third gets three more each, and so on: every round costs about the same,
    and within a round all candidates share tasks and seeds. The last two or three share what is
    left.

    Returns:
        The magnitudes, one per op, and the number of child trainings spent: all but one or two.
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
        if len(alive) > 3:
            alive = alive[: max(2, len(alive) // 3)]
        share = (trainings - spent) // len(alive)
        if share == 0:
            return candidates[alive[0]].tolist(), spent
        each = share if len(alive) <= 3 else min(3 * each, share)


def adapt(
    policy: Policy,
    trial: Trial,
    trainings: int,
    magnitude: float,
    pool: Pool,
    *,
    quiet: bool = False,
) -> tuple[Policy, dict[str, Any]]:
    """Fits to new data which ops act at which budgets, and how strongly; the network stays.

    Three fifths of the trainings screen the ops as a search does (see
    `agents.warm_start.screening`), and set their biases and gates as a search begins with them,
    whatever held an op down where the
    policy was searched; how magnitudes change over a run is the network's to say. The rest of the
    trainings decides, on equal tasks and seeds, between the ops so fitted, these a little weaker or
    stronger, and the policy as it was, each left out of runs too short for it (see
    `agents.min_epochs`).

    Args:
        policy: what to adapt; it is left as it is.
        trial: what children are trained on.
        trainings: child trainings to spend, at most.
        magnitude: around which the ops are tried, in (0, 1].
        pool: trains the children.
        quiet: no bars.

    Returns:
        The adapted policy, and what was done: `episodes` spent, what each op is worth (see
        `Screening.worth`), the mean `gains` of the choices over none, which of them was `kept`,
        and its `safeguard`: `fewest_passes` of a run that it augments, and what tells, `passes` and
        `gains` of trials.

    Raises:
        AdaptAugError: the trainings are too few.
    """
    if trainings < FEWEST_TRAININGS:
        raise AdaptAugError(
            f"adaptation needs at least {FEWEST_TRAININGS} child trainings, got {trainings}"
        )
    size = 6
    rounds = max(1, trainings * 3 // 5 // size)
    screening = Screening(len(policy.ops), magnitude, trial.seed)
    screened = screen(screening, policy.ops, trial, rounds, pool, group_size=size)
    for _ in ProgressBar(screened, "adapting", rounds, unit="round", disable=quiet):
        pass
    fitted = guarded(policy, 0.0).network
    screening.start(fitted)
    choices = {name: shifted(policy, fitted, shift) for name, shift in SHIFTS.items()}
    choices["own"] = policy
    arms = len(choices) + 1
    trials = range(rounds, rounds + max(1, (trainings - rounds * size) // arms))
    passes, gained = gains(list(choices.values()), trial, trials, pool, quiet=quiet)
    fewest = dict(zip(choices, (fewest_passes(passes, row) for row in gained), strict=True))
    fewest["own"] = max(fewest["own"], policy.network.fewest_passes)
    means = {
        name: float((row * (passes >= fewest[name])).mean())
        for name, row in zip(choices, gained, strict=True)
    }
    chosen = max(means, key=lambda name: means[name])
    if means[chosen] < 0:  # of trials too few to tell runs apart
        means[chosen], fewest[chosen] = 0.0, NEVER
    done = {
        "episodes": rounds * size + arms * len(trials),
        "worth": dict(zip(policy.ops, screening.worth(fitted), strict=True)),
        "gains": means,
        "kept": chosen,
        "safeguard": evidence(passes, gained[list(choices).index(chosen)], fewest[chosen]),
        "seed": trial.seed,
    }
    return guarded(choices[chosen], fewest[chosen]), done


def shifted(policy: Policy, network: PolicyNetwork, shift: float) -> Policy:
    """The policy with a copy of another network whose biases are so much larger."""
    network = copy.deepcopy(network)
    with torch.no_grad():
        network.op_bias.add_(shift)
    return replace(policy, network=network)
