"""The table of a sweep, compared with numbers computed by hand."""

import pytest

from experiments.sweep_ops import gain_rows

NOISE = [-0.02, 0.01, 0.0, 0.02, -0.01, 0.03, 0.0]


def records(**gains: float) -> list[dict]:
    """Records of ops that gain this much on average over none, with the same noise."""
    found = [{"arm": "none", "seed": s, "validation_score": 0.5} for s in range(len(NOISE))]
    return found + [
        {"arm": arm, "seed": seed, "validation_score": 0.5 + gain + noise}
        for arm, gain in gains.items()
        for seed, noise in enumerate(NOISE)
    ]


@pytest.mark.parametrize(("budgets", "mark"), [(1, "▲"), (2, "=")])
def test_marks_are_corrected_over_ops_and_budgets(budgets: int, mark: str) -> None:
    # p = 0.0205 of "rotate" counts twice with one budget and two ops, four times with two budgets.
    found = {f"{n} steps": records(rotate=0.016, blur=-0.004) for n in range(budgets)}
    heading, none, rotate, blur = gain_rows(found)
    assert heading == ("op", *found)
    assert none == ("none", *budgets * ["50.0"])
    assert rotate == ("rotate", *budgets * [f"+2.0 [+0.4, +3.6] {mark}"])
    assert blur == ("blur", *budgets * ["+0.0 [-1.6, +1.6] ="])


def test_one_seed_has_no_interval_and_is_a_tie() -> None:
    single = [record for record in records(rotate=0.1) if record["seed"] == 1]
    assert gain_rows({"8 steps": single})[2] == ("rotate", "+11.0 =")
