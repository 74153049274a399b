import numpy as np
import pytest
from scipy.stats import t as student

from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.statistics import (
    bootstrap_interval,
    holm,
    paired_difference,
    summarise,
    verdict,
)


def record(arm, seed, accuracy, seconds=1.0):
    return {"arm": arm, "seed": seed, "accuracy": accuracy, "f1": accuracy / 2, "seconds": seconds}


def test_bootstrap_interval_matches_students_t_on_a_normal_sample():
    sample = np.random.default_rng(3).normal(0.9, 0.02, size=100)
    half = student.ppf(0.975, 99) * sample.std(ddof=1) / 10

    low, high = bootstrap_interval(sample.tolist())

    assert low == pytest.approx(sample.mean() - half, abs=0.05 * half)
    assert high == pytest.approx(sample.mean() + half, abs=0.05 * half)


def test_bootstrap_interval_of_two_values_has_them_as_ends():
    assert bootstrap_interval([0.2, 0.6]) == (0.2, 0.6)


@pytest.mark.filterwarnings("error")
def test_bootstrap_interval_of_one_value_has_no_width():
    assert bootstrap_interval([0.7]) == (0.7, 0.7)


def test_bootstrap_interval_is_reproducible():
    values = [0.1, 0.5, 0.3, 0.9]

    assert bootstrap_interval(values) == bootstrap_interval(values)
    assert bootstrap_interval(values, seed=1, resamples=50) != bootstrap_interval(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [([], "at least one value"), ([0.1, float("nan")], "finite, got nan at position 1")],
)
def test_bootstrap_interval_rejects_empty_and_non_finite_values(values, message):
    with pytest.raises(AdaptAugError, match=message):
        bootstrap_interval(values)


def test_paired_difference_matches_hand_computation():
    # Differences 0.1, 0.2, 0.3, 0.4 and 0.5, all positive: of the 2^5 ways to sign the ranks two
    # are as extreme, so p = 2/32. Seed 9 has no partner and does not count.
    records = [record("ours", seed, 0.1 * (seed + 1) + 0.3) for seed in range(5)]
    records += [record("theirs", seed, 0.3) for seed in reversed(range(5))]
    records += [record("ours", 9, 0.0)]

    difference = paired_difference(records, "ours", "theirs")

    assert difference["mean"] == pytest.approx(0.3)
    assert difference["n"] == 5
    assert difference["p"] == pytest.approx(2 / 32)
    assert 0.1 < difference["ci95"][0] < 0.3 < difference["ci95"][1] < 0.5
    assert verdict(difference) == "better"
    assert verdict(paired_difference(records, "theirs", "ours")) == "worse"


@pytest.mark.filterwarnings("error")
def test_paired_difference_of_identical_arms_is_exactly_zero():
    records = [record(arm, seed, 0.5 + seed / 7) for arm in ("a", "b") for seed in range(4)]

    difference = paired_difference(records, "a", "b")

    assert difference == {"mean": 0.0, "ci95": [0.0, 0.0], "n": 4, "p": 1.0}
    assert verdict(difference) == "tie"


@pytest.mark.filterwarnings("error")
def test_verdict_of_one_pair_is_a_tie():
    difference = paired_difference([record("a", 0, 0.75), record("b", 0, 0.5)], "a", "b")

    assert difference == {"mean": 0.25, "ci95": [0.25, 0.25], "n": 1, "p": 1.0}
    assert verdict(difference) == "tie"


def test_rounding_errors_do_not_break_ties_in_the_signed_rank_test():
    # 0.3 - 0.2 and 0.2 - 0.1 differ in the last bit; as ties of opposite sign they cancel.
    records = [record("a", 0, 0.3), record("b", 0, 0.2), record("a", 1, 0.1), record("b", 1, 0.2)]

    assert paired_difference(records, "a", "b")["p"] == 1.0


def test_paired_difference_rejects_arms_without_a_common_seed():
    with pytest.raises(AdaptAugError, match="'a' and 'b' have no seed in common"):
        paired_difference([record("a", 0, 0.5), record("b", 1, 0.5)], "a", "b")


def test_summary_rejects_two_records_of_one_seed():
    with pytest.raises(AdaptAugError, match="one task, got two of arm 'a' with seed 3"):
        summarise([record("a", 3, 0.5), record("a", 3, 0.6)])


def test_summary_matches_hand_computation():
    records = [
        record("none", 0, 0.5, seconds=1.0),
        record("none", 1, 0.7, seconds=2.0),
        record("learned", 0, 0.6, seconds=2.0),
        record("learned", 1, 0.8, seconds=8.0),
    ]

    summary = summarise(records)

    assert list(summary["arms"]) == ["none", "learned"]
    none, learned = summary["arms"]["none"], summary["arms"]["learned"]
    assert none["accuracy"]["mean"] == pytest.approx(0.6)
    assert none["accuracy"]["ci95"] == [0.5, 0.7]
    assert none["accuracy"]["n"] == 2
    assert none["f1"]["mean"] == pytest.approx(0.3)
    assert none["relative_cost"] == 1.0
    assert none["minus_none"]["mean"] == 0.0
    assert learned["relative_cost"] == 3.0  # (2/1 + 8/2) / 2
    assert list(summary["learned_minus"]) == ["none"]
    assert summary["learned_minus"]["none"]["mean"] == pytest.approx(0.1)
    assert summary["learned_minus"]["none"]["ci95"] == pytest.approx([0.1, 0.1])


