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
from agents.min_epochs import MIN_PAIRS, NEVER, evidence, gains_over_none, shortest_useful_run
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

    1. 60% of the trainings screen the ops as the warm start of a search does, and initialise biases
       and gates anew (see `agents.warm_start.screening`).
    2. 20% compare four candidates on equal tasks and seeds: the fitted policy, it with weaker and
       with stronger ops, and the policy as it was. The one with the largest mean gain over no
       augmentation is kept.
    3. 20% are pairs with and without that candidate, on other tasks and seeds. From them come its
       gain and its shortest useful run (see `agents.min_epochs`).

    Few trainings leave too few pairs for step 3. It then takes what it needs from step 2, without
    which the fitted policy is kept, and then from step 1. With fewer than `MIN_PAIRS` pairs even
    so, the policy augments every run if the mean gain is above 0, and none otherwise.

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
        augmentation in step 2, the name of the candidate that is `kept` ("own" for the policy as
        it was), its mean `gain` over no augmentation in step 3, its `evidence` of step 3 (see
        `agents.min_epochs.evidence`), and the `seed`.

    Raises:
        AdaptAugError: the trainings are too few.
    """
    if trainings < MIN_TRAININGS:
        raise AdaptAugError(
            f"adaptation needs at least {MIN_TRAININGS} child trainings, got {trainings}"
        )
    needed = 2 * MIN_PAIRS
    rounds = max(1, min(trainings * 3 // 5, trainings - needed) // GROUP_SIZE)
    screening = Screening(len(policy.ops), magnitude, objective.seed)
    screened = screen(screening, policy.ops, objective, rounds, pool, group_size=GROUP_SIZE)
    for _ in ProgressBar(screened, "adaptation", rounds, unit="round", disable=quiet):
        pass
    fitted = copy.deepcopy(policy.network)
    screening.initialise(fitted)
    candidates = {name: shifted(policy, fitted, shift) for name, shift in SHIFTS.items()}
    candidates["own"] = policy
    left, arms = trainings - rounds * GROUP_SIZE, len(candidates) + 1  # with no augmentation
    trials = range(rounds, rounds + max(0, min(left // 2, left - needed)) // arms)
    means = mean_gains(candidates, objective, trials, pool, quiet=quiet)
    kept = max(means, key=lambda name: means[name], default="fitted")
    pairs = range(trials.stop, trials.stop + (left - arms * len(trials)) // 2)
    epochs, (gains,) = gains_over_none([candidates[kept]], objective, pairs, pool, quiet=quiet)
    min_epochs = max(candidates[kept].min_epochs, shortest_useful_run(epochs, gains))
    if len(pairs) < MIN_PAIRS and gains.mean() <= 0:
        min_epochs = NEVER
    report = {
        "episodes": rounds * GROUP_SIZE + arms * len(trials) + 2 * len(pairs),
        "op_effects": dict(zip(policy.ops, screening.op_effects(fitted), strict=True)),
        "gains": means,
        "kept": kept,
        "gain": float(gains.mean()),
        "evidence": evidence(epochs, gains, min_epochs),
        "seed": objective.seed,
    }
    return replace(candidates[kept], min_epochs=min_epochs), report


def mean_gains(
    candidates: dict[str, Policy],
    objective: Objective,
    trials: range,
    pool: Pool,
    *,
    quiet: bool = False,
) -> dict[str, float]:
    """The mean gain of each candidate over no augmentation; empty without trials."""
    if not trials:
        return {}
    _, gains = gains_over_none(list(candidates.values()), objective, trials, pool, quiet=quiet)
    return dict(zip(candidates, gains.mean(1).tolist(), strict=True))


def shifted(policy: Policy, network: PolicyNetwork, shift: float) -> Policy:
    """The policy with a copy of `network`, its biases increased by `shift`, for every run."""
    network = copy.deepcopy(network)
    with torch.no_grad():
        network.op_bias.add_(shift)
    return replace(policy, network=network, min_epochs=0.0)
