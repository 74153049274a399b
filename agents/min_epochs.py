"""The shortest useful run: from how many epochs on a policy gains over no augmentation.

Runs that are too short to fit their data lose by any augmentation. PPO may overlook that, because
it maximises the mean over all run lengths. So children are trained in pairs, with and without the
policy. The policy then leaves shorter runs alone: all ops are off there and cost nothing.
Compare high-confidence policy improvement (Thomas et al. 2015).
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adaptaug.controllers import Constant, Learned
from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.train_child import Arm, Pool
from adaptaug.policy.policy import Policy
from agents.objective import Objective

CAUTION = 1.0
"""Number of standard errors that a total gain must exceed."""

MIN_PAIRS = 4
"""Smallest number of pairs to decide from; with fewer, the policy augments every run."""

NEVER = 1e9
"""Value of `min_epochs` for a policy that augments no run: more epochs than any run has."""


def scope(min_epochs: float) -> str:
    """The runs that a policy augments, in words."""
    if min_epochs == NEVER:
        return "no run, because it gains in none"
    return f"runs of at least {min_epochs:.3g} epochs" if min_epochs else "every run"


def gains_over_none(
    policies: Sequence[Policy],
    objective: Objective,
    trials: Sequence[int],
    pool: Pool,
    *,
    quiet: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Trains children under each policy and without augmentation, on equal tasks and seeds.

    Args:
        policies: the policies, all with the same ops.
        objective: draws tasks and seeds and scores the children.
        trials: numbers of the trials; see `Objective.draw`.
        pool: trains the children.
        quiet: shows no progress bar.

    Returns:
        The epochs of each trial's run, (n,), and the gain of each policy over no augmentation in
        units of the objective, (policies, n).
    """
    ops = policies[0].ops
    arms = [Arm("none", ops, Constant([0.0] * len(ops)))]
    arms += [
        Arm("policy", policy.ops, Learned(policy.network, policy.min_epochs)) for policy in policies
    ]
    jobs = [job for arm in arms for job in objective.jobs(arm, trials)]
    records = pool.run(jobs, "shortest useful run", quiet=quiet)
    scores = np.reshape([objective.score(record) for record in records], (len(arms), -1))
    epochs = np.array([objective.draw(number)[0].epochs for number in trials])
    return epochs, scores[1:] - scores[0]


def shortest_useful_run(epochs: np.ndarray, gains: np.ndarray) -> float:
    """Finds from how many epochs on a policy gains over no augmentation.

    Walks from the longest run to the shortest and keeps extending while the next block's total gain
    exceeds `CAUTION` standard errors. Runs of equal epochs are included together or not at all.

    Args:
        epochs: epochs of the run of each pair, (n,).
        gains: gain of the policy in each pair, (n,), in any unit.

    Returns:
        The geometric mean of the epochs of the shortest run that is included and the longest that
        is not. If all are included, the epochs of the shortest, as nothing is known below it; if
        none is, `NEVER`; with fewer than `MIN_PAIRS` pairs, 0.
    """
    if len(epochs) < MIN_PAIRS:
        return 0.0
    order = np.argsort(-epochs, kind="stable")
    epochs, gains, included = epochs[order], gains[order], 0  # the longest run first
    last_of_equals = np.append(epochs[1:] != epochs[:-1], True)
    while included < len(gains):
        rest = gains[included:]
        bounds = rest.cumsum() - CAUTION * np.sqrt((rest**2).cumsum())
        bounds[~last_of_equals[included:]] = -np.inf
        if bounds.max() <= 0:
            break
        included += int(bounds.argmax()) + 1
    if included == 0:
        return NEVER
    if included == len(gains):
        return float(epochs[-1])
    return math.sqrt(epochs[included - 1] * epochs[included])


def evidence(epochs: np.ndarray, gains: np.ndarray, min_epochs: float) -> dict[str, Any]:
    """The shortest useful run and the pairs that it was found from, as plain data."""
    return {"min_epochs": min_epochs, "epochs": epochs.tolist(), "gains": gains.tolist()}


def read_evidence(path: Path) -> dict[str, Any] | None:
    """Reads what a search wrote of `evidence`; None if there is no file.

    Raises:
        AdaptAugError: the file is damaged.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        epochs, gains = (np.array(rows[key], dtype=float) for key in ("epochs", "gains"))
        return evidence(epochs, gains, shortest_useful_run(epochs, gains))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise AdaptAugError(f"{path} must be what the search wrote, got {error}") from None
