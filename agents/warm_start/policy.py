"""The policy after the warm start of a search and before PPO, a baseline of the learned policy."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from adaptaug.policy.policy import Policy
from agents.checkpoint import CHECKPOINT
from agents.warm_start.screening import Screening

WARM_START_POLICY = CHECKPOINT.parent / "warm_start"
"""Path in a run folder of this policy."""


def warm_start_policy(
    untrained: Policy, trainings: Sequence[Mapping[str, Any]], magnitude: float, seed: int
) -> Policy:
    """Initialises a copy of a search's untrained policy as its warm start did, bit for bit.

    Args:
        untrained: the policy before the warm start.
        trainings: the trainings of the warm start; see `Screening.history`.
        magnitude: the search's `warm_start_magnitude`, in (0, 1].
        seed: the search's seed.

    Returns:
        The policy that PPO started from; `episodes` in its provenance counts the trainings.
    """
    network = copy.deepcopy(untrained.network)
    screening = Screening(len(untrained.ops), magnitude, seed)
    screening.replay(trainings)
    screening.initialise(network, before_ppo=True)
    episodes = sum(len(group["scores"]) for group in trainings)
    provenance = {**untrained.provenance, "episodes": episodes, "phase": "warm start"}
    return replace(untrained, network=network, provenance=provenance)
