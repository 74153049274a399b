"""Statistics of an evaluation: bootstrap intervals, paired differences, the summary of every arm.

An evaluation record is one child training under one arm, a plain dict. The keys read here are
`arm`, `seed`, `accuracy` and `f1` (both in [0, 1]) and `seconds` (training time, augmentation and
controller included). All records given to one call belong to one task: two arms with the same seed
start from the same split, weights and batch order, so their difference is paired by seed.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import wilcoxon

from adaptaug.errors import AdaptAugError

Record = Mapping[str, Any]


def bootstrap_interval(
    values: Sequence[float], *, resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """95% percentile bootstrap interval of the mean (Efron and Tibshirani 1993, chapter 13).

    Below about ten values it is too narrow: of five it covers the mean in some 80% of cases.

    Args:
        values: (n,) finite numbers, n >= 1; one value is its own interval.
        resamples: number of resampled means.
        seed: seed of the resampling.

    Returns:
        Lower and upper end, in the unit of the values.

    Raises:
        AdaptAugError: no values, or one is NaN or infinite.
    """
    sample = np.asarray(values, dtype=np.float64)  # (n,)
    if sample.size == 0:
        raise AdaptAugError("an interval needs at least one value, got none")
    if not np.isfinite(sample).all():
        place = int(np.argmin(np.isfinite(sample)))
        raise AdaptAugError(f"values must be finite, got {sample[place]} at position {place}")
    rows = np.random.default_rng(seed).integers(sample.size, size=(resamples, sample.size))
    low, high = np.percentile(sample[rows].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def paired_difference(
    records: Sequence[Record], arm: str, reference: str, score: str = "accuracy"
) -> dict[str, Any]:
    """A score of `arm` minus that of `reference`, paired by the seeds that both have.

    Args:
        records: evaluation records of one task.
        arm: name of the arm that is judged.
        reference: name of the arm that it is compared with.
        score: "accuracy" or "f1".

    Returns:
        `mean` and `ci95` (a list of two) in [-1, 1], `n` pairs, and `p`, two-sided, of Wilcoxon's
        signed-rank test (1.0 where every difference is zero).

    Raises:
        AdaptAugError: the arms share no seed, or one has two records of a seed.
    """
    ours, theirs = _by_seed(records, arm), _by_seed(records, reference)
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        raise AdaptAugError(f"arms {arm!r} and {reference!r} have no seed in common to pair by")
    differences = np.array([ours[s][score] - theirs[s][score] for s in seeds])
    # Equal steps of accuracy must rank as ties, not by the last bit of a subtraction.
    differences = differences.round(12)
    p = float(wilcoxon(differences).pvalue) if differences.any() else 1.0
    return {**_mean_and_interval(differences), "p": p}


def verdict(difference: Mapping[str, Any]) -> str:
    """What a paired difference's 95% interval says: "better", "tie" or "worse".

    A single pair has an interval without width and says nothing: "tie".

    Args:
        difference: as `paired_difference` returns it.
    """
    low, high = difference["ci95"]
    if difference["n"] < 2 or low <= 0 <= high:
        return "tie"
    return "better" if low > 0 else "worse"


def summarise(records: Sequence[Record], learned: str = "learned") -> dict[str, Any]:
    """Summary of every arm of one task, and the learned arm's difference to each other arm.

    Args:
        records: evaluation records of one task.
        learned: name of the arm that `learned_minus` is about.

    Returns:
        `arms`: for each arm, in order of appearance, `accuracy` and `f1` (`mean`, `ci95`, `n`) and,
        where it shares a seed with the arm "none", `relative_cost` (its seconds over those of
        "none", mean over seeds), `minus_none` and `f1_minus_none` (its paired differences to
        "none"). `learned_minus` and `f1_learned_minus`: for each other arm that shares a seed with
        `learned`, the learned arm's paired difference to it; empty without a learned arm.

    Raises:
        AdaptAugError: no records, an arm has two records of a seed, or a score is not finite.
    """
    if not records:
        raise AdaptAugError("a summary needs at least one record, got none")
    runs = {arm: _by_seed(records, arm) for arm in dict.fromkeys(r["arm"] for r in records)}
    plain = runs.get("none", {})
    arms: dict[str, dict[str, Any]] = {}
    for arm, by_seed in runs.items():
        arms[arm] = {
            score: _mean_and_interval([float(r[score]) for r in by_seed.values()])
            for score in ("accuracy", "f1")
        }
        shared = by_seed.keys() & plain.keys()
        if shared:
            ratios = [by_seed[s]["seconds"] / plain[s]["seconds"] for s in sorted(shared)]
            arms[arm]["relative_cost"] = float(np.mean(ratios))
            arms[arm]["minus_none"] = paired_difference(records, arm, "none")
            arms[arm]["f1_minus_none"] = paired_difference(records, arm, "none", "f1")
    rivals = [a for a in runs if a != learned and runs[a].keys() & runs.get(learned, {}).keys()]
    return {
        "arms": arms,
        "learned_minus": {arm: paired_difference(records, learned, arm) for arm in rivals},
        "f1_learned_minus": {arm: paired_difference(records, learned, arm, "f1") for arm in rivals},
    }


def _by_seed(records: Sequence[Record], arm: str) -> dict[int, Record]:
    """The records of one arm by seed; two of one seed mean that tasks were mixed."""
    found: dict[int, Record] = {}
    for record in records:
        if record["arm"] != arm:
            continue
        if record["seed"] in found:
            raise AdaptAugError(
                f"records must be of one task, got two of arm {arm!r} with seed {record['seed']}"
            )
        found[record["seed"]] = record
    return found


def _mean_and_interval(values: Iterable[float]) -> dict[str, Any]:
    """Mean, 95% bootstrap interval and number of values, as plain JSON-able data."""
    sample = [float(value) for value in values]
    return {
        "mean": float(np.mean(sample)),
        "ci95": list(bootstrap_interval(sample)),
        "n": len(sample),
    }
