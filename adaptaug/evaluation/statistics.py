"""Statistics of an evaluation: t intervals, paired differences, the summary of every arm.

An evaluation record is one child training under one arm, a plain dict. The keys read here are
`arm`, `seed`, `accuracy` and `f1` (both in [0, 1]), `seconds` (training time, including
augmentation and controller) and, if present, `precision`, `recall`, `loss`, `controller_seconds`
and `robustness` (scores in [0, 1] by name). All records given to one call belong to one task: two
arms with the same seed start from the same split, weights and batch order, so their difference is
paired by seed. An arm may stand for several searches of one kind, whose policies are each evaluated
on the same seeds: its records then name their `search`, and its intervals are over searches and
seeds together.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptaug.errors import AdaptAugError
from adaptaug.utils.optional import needs

Record = Mapping[str, Any]

Numbers = Sequence[float] | NDArray[np.float64]

MIN_PAIRS = 6
"""With fewer pairs every difference counts as a tie.

Of the 2^5 ways to sign five differences two are as extreme as all positive. So without assuming a
normal distribution no test of five pairs could reach p = 0.05.
"""

SIGNIFICANT = 0.05
"""The highest corrected p at which two arms count as different."""


def t_interval(values: Numbers) -> tuple[float, float] | None:
    """95% interval of the mean, by Student's t distribution.

    Args:
        values: finite numbers, (n,) independent ones or (searches, seeds) that are crossed, of
            which there is at least one. See `_mean_error` for the degrees of freedom.

    Returns:
        Lower and upper end, in the unit of the values; None if there is one value. The ends may lie
        outside the range of the values: with two values the interval is 12.7 standard errors wide
        to either side.

    Raises:
        AdaptAugError: no values, or one is NaN or infinite.
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.size == 0:
        raise AdaptAugError("an interval needs at least one value, got none")
    if not np.isfinite(sample).all():
        place = int(np.argmin(np.isfinite(sample)))
        raise AdaptAugError(f"values must be finite, got {sample.flat[place]} at position {place}")
    if sample.size == 1:
        return None
    with needs("search", "an interval"):
        from scipy.special import stdtrit
    error, freedom = _mean_error(sample)
    half = stdtrit(freedom, 0.975) * error
    return float(sample.mean() - half), float(sample.mean() + half)


def paired_difference(
    records: Sequence[Record], arm: str, reference: str, key: str = "accuracy"
) -> dict[str, Any]:
    """A score of `arm` minus that of `reference`, paired by the seeds that both have.

    If `arm` stands for several searches, every search is paired by seed; with the same search of
    `reference`, if that stands for several too.

    The p value and the interval are of the same test, so that p < 0.05 and an interval without 0
    are one statement. Wilcoxon's signed-rank test is not used: its lowest p of 10 pairs is 0.002,
    so that after Holm's correction over 26 arms and budgets no difference could be significant.

    Args:
        records: evaluation records of one task.
        arm: name of the arm.
        reference: name of the arm whose score is subtracted.
        key: the score: "accuracy", "f1" or any other key of the records that holds a number.

    Returns:
        `mean` and `ci95` (a list of two, None with one pair) of the differences, `n` seeds, and
        `p`, the two-sided p value of the paired t test. It is 1.0 with one pair or if every
        difference is 0. It is 0.0, the limit for a vanishing spread, if all differences are equal
        and not 0.

    Raises:
        AdaptAugError: the arms share no seed, one has two records of a seed, or a score is not
            finite.
    """
    pairs = _pairs(_runs(records, arm), _runs(records, reference))
    if not any(pairs):
        raise AdaptAugError(f"arms {arm!r} and {reference!r} have no seed in common to pair by")
    differences = np.array([[ours[key] - theirs[key] for ours, theirs in row] for row in pairs])
    # Subtraction may change the last bit, which would give equal differences a spread.
    differences = differences.round(12)
    return {**_mean_and_interval(differences), "p": _t_test(differences)}


