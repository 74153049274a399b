import numpy as np
import pytest
from scipy.stats import t as student

from adaptaug.errors import AdaptAugError
from adaptaug.statistics import bootstrap_interval, paired_difference, summarise, verdict


def record(arm, seed, accuracy, seconds=1.0):
    return {"arm": arm, "seed": seed, "accuracy": accuracy, "f1": accuracy / 2, "seconds": seconds}


def test_bootstrap_interval_of_a_normal_sample_is_close_to_students():
    sample = np.random.default_rng(3).normal(0.9, 0.02, size=100)
    half = student.ppf(0.975, 99) * sample.std(ddof=1) / 10

    low, high = bootstrap_interval(sample.tolist())

    assert low == pytest.approx(sample.mean() - half, abs=0.05 * half)
    assert high == pytest.approx(sample.mean() + half, abs=0.05 * half)


def test_bootstrap_interval_of_two_values_reaches_from_one_to_the_other():
    assert bootstrap_interval([0.2, 0.6]) == (0.2, 0.6)


@pytest.mark.filterwarnings("error")
def test_one_value_is_its_own_interval():
    assert bootstrap_interval([0.7]) == (0.7, 0.7)


def test_bootstrap_interval_is_the_same_every_time():
    values = [0.1, 0.5, 0.3, 0.9]

    assert bootstrap_interval(values) == bootstrap_interval(values)
    assert bootstrap_interval(values, seed=1, resamples=50) != bootstrap_interval(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [([], "at least one value"), ([0.1, float("nan")], "finite, got nan at position 1")],
)
def test_bootstrap_interval_refuses(values, message):
    with pytest.raises(AdaptAugError, match=message):
        bootstrap_interval(values)


def test_paired_difference_by_hand():
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
def test_identical_arms_differ_by_exactly_zero():
    records = [record(arm, seed, 0.5 + seed / 7) for arm in ("a", "b") for seed in range(4)]

    difference = paired_difference(records, "a", "b")

    assert difference == {"mean": 0.0, "ci95": [0.0, 0.0], "n": 4, "p": 1.0}
    assert verdict(difference) == "tie"


@pytest.mark.filterwarnings("error")
def test_one_pair_decides_nothing():
    difference = paired_difference([record("a", 0, 0.75), record("b", 0, 0.5)], "a", "b")

    assert difference == {"mean": 0.25, "ci95": [0.25, 0.25], "n": 1, "p": 1.0}
    assert verdict(difference) == "tie"


def test_rounding_of_equal_steps_does_not_break_ties():
    # 0.3 - 0.2 and 0.2 - 0.1 differ in the last bit; as ties of opposite sign they cancel.
    records = [record("a", 0, 0.3), record("b", 0, 0.2), record("a", 1, 0.1), record("b", 1, 0.2)]

    assert paired_difference(records, "a", "b")["p"] == 1.0


def test_arms_without_a_common_seed_cannot_be_paired():
    with pytest.raises(AdaptAugError, match="'a' and 'b' have no seed in common"):
        paired_difference([record("a", 0, 0.5), record("b", 1, 0.5)], "a", "b")


def test_records_of_two_tasks_are_refused():
    with pytest.raises(AdaptAugError, match="one task, got two of arm 'a' with seed 3"):
        summarise([record("a", 3, 0.5), record("a", 3, 0.6)])


def test_summary_by_hand():
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


def test_summary_leaves_out_what_cannot_be_compared():
    summary = summarise([record("a", 0, 0.5), record("learned", 1, 0.6)])

    assert "relative_cost" not in summary["arms"]["a"]
    assert summary["learned_minus"] == {}


def test_summary_of_nothing_is_refused():
    with pytest.raises(AdaptAugError, match="at least one record"):
        summarise([])
