"""Statistics of an evaluation: bootstrap intervals, paired differences, the summary of every arm.

An evaluation record is one child training under one arm, a plain dict. The keys read here are
`arm`, `seed`, `accuracy` and `f1` (both in [0, 1]), `seconds` (training time, including
augmentation and controller) and, if present, `precision`, `recall`, `loss`, `controller_seconds`
and `robustness` (scores in [0, 1] by name). All records given to one call belong to one task: two
arms with the same seed start from the same split, weights and batch order, so their difference is
paired by seed.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from adaptaug.errors import AdaptAugError
from adaptaug.utils.optional import needs

Record = Mapping[str, Any]


def bootstrap_interval(
    values: Sequence[float], *, resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """95% percentile bootstrap interval of the mean (Efron and Tibshirani 1993, chapter 13).

    With fewer than about ten values it is too narrow: with five it covers the mean in about 80% of
    cases.

    Args:
        values: (n,) finite numbers, n >= 1; the interval of one value has no width.
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
    records: Sequence[Record], arm: str, reference: str, key: str = "accuracy"
) -> dict[str, Any]:
    """A score of `arm` minus that of `reference`, paired by the seeds that both have.

    Args:
        records: evaluation records of one task.
        arm: name of the arm.
        reference: name of the arm whose score is subtracted.
        key: the score: "accuracy", "f1" or any other key of the records that holds a number.

    Returns:
        `mean` and `ci95` (a list of two) of the differences, `n` pairs, and `p`, the two-sided p
        value of Wilcoxon's signed-rank test (1.0 if every difference is zero).

    Raises:
        AdaptAugError: the arms share no seed, or one has two records of a seed.
    """
    ours, theirs = _by_seed(records, arm), _by_seed(records, reference)
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        raise AdaptAugError(f"arms {arm!r} and {reference!r} have no seed in common to pair by")
    with needs("search", "a paired test"):
        from scipy.stats import wilcoxon
    differences = np.array([ours[s][key] - theirs[s][key] for s in seeds])
    # Equal differences must rank as ties, although subtraction may change their last bit.
    differences = differences.round(12)
    p = float(wilcoxon(differences).pvalue) if differences.any() else 1.0
    return {**_mean_and_interval(differences), "p": p}


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Corrects p values for the number of tests (Holm 1979, section 2).

    The smallest of m p values is multiplied by m, the next by m - 1, and so on. Each is cut at 1
    and raised to the corrected value of the one before it. Rejecting all tests whose corrected p is
    below a bounds the probability of any false rejection by a.

    Args:
        p_values: p of each test by name, in [0, 1].

    Returns:
        Corrected p of each test, in the same order.

    Raises:
        AdaptAugError: a p value outside [0, 1] or not a number.
    """
    for name, p in p_values.items():
        if not 0 <= p <= 1:
            raise AdaptAugError(f"p values must lie in [0, 1], got {p} for {name!r}")
    corrected: dict[str, float] = {}
    highest = 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[name]))
        corrected[name] = highest
    return {name: corrected[name] for name in p_values}


def verdict(difference: Mapping[str, Any]) -> str:
    """What a paired difference's 95% interval says: "better", "tie" or "worse".

    The interval of a single pair has no width and decides nothing: "tie".

    Args:
        difference: as `paired_difference` returns it.
    """
    low, high = difference["ci95"]
    if difference["n"] < 2 or low <= 0 <= high:
        return "tie"
    return "better" if low > 0 else "worse"


def summarise(
    records: Sequence[Record], metric: str = "accuracy", learned: str = "learned"
) -> dict[str, Any]:
    """Summary of every arm of one task, and the learned arm's difference to each other arm.

    Args:
        records: evaluation records of one task.
        metric: the task's metric, "accuracy" or "f1", which the summary calls `score`.
        learned: name of the arm that `learned_minus` is about.

    Returns:
        `metric`: as given.
        `arms`: for each arm, in order of appearance, `score`, `accuracy`, `f1` and, if all its
        records have them, `precision`, `recall`, `loss`, `seconds` and `controller_seconds` (each
        with `mean`, `ci95`, `n`), `diverged` (the number of its runs that diverged) and
        `robustness` (like `accuracy`, by name). If the arm shares a seed with the arm "none", also
        `relative_cost` (its seconds divided by those of "none", mean over seeds), `minus_none` and
        `score_minus_none` (its paired differences to "none" in accuracy and in score) and
        `robustness_minus_none` (for each name without "/").
        `learned_minus` and `learned_minus_score`: for each other arm that shares a seed with
        `learned`, the learned arm's paired difference to it in accuracy and in score; empty without
        a learned arm.
        Every difference also has `p_holm`: its p, corrected for the number of arms that are
        compared in the same score.

    Raises:
        AdaptAugError: no records, an arm has two records of a seed, or a score is not finite.
    """
    if not records:
        raise AdaptAugError("a summary needs at least one record, got none")
    records = [_flat(record) | {"score": record[metric]} for record in records]
    runs = {arm: _by_seed(records, arm) for arm in dict.fromkeys(r["arm"] for r in records)}
    arms = {arm: _means(list(by_seed.values())) for arm, by_seed in runs.items()}
    plain = runs.get("none", {})
    compared = [arm for arm, by_seed in runs.items() if by_seed.keys() & plain.keys()]
    for arm in compared:
        shared = sorted(runs[arm].keys() & plain.keys())
        ratios = [runs[arm][s]["seconds"] / plain[s]["seconds"] for s in shared]
        arms[arm]["relative_cost"] = float(np.mean(ratios))
    pairs = {arm: (arm, "none") for arm in compared}
    for key, score in (("minus_none", "accuracy"), ("score_minus_none", "score")):
        for arm, difference in _differences(records, pairs, score).items():
            arms[arm][key] = difference
    for name in arms.get("none", {}).get("robustness", {}):
        if "/" not in name:
            having = {
                arm: pair for arm, pair in pairs.items() if name in arms[arm].get("robustness", {})
            }
            for arm, difference in _differences(records, having, _robust(name)).items():
                arms[arm].setdefault("robustness_minus_none", {})[name] = difference
    others = [a for a in runs if a != learned and runs[a].keys() & runs.get(learned, {}).keys()]
    pairs = {arm: (learned, arm) for arm in others}
    return {
        "metric": metric,
        "arms": arms,
        "learned_minus": _differences(records, pairs, "accuracy"),
        "learned_minus_score": _differences(records, pairs, "score"),
    }


_OPTIONAL = ("precision", "recall", "loss", "seconds", "controller_seconds")
"""Keys that records may lack."""


def _robust(name: str) -> str:
    """The key of this robustness score in a flat record."""
    return f"robustness/{name}"


def _flat(record: Record) -> dict[str, Any]:
    """The record with its robustness scores at the top level."""
    return {**record, **{_robust(n): v for n, v in (record.get("robustness") or {}).items()}}


def _means(records: Sequence[Record]) -> dict[str, Any]:
    """Means with intervals of one arm, for the keys that all its records have."""

    def mean(key: str) -> dict[str, Any]:
        return _mean_and_interval([record[key] for record in records])

    everywhere = [key for key in records[0] if all(key in record for record in records)]
    found: dict[str, Any] = {key: mean(key) for key in ("score", "accuracy", "f1")}
    found |= {key: mean(key) for key in _OPTIONAL if key in everywhere}
    if "diverged" in everywhere:
        found["diverged"] = sum(bool(record["diverged"]) for record in records)
    names = [key.removeprefix(_robust("")) for key in everywhere if key.startswith(_robust(""))]
    return found | ({"robustness": {name: mean(_robust(name)) for name in names}} if names else {})


def _differences(
    records: Sequence[Record], pairs: Mapping[str, tuple[str, str]], key: str
) -> dict[str, dict[str, Any]]:
    """The paired difference of each pair of arms; an arm minus itself is not counted as a test."""
    found = {name: paired_difference(records, *pair, key) for name, pair in pairs.items()}
    tests = {name: found[name]["p"] for name, (arm, other) in pairs.items() if arm != other}
    corrected = holm(tests)
    return {name: row | {"p_holm": corrected.get(name, 1.0)} for name, row in found.items()}


def _by_seed(records: Sequence[Record], arm: str) -> dict[int, Record]:
    """The records of one arm by seed; two records of one seed mean that tasks were mixed."""
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
