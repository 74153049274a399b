"""Safeguard: what a policy gains over none, by the budget, and where it should leave a run alone.

Runs that are too short to fit their data lose by every augmentation, and a search that is paid for
the mean over its budgets may overlook that. Children trained in pairs, with and without the policy,
say from how many passes on it is of use; in shorter runs it then does nothing and costs nothing
(compare high-confidence policy improvement, Thomas et al. 2015).
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from adaptaug.controllers import Constant, Learned
from adaptaug.evaluation.train_child import Arm, Pool
from adaptaug.policy.policy import Policy
from agents.objective import Trial

CAUTION = 1.0
"""Budgets are opened whose total gain is above so many standard errors."""

FEWEST_PAIRS = 4
"""From fewer pairs nothing can be told, and no run is left alone."""

NEVER = 1e9
"""Passes that no run has."""


def scope(fewest: float) -> str:
    """Which runs a policy augments, in words."""
    if fewest == NEVER:
        return "no run, as it is of use in none"
    return f"runs of {fewest:.3g} passes over their data or more" if fewest else "every run"


def gains(
    policies: Sequence[Policy],
    trial: Trial,
    trials: Sequence[int],
    pool: Pool,
    *,
    quiet: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Trains children on equal tasks and seeds under each policy and under none.

    Returns:
        Passes of the trials, (n,), and what each policy gains over none in the trial's score,
        (policies, n).
    """
    ops = policies[0].ops
    arms = [Arm("none", ops, Constant([0.0] * len(ops)))]
    arms += [Arm("policy", policy.ops, Learned(policy.network)) for policy in policies]
    jobs = [job for arm in arms for job in trial.jobs(arm, trials)]
    records = pool.run(jobs, "safeguard", quiet=quiet)
    scores = np.reshape([trial.score(record) for record in records], (len(arms), -1))
    passes = np.array([trial.draw(number)[0].passes for number in trials])
    return passes, scores[1:] - scores[0]


def fewest_passes(passes: np.ndarray, gained: np.ndarray) -> float:
    """From how many passes on a policy is of use.

    From the longest run down, budgets are opened as long as the next ones gain together more than
    `CAUTION` standard errors; runs of equal passes together.

    Args:
        passes: of each pair, (n,).
        gained: by the policy over none, (n,), in any unit.

    Returns:
        Passes between those of the shortest run that is open and of the longest that is not; where
        all are open, of the shortest, as nothing is known of shorter ones; where none is, `NEVER`.
    """
    if len(passes) < FEWEST_PAIRS:
        return 0.0
    order = np.argsort(-passes, kind="stable")
    down, ours, opened = passes[order], gained[order], 0
    ends = np.append(down[1:] != down[:-1], True)
    while opened < len(ours):
        rest = ours[opened:]
        bounds = rest.cumsum() - CAUTION * np.sqrt((rest**2).cumsum())
        bounds[~ends[opened:]] = -np.inf
        if bounds.max() <= 0:
            break
        opened += int(bounds.argmax()) + 1
    if opened == 0:
        return NEVER
    if opened == len(ours):
        return float(down[-1])
    return math.sqrt(down[opened - 1] * down[opened])


def evidence(passes: np.ndarray, gained: np.ndarray, fewest: float) -> dict[str, Any]:
    """What was found, and from what, as plain data for files and figures."""
    return {"fewest_passes": fewest, "passes": passes.tolist(), "gains": gained.tolist()}


def guarded(policy: Policy, fewest: float) -> Policy:
    """The policy, doing nothing in runs of fewer passes."""
    network = copy.deepcopy(policy.network)
    network.fewest_passes = fewest
    kwargs = {**policy.network_kwargs, "fewest_passes": fewest}
    return replace(policy, network=network, network_kwargs=kwargs)
