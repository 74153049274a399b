"""Adaptation: fits which ops act, at which budgets and how strongly, to new data."""

import copy
from dataclasses import replace
from typing import Any

import torch

from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.train_child import Pool
from adaptaug.policy.network import PolicyNetwork
from adaptaug.policy.policy import Policy
from adaptaug.utils.progress import ProgressBar
from agents.min_epochs import NEVER, evidence, gains_over_none, shortest_useful_run
from agents.objective import Objective
from agents.random_search import MIN_TRAININGS
from agents.warm_start.screening import Screening, screen

SHIFTS = {"fitted": 0.0, "weaker": -0.3, "stronger": 0.3}
"""Names of the candidates, and what each adds to the biases that the screening finds."""

GROUP_SIZE = 6
"""Children of the screening that share task and seed."""


def adapt(
    policy: Policy,
    objective: Objective,
    trainings: int,
    magnitude: float,
    pool: Pool,
    *,
    quiet: bool = False,
) -> tuple[Policy, dict[str, Any]]:
    """Fits the biases and gates of a policy to new data; its shared network stays as it is.

    60% of the trainings screen the ops as the warm start of a search does, and initialise biases
    and gates anew (see `agents.warm_start.screening`). The rest compares four candidates on equal
    tasks and seeds: the fitted policy, it with weaker and with stronger ops, and the policy as it
    was. Each candidate leaves runs alone that are too short for it (see `agents.min_epochs`). The
    candidate with the largest mean gain over no augmentation is kept.

    Args:
        policy: the policy to adapt; it is not changed.
        objective: draws tasks and seeds and scores the children.
        trainings: number of child trainings, at least `MIN_TRAININGS`.
        magnitude: magnitude around which the ops are tried, in (0, 1].
        pool: trains the children.
        quiet: shows no progress bar.

    Returns:
        The adapted policy, and a report as plain data: `episodes` (child trainings spent),
        `op_effects` by op (see `Screening.op_effects`), the mean `gains` of the candidates over no
        augmentation, the name of the candidate that is `kept` ("own" for the policy as it was), its
        `evidence` (see `agents.min_epochs.evidence`), and the `seed`.

    Raises:
        AdaptAugError: the trainings are too few.
    """
    if trainings < MIN_TRAININGS:
        raise AdaptAugError(
            f"adaptation needs at least {MIN_TRAININGS} child trainings, got {trainings}"
        )
    rounds = max(1, trainings * 3 // 5 // GROUP_SIZE)
    screening = Screening(len(policy.ops), magnitude, objective.seed)
    screened = screen(screening, policy.ops, objective, rounds, pool, group_size=GROUP_SIZE)
    for _ in ProgressBar(screened, "adaptation", rounds, unit="round", disable=quiet):
        pass
    fitted = copy.deepcopy(policy.network)
    screening.initialise(fitted)
    candidates = {name: shifted(policy, fitted, shift) for name, shift in SHIFTS.items()}
    candidates["own"] = policy
    arms = len(candidates) + 1  # with that of no augmentation
    trials = range(rounds, rounds + max(1, (trainings - rounds * GROUP_SIZE) // arms))
    epochs, rows = gains_over_none(list(candidates.values()), objective, trials, pool, quiet=quiet)
    gains = dict(zip(candidates, rows, strict=True))
    min_epochs = {name: shortest_useful_run(epochs, row) for name, row in gains.items()}
    min_epochs["own"] = max(min_epochs["own"], policy.min_epochs)
    means = {
        name: float((row * (epochs >= min_epochs[name])).mean()) for name, row in gains.items()
    }
    kept = max(means, key=lambda name: means[name])
    if means[kept] < 0:  # fewer trials than MIN_PAIRS: no candidate leaves runs alone
        means[kept], min_epochs[kept] = 0.0, NEVER
    report = {
        "episodes": rounds * GROUP_SIZE + arms * len(trials),
        "op_effects": dict(zip(policy.ops, screening.op_effects(fitted), strict=True)),
        "gains": means,
        "kept": kept,
        "evidence": evidence(epochs, gains[kept], min_epochs[kept]),
        "seed": objective.seed,
    }
    return replace(candidates[kept], min_epochs=min_epochs[kept]), report


def shifted(policy: Policy, network: PolicyNetwork, shift: float) -> Policy:
    """The policy with a copy of `network`, its biases increased by `shift`, for every run."""
    network = copy.deepcopy(network)
    with torch.no_grad():
        network.op_bias.add_(shift)
    return replace(policy, network=network, min_epochs=0.0)
