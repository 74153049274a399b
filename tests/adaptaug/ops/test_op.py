"""Amounts are drawn in their range; the registry finds ops and refuses taken names."""

import pytest
import torch
from torch import Generator

from adaptaug.errors import AdaptAugError
from adaptaug.ops import EDA, IMAGE_OPS, TAGGING_OPS, TEXT_OPS, Op, draw, find, ops_for, register


def _op(name="test", **fields):
    row = {"stage": "pixel", "high": 4.0, "unit": "none", "function": lambda images, *_: images}
    return Op(name, **(row | fields))


def _generator():
    return Generator().manual_seed(0)


def test_unsigned_amounts_fill_the_range_from_0():
    amount = draw(_op(), 0.5, 10_000, _generator())
    assert amount.shape == (10_000,)
    assert amount.min() >= 0
    assert amount.max() < 2
    assert amount.mean().item() == pytest.approx(1.0, abs=0.03)


def test_signed_amounts_fill_the_range_on_both_sides_of_0():
    amount = draw(_op(signed=True), 0.5, 10_000, _generator())
    assert -2 <= amount.min() < -1.99
    assert 1.99 < amount.max() < 2
    assert amount.mean().item() == pytest.approx(0.0, abs=0.05)


def test_chance_is_1_with_probability_magnitude_times_high():
    amount = draw(_op(high=0.5, chance=True), 0.5, 10_000, _generator())
    assert set(amount.tolist()) == {0.0, 1.0}
    assert amount.mean().item() == pytest.approx(0.25, abs=0.02)
    assert draw(_op(high=1.0, chance=True), 1.0, 100, _generator()).min() == 1


def test_several_amounts_of_a_sample_are_independent():
    amount = draw(_op(draws=2), 1.0, 10_000, _generator())
    assert amount.shape == (10_000, 2)
    assert torch.corrcoef(amount.T)[0, 1].abs() < 0.03


def test_draw_repeats_and_scales_with_the_magnitude():
    full = draw(_op(signed=True), 1.0, 8, _generator())
    half = draw(_op(signed=True), 0.5, 8, _generator())
    assert torch.allclose(half, full / 2)


def test_registry_finds_ops_and_refuses_a_taken_name(monkeypatch):
    monkeypatch.setattr("adaptaug.ops.op._REGISTRY", {})
    op = register(_op("mine"))
    assert register(op) is op
    assert find("mine") is op
    assert ops_for("image") == {"mine": op}
    assert ops_for("text") == {}
    with pytest.raises(AdaptAugError, match="got 'mine', which is taken"):
        register(_op("mine", high=1.0))


def test_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(AdaptAugError, match=r"unknown op 'spin'; known ops: .*rotate, translate, "):
        find("spin")


def test_unknown_stage_is_refused():
    with pytest.raises(AdaptAugError, match=r"stage must be one of .* got 'sound' for op 'test'"):
        _op(stage="sound")


@pytest.mark.parametrize(
    ("stage", "modalities"),
    [("token", ("image",)), ("pixel", ("text",)), ("pixel", ("image", "text")), ("pixel", ())],
)
def test_stage_that_does_not_fit_the_modality_is_refused(stage, modalities):
    with pytest.raises(AdaptAugError, match=r"modalities must be .* for op 'test'"):
        _op(stage=stage, modalities=modalities)


def test_all_ops_of_the_tables_are_registered():
    assert tuple(ops_for("image").values())[: len(IMAGE_OPS)] == IMAGE_OPS
    assert {*TEXT_OPS, EDA} <= set(ops_for("text").values())
    assert set(TAGGING_OPS) <= set(ops_for("tagging").values())
