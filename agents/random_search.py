"""Random search for the best constant magnitudes, a baseline of learned policies."""

from collections.abc import Sequence

import numpy as np

from adaptaug.controllers import Constant
from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.train_child import Arm, Pool
from adaptaug.ops import Op
from agents.objective import Objective

MIN_TRAININGS = 12
"""Smallest number of child trainings for a search of a constant or an adaptation."""


def best_constant(
    ops: Sequence[str | Op],
    objective: Objective,
    trainings: int,
    pool: Pool,
    *,
    quiet: bool = False,
) -> tuple[list[float], int]:
    """Random search for the best constant magnitudes, by successive halving.

    A quarter of the trainings goes to as many random constants, one each, all on one task and seed.
    The better third then gets three more trainings each, and so on, so that rounds cost about the
    same. All candidates of a round share tasks and seeds. The last two or three share the trainings
    that are left.

    Args:
        ops: the ops, by name or themselves.
        objective: draws tasks and seeds and scores the children.
        trainings: number of child trainings, at least `MIN_TRAININGS`.
        pool: trains the children.
        quiet: shows no progress bar.

    Returns:
        The magnitudes, one per op in [0, 1], and the child trainings spent: all but one or two.

    Raises:
        AdaptAugError: the trainings are too few.
    """
    random = np.random.default_rng((objective.seed, 1))
    if trainings < MIN_TRAININGS:
        raise AdaptAugError(
            "a search for the best constant needs at least "
            f"{MIN_TRAININGS} child trainings, got {trainings}"
        )
    count = trainings // 4
    # Each candidate is a random overall strength times random magnitudes, with some ops off.
    candidates = random.uniform(0.1, 1, (count, 1)) * random.uniform(size=(count, len(ops)))
    candidates *= random.uniform(size=candidates.shape) < random.uniform(0.3, 1, (count, 1))
    totals, each, spent, first = np.zeros(count), 1, 0, 0
    remaining = np.arange(count)
    while True:
        trials = range(first, first + each)
        jobs = [
            job
            for index in remaining
            for job in objective.jobs(
                Arm("constant", tuple(ops), Constant(candidates[index])), trials
            )
        ]
        scores = [
            objective.score(record) for record in pool.run(jobs, "best constant", quiet=quiet)
        ]
        totals[remaining] += np.reshape(scores, (len(remaining), each)).sum(1)
        spent, first = spent + len(jobs), first + each
        remaining = remaining[np.argsort(-totals[remaining])]
        if len(remaining) > 3:
            remaining = remaining[: max(2, len(remaining) // 3)]
        share = (trainings - spent) // len(remaining)
        if share == 0:
            return candidates[remaining[0]].tolist(), spent
        each = share if len(remaining) <= 3 else min(3 * each, share)
