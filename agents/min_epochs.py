"""The shortest useful run: from how many epochs on a policy gains over no augmentation.

Any augmentation hurts runs that are too short to fit their data. PPO may overlook that, because
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

LEVEL = 0.05
"""Level of the test of "the policy gains at no length", a probability.

A policy that gains nothing may augment runs after at most 10% of searches. The test is exact if
gains are symmetric around 0, as they are if the policy changes nothing. A long lower tail raises
its level: gains of skewness -2 are taken for a gain in 14, 10 and 9% of cases with 8, 30 and 90
pairs. Hence half of 10%.
"""

FLIPS = 2000
"""Number of random signs of the gains in the test."""

MIN_PAIRS = 5
"""Smallest number of pairs that the test can decide from, because 2**-4 exceeds `LEVEL`; with
fewer, the policy augments every run."""

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
        policies: the policies.
        objective: draws tasks and seeds and scores the children.
        trials: numbers of the trials; see `Objective.draw`.
        pool: trains the children.
        quiet: shows no progress bar.

    Returns:
        The epochs of each trial's run, (n,), and the gain of each policy over no augmentation in
        units of the objective, (policies, n).
    """
    arms = [Arm("none", (), Constant(()))]
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

    The gain is assumed to rise with the epochs or to stay. The least-squares fit of such a gain
    (isotonic regression) is positive in those longest runs whose gains have the largest total, and
    these runs are included. Runs of equal epochs are included together or not at all.

    None is included if the largest total may be chance. One sign-flip test decides that for all
    lengths at once: it compares the largest total with those under random signs of the gains. As
    the runs to include are chosen anew under all signs, the choice cannot make chance look like a
    gain.

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
    epochs, gains = epochs[order], gains[order]  # the longest run first
    last_of_equals = np.append(epochs[1:] != epochs[:-1], True)
    signs = 2 * np.random.default_rng(0).integers(2, size=(FLIPS, len(gains)), dtype=np.int8) - 1
    signs[0] = 1  # the gains as they are
    totals = (signs * gains).cumsum(1)[:, last_of_equals]
    largest = totals.max(1)
    if (largest >= largest[0]).mean() > LEVEL:
        return NEVER
    shortest = totals[0].argmax()
    around = epochs[last_of_equals][shortest : shortest + 2]
    return math.sqrt(around[0] * around[-1])


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