def holm(p_values: Sequence[float]) -> list[float]:
    """Corrects p values for the number of tests (Holm 1979, section 2).

    The smallest of m p values is multiplied by m, the next by m - 1, and so on. Each is cut at 1
    and raised to the corrected value of the one before it. Rejecting all tests whose corrected p is
    below a bounds the probability of any false rejection by a.

    Args:
        p_values: (m,) p of each test, in [0, 1].

    Returns:
        (m,) corrected p of each test, in the same order.

    Raises:
        AdaptAugError: a p value outside [0, 1] or not a number.
    """
    for place, p in enumerate(p_values):
        if not 0 <= p <= 1:
            raise AdaptAugError(f"p values must lie in [0, 1], got {p} at position {place}")
    corrected = [1.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(np.argsort(p_values, kind="stable")):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected


def correct(summaries: Sequence[Mapping[str, Any]]) -> None:
    """Sets `p_holm` of every difference: its p, corrected over all that one table compares.

    Corrected together are the differences to *none* over all arms and summaries, those of the
    learned arm likewise, each score on its own; and one summary's differences in robustness, over
    arms and kinds of disturbance. The arm "none" minus itself is no test and keeps its p of 1.

    Args:
        summaries: of the tasks that are shown together, as `summarise` returns them. They are
            changed in place.
    """
    families: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for number, summary in enumerate(summaries):
        for arm, scores in summary["arms"].items():
            if arm == "none":
                continue
            for key in {"minus_none", "score_minus_none"} & scores.keys():
                families[key].append(scores[key])
            families[f"robustness {number}"] += scores.get("robustness_minus_none", {}).values()
        for key in ("learned_minus", "learned_minus_score"):
            families[key] += summary[key].values()
    for family in families.values():
        corrected = holm([difference["p"] for difference in family])
        for difference, p in zip(family, corrected, strict=True):
            difference["p_holm"] = p


def verdict(difference: Mapping[str, Any]) -> str:
    """Whether a paired difference counts as "better", "tie" or "worse".

    It is a tie if its corrected p is above 0.05 or if there are fewer than `MIN_PAIRS` pairs.

    Args:
        difference: as `paired_difference` returns it, with `p_holm` from `correct`.
    """
    if difference["n"] < MIN_PAIRS or difference["p_holm"] > SIGNIFICANT:
        return "tie"
    return "better" if difference["mean"] > 0 else "worse"


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
        Every difference also has `p_holm`: its p, corrected over this task's arms. If several tasks
        are shown together, `correct` corrects over all of them.

    Raises:
        AdaptAugError: no records, an arm has two records of a seed, or a score is not finite.
    """
    if not records:
        raise AdaptAugError("a summary needs at least one record, got none")
    records = [_flat(record) | {"score": record[metric]} for record in records]
    runs = {arm: _runs(records, arm) for arm in dict.fromkeys(r["arm"] for r in records)}
    arms = {arm: _means(by_search) for arm, by_search in runs.items()}
    with_none = {arm: _pairs(by_search, runs.get("none", {})) for arm, by_search in runs.items()}
    compared = [arm for arm in runs if any(with_none[arm])]
    for arm in compared:
        ratios = [run["seconds"] / none["seconds"] for row in with_none[arm] for run, none in row]
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
    ours = runs.get(learned, {})
    others = [arm for arm in runs if arm != learned and any(_pairs(ours, runs[arm]))]
    pairs = {arm: (learned, arm) for arm in others}
    summary = {
        "metric": metric,
        "arms": arms,
        "learned_minus": _differences(records, pairs, "accuracy"),
        "learned_minus_score": _differences(records, pairs, "score"),
    }
    correct([summary])
    return summary


_OPTIONAL = ("precision", "recall", "loss", "seconds", "controller_seconds")
"""Keys that records may lack."""


def _robust(name: str) -> str:
    """The key of this robustness score in a flat record."""
    return f"robustness/{name}"


def _flat(record: Record) -> dict[str, Any]:
    """The record with its robustness scores at the top level."""
    return {**record, **{_robust(n): v for n, v in (record.get("robustness") or {}).items()}}


def _means(runs: "Runs") -> dict[str, Any]:
    """Means with intervals of one arm, for the keys that all its records have."""
    records = [record for by_seed in runs.values() for record in by_seed.values()]

    def mean(key: str) -> dict[str, Any]:
        rows = [[record[key] for record in by_seed.values()] for by_seed in runs.values()]
        return _mean_and_interval(np.array(rows))

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
    """The paired difference of each pair of arms, by name; `p_holm` is not corrected yet."""
    found = {name: paired_difference(records, *pair, key) for name, pair in pairs.items()}
    return {name: row | {"p_holm": row["p"]} for name, row in found.items()}


Runs = Mapping[str, Mapping[int, Record]]
"""The records of one arm by search and seed; the search of an arm without several is ""."""


def _runs(records: Sequence[Record], arm: str) -> Runs:
    """The records of one arm; every search has the same seeds, in the same order.

    Raises:
        AdaptAugError: two records have one search and seed, so that tasks were mixed, or a search
            lacks a seed that another has.
    """
    found: dict[str, dict[int, Record]] = defaultdict(dict)
    for record in records:
        if record["arm"] != arm:
            continue
        by_seed = found[record.get("search", "")]
        if record["seed"] in by_seed:
            raise AdaptAugError(
                f"records must be of one task, got two of arm {arm!r} with seed {record['seed']}"
            )
        by_seed[record["seed"]] = record
    seeds = sorted({seed for by_seed in found.values() for seed in by_seed})
    for search, by_seed in found.items():
        if len(by_seed) < len(seeds):
            raise AdaptAugError(
                f"all searches of arm {arm!r} must have the same seeds, search {search!r} has "
                f"{len(by_seed)} of {len(seeds)}"
            )
    return {search: {seed: found[search][seed] for seed in seeds} for search in sorted(found)}


def _pairs(ours: Runs, theirs: Runs) -> list[list[tuple[Record, Record]]]:
    """Records of two arms with equal seeds, for each search of the first arm.

    A search is paired with the same search of the second arm, or with all of an arm without any.
    Searches that the second arm lacks are left out.
    """
    only = theirs.get("", {})
    return [
        [(run, other[seed]) for seed, run in by_seed.items() if seed in other]
        for search, by_seed in ours.items()
        for other in [theirs.get(search, only)]
        if other
    ]


def _mean_and_interval(values: Numbers) -> dict[str, Any]:
    """Mean, 95% t interval (None with one value) and number of seeds, as plain JSON-able data."""
    sample = np.asarray(values, dtype=np.float64)
    ends = t_interval(sample)
    return {"mean": float(sample.mean()), "ci95": ends and list(ends), "n": sample.shape[-1]}


def _mean_error(sample: NDArray[np.float64]) -> tuple[float, float]:
    """Standard error of a mean and its degrees of freedom.

    Of n independent values: the standard deviation over sqrt(n), and n - 1. It is exactly 0 if the
    values are equal.

    Of values (searches, seeds) that share a random effect in each row and in each column: from the
    mean squares of rows, columns and their interaction, MS_s + MS_e - MS_i over the number of
    values is an unbiased estimate of the squared error. It is raised to the larger of MS_s and MS_e
    where it is smaller. The degrees of freedom are Satterthwaite's (1946), at least one less than
    the smaller number of rows and columns. See Brennan, "Generalizability Theory" (2001), 6.2.
    """
    if sample.ndim == 1 or 1 in sample.shape:
        # The mean of equal numbers may differ from them in the last bit.
        error = sample.std(ddof=1) / np.sqrt(sample.size) if np.ptp(sample) else 0.0
        return float(error), sample.size - 1
    n = np.array(sample.shape)
    effects = [sample.mean(1 - axis) - sample.mean() for axis in (0, 1)]
    squares = [(effect**2).sum() * sample.size / len(effect) for effect in effects]
    inside = ((sample - sample.mean() - effects[0][:, None] - effects[1]) ** 2).sum()
    freedom = np.array([*(n - 1), (n - 1).prod()])
    means = np.array([*squares, inside]) / freedom
    total = max(means[0] + means[1] - means[2], means[0], means[1])
    if total <= 0 or not np.ptp(sample):
        return 0.0, float(freedom[0])
    satterthwaite = total**2 / (means**2 / freedom).sum()
    return float(np.sqrt(total / sample.size)), float(max(satterthwaite, (n - 1).min()))


def _t_test(differences: NDArray[np.float64]) -> float:
    """Two-sided p value of the hypothesis that the mean of the differences is 0."""
    if differences.size < 2 or not differences.any():
        return 1.0
    error, freedom = _mean_error(differences)
    if error == 0:
        return 0.0
    with needs("search", "a paired test"):
        from scipy.special import stdtr
    return float(2 * stdtr(freedom, -abs(differences.mean()) / error))