@pytest.mark.parametrize(("metric", "factor"), [("accuracy", 1.0), ("f1", 0.5)])
def test_score_is_the_metric_of_the_task(metric, factor):
    records = [record("none", 0, 0.5), record("none", 1, 0.6)]
    records += [record("learned", 0, 0.7), record("learned", 1, 0.9)]

    summary = summarise(records, metric)

    none, learned = summary["arms"].values()
    assert summary["metric"] == metric
    assert learned["score"] == learned[metric]
    assert learned["score"]["mean"] == pytest.approx(0.8 * factor)
    assert none["score"]["mean"] == pytest.approx(0.55 * factor)
    for difference in (learned["score_minus_none"], summary["learned_minus_score"]["none"]):
        assert difference["mean"] == pytest.approx(0.25 * factor)
        assert difference["n"] == 2
    # These are of accuracy in every task.
    assert learned["minus_none"]["mean"] == pytest.approx(0.25)
    assert summary["learned_minus"]["none"]["mean"] == pytest.approx(0.25)


def test_holm_matches_hand_computation():
    # sorted 0.01, 0.02, 0.03, 0.2 times 4, 3, 2, 1; the third may not fall below the second
    corrected = holm({"a": 0.03, "b": 0.01, "c": 0.2, "d": 0.02})
    assert corrected == pytest.approx({"a": 0.06, "b": 0.04, "c": 0.2, "d": 0.06})
    assert list(corrected) == ["a", "b", "c", "d"]
    assert holm({"a": 0.6, "b": 0.7}) == {"a": 1.0, "b": 1.0}
    assert holm({"a": 0.04}) == {"a": 0.04}
    assert holm({}) == {}


def test_holm_lies_between_no_correction_and_bonferroni():
    p_values = {str(i): float(p) for i, p in enumerate(np.random.default_rng(1).random(50))}
    corrected = holm(p_values)
    for name, p in p_values.items():
        assert p <= corrected[name] <= min(1, 50 * p)


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_holm_rejects_values_outside_0_to_1(p):
    with pytest.raises(AdaptAugError, match=r"p values must lie in \[0, 1\], got .* for 'b'"):
        holm({"a": 0.5, "b": p})


def test_summary_corrects_p_for_the_number_of_compared_arms():
    records = [record("none", seed, 0.3) for seed in range(6)]
    records += [record("good", seed, 0.4 + seed / 100) for seed in range(6)]
    records += [record("better", seed, 0.5 + seed / 100) for seed in range(6)]
    records += [record("learned", seed, 0.3) for seed in range(6)]

    summary = summarise(records)

    differences = {arm: row["minus_none"] for arm, row in summary["arms"].items()}
    p = 2 / 2**6  # all six differences positive
    assert {arm: row["p"] for arm, row in differences.items()} == pytest.approx(
        {"none": 1.0, "good": p, "better": p, "learned": 1.0}
    )
    # three arms are tested, the arm "none" against itself is no test
    assert {arm: row["p_holm"] for arm, row in differences.items()} == pytest.approx(
        {"none": 1.0, "good": 3 * p, "better": 3 * p, "learned": 1.0}
    )
    learned = summary["learned_minus"]
    assert learned["good"]["p_holm"] == pytest.approx(3 * p)
    assert learned["none"]["p_holm"] == 1.0


def full(arm, seed, accuracy, **robustness):
    more = {"precision": 0.2, "recall": 0.6, "loss": 1.5, "controller_seconds": 0.25}
    return record(arm, seed, accuracy) | more | {"robustness": robustness or None}


def test_summary_of_robustness_and_costs_matches_hand_computation():
    records = [
        full("none", 0, 0.5, **{"fgsm": 0.1, "noise/3": 0.4}),
        full("none", 1, 0.5, **{"fgsm": 0.3, "noise/3": 0.4}),
        full("pgd-trained", 0, 0.5, **{"fgsm": 0.3, "noise/3": 0.5}),
        full("pgd-trained", 1, 0.5, **{"fgsm": 0.4, "noise/3": 0.5}),
    ]

    none, trained = summarise(records)["arms"].values()

    assert none["precision"] == {"mean": 0.2, "ci95": [0.2, 0.2], "n": 2}
    assert none["recall"]["mean"] == 0.6
    assert none["loss"]["mean"] == 1.5
    assert none["seconds"]["mean"] == 1.0
    assert none["controller_seconds"]["mean"] == 0.25
    assert list(none["robustness"]) == ["fgsm", "noise/3"]
    assert none["robustness"]["fgsm"] == {"mean": 0.2, "ci95": [0.1, 0.3], "n": 2}
    assert trained["robustness"]["noise/3"]["mean"] == 0.5
    assert list(trained["robustness_minus_none"]) == ["fgsm"]  # not for single severities
    assert trained["robustness_minus_none"]["fgsm"]["mean"] == pytest.approx(0.15)
    assert trained["robustness_minus_none"]["fgsm"]["p_holm"] == 0.5
    assert none["robustness_minus_none"]["fgsm"]["mean"] == 0


def test_summary_omits_scores_that_some_records_of_an_arm_lack():
    records = [full("none", 0, 0.5, fgsm=0.1), full("none", 1, 0.5), record("old", 0, 0.6)]

    none, old = summarise(records)["arms"].values()

    assert "robustness" not in none
    assert "robustness_minus_none" not in old
    assert "precision" in none
    assert not {"precision", "recall", "loss", "controller_seconds"} & set(old)
    assert old["minus_none"]["mean"] == pytest.approx(0.1)


def test_summary_omits_comparisons_of_arms_without_a_common_seed():
    summary = summarise([record("a", 0, 0.5), record("learned", 1, 0.6)])

    assert "relative_cost" not in summary["arms"]["a"]
    assert summary["learned_minus"] == {}


def test_summary_rejects_an_empty_list_of_records():
    with pytest.raises(AdaptAugError, match="at least one record"):
        summarise([])
