"""Observations: features by hand, bounded and scale-free; the model stays unchanged."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from adaptaug.data import Examples
from adaptaug.errors import AdaptAugError
from adaptaug.metrics import Metrics
from adaptaug.ops import Op, OpSpace
from adaptaug.policy.observation import (
    FEATURES,
    GLOBAL_FEATURES,
    HELD_OUT_FEATURES,
    LIMIT,
    OP_FEATURES,
    Observer,
    Situation,
    observation_size,
)
from tests.adaptaug.policy.observing import (
    IDENTITY,
    INVERT,
    MIDDLE,
    OPS,
    Brightness,
    Uniform,
    black_and_white,
    flipped,
    observer,
    op_features,
    run_features,
)


def test_features_have_their_sizes_and_layout() -> None:
    observation = observer().observe(Brightness(), MIDDLE)
    assert observation.run.shape == (16,) == (len(GLOBAL_FEATURES),)
    assert observation.ops.shape == (3, 6) == (len(OPS), len(OP_FEATURES))
    flat = observation.flat()
    assert flat.shape == (observation_size(3),) == (16 + 3 * 6,)
    assert flat.dtype == np.float32
    assert flat[16:22].tolist() == observation.ops[0].tolist()


def test_run_features_match_hand_computation() -> None:
    situation = replace(MIDDLE, batches=Metrics(loss=0.3, score=0.9))
    watching = observer(validation=flipped(black_and_white()))
    seen = run_features(watching.observe(Brightness(), situation))
    # logits -1 and 1 (or 1 and -1), always right on train, always wrong on validation
    right = math.log(1 + math.exp(-2)) / math.log(2)
    wrong = math.log(1 + math.exp(2)) / math.log(2)
    assert seen == pytest.approx(
        {
            "progress": 0.5,
            "log_epochs": 0.5,  # log2(1 + 3) / 4
            "log_epochs_left": math.log2(2.5) / 4,
            "learning_rate": 0.7,
            "batch_loss": 0.3 / math.log(2),
            "batch_accuracy": 0.8,  # 0.9 where chance is 0.5
            "train_loss": right,
            "train_score": 1.0,
            "validation_loss": wrong,
            "validation_score": -1.0,
            "loss_gap": wrong - right,
            "score_gap": 1.0,
            "train_loss_change": 0.0,
            "validation_loss_change": 0.0,
            "validation_score_change": 0.0,
            "cost": 0.25,
        },
        rel=1e-5,
    )


def test_validation_has_loss_and_score_unscaled() -> None:
    seen = observer().observe(Brightness(), MIDDLE)
    assert seen.validation == Metrics(pytest.approx(math.log(1 + math.exp(-2))), 1.0)


def test_change_features_are_since_the_last_decision() -> None:
    model, watching = Brightness(2.0), observer()
    first = run_features(watching.observe(model, MIDDLE))
    with torch.no_grad():
        model.scale.neg_()
    second = run_features(watching.observe(model, MIDDLE))
    loss = (math.log(1 + math.exp(2)) - math.log(1 + math.exp(-2))) / math.log(2)
    assert first["validation_loss_change"] == 0
    assert second["train_loss_change"] == pytest.approx(loss, rel=1e-5)
    assert second["validation_loss_change"] == pytest.approx(loss, rel=1e-5)
    assert second["validation_score_change"] == -2
    third = run_features(watching.observe(model, MIDDLE))
    assert third["validation_loss_change"] == 0


def test_batch_features_before_the_first_batch_are_those_of_clean_examples() -> None:
    seen = run_features(observer().observe(Brightness(), MIDDLE))
    assert seen["batch_loss"] == seen["train_loss"]
    assert seen["batch_accuracy"] == seen["train_score"]


def test_probe_features_match_hand_computation() -> None:
    watching = observer()
    model = Brightness()
    seen = [watching.observe(model, replace(MIDDLE, progress=p)) for p in (0.0, 0.5, 0.75, 1.0)]
    loss = 2 / math.log(2)  # log(1 + e^2) - log(1 + e^-2) = 2
    assert op_features(seen[0], 1)["probe_loss"] == 0  # not probed before the first batch
    inverted = op_features(seen[1], 1)
    assert inverted["probe_loss"] == pytest.approx(loss, rel=1e-5)
    assert inverted["probe_loss_change"] == pytest.approx(loss, rel=1e-5)
    assert inverted["probe_accuracy"] == -1
    assert op_features(seen[2], 1)["probe_loss"] == inverted["probe_loss"]
    assert op_features(seen[2], 1)["probe_loss_change"] == 0
    assert seen[3].ops[:, :2].tolist() == [[0, 0]] * 3  # nor after the last decision


@pytest.mark.parametrize("validates", [True, False])
@pytest.mark.parametrize("first", [True, False], ids=["first", "later"])
@pytest.mark.parametrize(
    "asked", [*((name,) for name in FEATURES), ("batch_loss", "magnitude"), GLOBAL_FEATURES]
)
def test_features_that_are_asked_for_equal_those_of_a_whole_observation(
    asked: tuple[str, ...], first: bool, validates: bool
) -> None:
    situations = [replace(MIDDLE, progress=0.0)]
    if not first:
        situations += [replace(MIDDLE, progress=p, batches=Metrics(0.3, 0.9)) for p in (0.5, 0.7)]
    examples = black_and_white() if validates else black_and_white(0)
    whole, part = observer(validation=examples), observer(validation=examples)
    for situation in situations:
        everything = whole.observe(Brightness(), situation)
        observed = part.observe(Brightness(), situation, asked)
        for watching in (whole, part):
            watching.remember([0.2, 0.0, 1.0])
    wanted = np.array([name in asked for name in (*GLOBAL_FEATURES, *OP_FEATURES * 3)])
    assert np.array_equal(observed.flat()[wanted], everything.flat()[wanted], equal_nan=True)
    assert np.isnan(observed.flat()[~wanted]).all()


@pytest.mark.parametrize(
    ("asked", "first", "count"),
    [
        (("progress", "learning_rate", "cost", "magnitude", "applies"), True, 0),
        (("batch_loss",), False, 0),
        (("batch_loss",), True, 4),
        (("train_loss_change",), False, 4),
        (("validation_score",), False, 4),
        (("loss_gap",), False, 4 + 4),
        (("probe_accuracy",), False, 4 + 3 * 4),
        (FEATURES, False, 4 + 4 + 3 * 4),
    ],
)
def test_only_the_examples_that_the_features_need_are_predicted(
    asked: tuple[str, ...], first: bool, count: int
) -> None:
    predicted: list[Tensor] = []
    model = Brightness()
    model.register_forward_pre_hook(lambda module, inputs: predicted.append(inputs[0]))
    observer().observe(model, replace(MIDDLE, batches=None if first else Metrics(0.3, 0.9)), asked)
    assert sum(map(len, predicted)) == count


def test_no_op_is_applied_without_probes() -> None:
    def refuse(images: Tensor, amount: Tensor, generator: torch.Generator) -> Tensor:
        raise AssertionError("applied")

    refusing = Op("refusing", "pixel", 1.0, "", refuse)
    observer(ops=(refusing,)).observe(Brightness(), MIDDLE, GLOBAL_FEATURES)
    with pytest.raises(AssertionError, match="applied"):
        observer(ops=(refusing,)).observe(Brightness(), MIDDLE)


def test_observation_without_probes_does_not_change_later_probes() -> None:
    model = Brightness()
    with_break, without = observer(), observer()
    for watching in (with_break, without):
        watching.observe(model, MIDDLE)
    with_break.observe(model, MIDDLE, GLOBAL_FEATURES)
    assert np.array_equal(
        with_break.observe(model, MIDDLE).flat(), without.observe(model, MIDDLE).flat()
    )


def test_without_validation_examples_only_what_needs_them_is_unknown() -> None:
    def refuse(images: Tensor, amount: Tensor, generator: torch.Generator) -> Tensor:
        raise AssertionError("applied")

    none = Examples(black_and_white().inputs[:0], black_and_white().targets[:0])
    watching = observer(validation=none, ops=(Op("refusing", "pixel", 1.0, "", refuse), "noise"))
    beside = observer(ops=(IDENTITY, "noise"))
    assert (watching.validates, beside.validates) == (False, True)
    for each in (watching, beside):
        each.remember([0.25, 0.5])
    start = replace(MIDDLE, progress=0.0)  # training examples are still unseen
    seen, full = (each.observe(Brightness(), start) for each in (watching, beside))
    assert np.array_equal(seen.flat(), full.flat())
    for progress in (0.5, 1.0):
        situation = replace(MIDDLE, progress=progress)
        seen, full = (each.observe(Brightness(), situation) for each in (watching, beside))
        assert math.isnan(seen.validation.loss)
        assert math.isnan(seen.feature("loss_gap"))
        unknown = np.isnan(seen.flat())
        names = (*GLOBAL_FEATURES, *OP_FEATURES * 2)
        assert {n for n, u in zip(names, unknown, strict=True) if u} == set(HELD_OUT_FEATURES)
        assert np.array_equal(seen.flat()[~unknown], full.flat()[~unknown])


def test_features_are_found_by_name() -> None:
    seen = observer().observe(Brightness(), MIDDLE)
    assert {name: seen.feature(name) for name in GLOBAL_FEATURES} == run_features(seen)
    assert seen.feature("learning_rate") == pytest.approx(0.7)
    with pytest.raises(AdaptAugError, match=r"a feature must be one of .* got 'loss'"):
        seen.feature("loss")


def test_last_and_mean_magnitudes_match_hand_computation() -> None:
    watching, model = observer(), Brightness()
    fresh = watching.observe(model, MIDDLE)
    watching.remember([0.2, 0.0, 1.0])
    watching.remember([0.4, 0.5, 0.0])
    later = watching.observe(model, MIDDLE)
    assert fresh.ops[:, 3:5].tolist() == [[0, 0]] * 3
    assert later.ops[:, 3].tolist() == pytest.approx([0.4, 0.5, 0.0])
    assert later.ops[:, 4].tolist() == pytest.approx([0.3, 0.25, 0.5])


@pytest.mark.parametrize(("channels", "applies"), [(1, 0.0), (3, 1.0)])
def test_applies_feature_is_0_for_ops_that_need_rgb(channels: int, applies: float) -> None:
    images = black_and_white(channels=channels)
    seen = observer(images, images, ("hue", "rotate")).observe(Brightness(), MIDDLE)
    assert seen.ops[:, 5].tolist() == [applies, 1.0]
    assert seen.ops[0, :3].tolist() == [0, 0, 0]  # no probe, or grey pixels that have no hue


def test_features_do_not_depend_on_the_number_of_classes() -> None:
    """Those of an untrained child are the same with 2 classes as with 10."""
    seen = []
    for num_classes in (2, 10):
        images = torch.zeros(20, 1, 4, 4, dtype=torch.uint8)
        examples = Examples(images, torch.arange(20) % num_classes)
        watching = Observer(OpSpace(OPS), examples, examples, num_classes, seed=0)
        seen.append(watching.observe(Uniform(num_classes), MIDDLE).flat())
    assert seen[0] == pytest.approx(seen[1], abs=1e-6)
    features = dict(zip(GLOBAL_FEATURES, seen[0][:16].tolist(), strict=True))
    assert features["train_loss"] == pytest.approx(1)
    assert features["validation_score"] == pytest.approx(0)


def test_features_do_not_depend_on_the_number_of_examples() -> None:
    few, many = black_and_white(4), black_and_white(40)
    ops = (IDENTITY, INVERT)  # which draw nothing
    seen = [
        observer(images, images, ops).observe(Brightness(), MIDDLE).flat() for images in (few, many)
    ]
    assert seen[0] == pytest.approx(seen[1], abs=1e-6)


def test_features_stay_within_their_limit() -> None:
    extreme = Situation(1.0, 1e12, 1.0, Metrics(1e9, 1.0), 1e9)
    for scale in (0.0, 1e3, -1e3, 1e38, math.inf, math.nan):
        watching = observer()
        for situation in (MIDDLE, MIDDLE, extreme):
            flat = watching.observe(Brightness(scale), situation).flat()
            assert np.isfinite(flat).all()
            assert np.abs(flat).max() <= LIMIT


def test_losses_of_a_diverged_child_are_at_the_limit() -> None:
    diverged = replace(MIDDLE, batches=Metrics(math.nan, 0.0))
    seen = run_features(observer().observe(Brightness(math.nan), diverged))
    assert [seen[name] for name in ("batch_loss", "train_loss", "validation_loss")] == [LIMIT] * 3


def test_state_is_where_another_observer_continues() -> None:
    first, second = observer(), observer(train=flipped(black_and_white()))
    model = Brightness()
    first.observe(model, MIDDLE)
    first.remember([0.1, 0.2, 0.3])
    second.load_state_dict(first.state_dict())
    with torch.no_grad():
        model.scale.mul_(0.5)
    expected = first.observe(model, MIDDLE).flat()
    first.remember([0.4, 0.4, 0.4])  # later magnitudes are not shared
    assert np.array_equal(second.observe(model, MIDDLE).flat(), expected)


def test_model_and_random_state_are_unchanged() -> None:
    model = Brightness().train()
    random = torch.get_rng_state()
    observer().observe(model, MIDDLE)
    assert model.training
    assert model.dropout.training
    assert torch.equal(torch.get_rng_state(), random)
    assert model.scale.grad is None
