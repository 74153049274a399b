"""Probes: what an op alone does to held-out examples, which of them, and in how much memory."""

import weakref

import numpy as np
import pytest
import torch
from torch import Tensor

from adaptaug import metrics
from adaptaug.data.batches import representative
from adaptaug.ops import Op
from adaptaug.policy.observation import (
    PROBE_SIZE,
)
from tests.adaptaug.policy.observing import (
    MIDDLE,
    Brightness,
    Uniform,
    black_and_white,
    observer,
    op_features,
)


def test_probe_of_an_op_that_does_nothing_is_exactly_0() -> None:
    seen = observer().observe(Brightness(), MIDDLE)
    assert op_features(seen, 0)["probe_loss"] == 0
    assert op_features(seen, 0)["probe_accuracy"] == 0
    # and so is that of any op, on a child whose logits are constant
    assert observer().observe(Uniform(2), MIDDLE).ops[:, :3].tolist() == [[0, 0, 0]] * 3


def test_nothing_is_probed_if_no_op_applies() -> None:
    seen = observer(ops=("hue",)).observe(Brightness(), MIDDLE)
    assert op_features(seen, 0)["probe_loss"] == op_features(seen, 0)["applies"] == 0


def test_probe_draws_the_same_every_time() -> None:
    watching, model = observer(), Brightness()
    first, second = watching.observe(model, MIDDLE), watching.observe(model, MIDDLE)
    assert op_features(first, 2)["probe_loss"] == op_features(second, 2)["probe_loss"] != 0
    torch.rand(5)
    assert np.array_equal(first.flat(), observer().observe(model, MIDDLE).flat())


@pytest.mark.parametrize("sizes", [[500, 500], [400, 300, 200, 100], [940, 30, 30], [7] * 150])
def test_probe_batch_of_data_ordered_by_class_has_its_share_of_each(sizes: list[int]) -> None:
    targets = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    rows = representative(targets, 100, seed=0)
    assert len(rows) == len(set(rows.tolist())) == 100
    counts = targets[rows].bincount(minlength=len(sizes))
    assert (counts - 100 * torch.tensor(sizes) / len(targets)).abs().max() <= 1
    assert torch.equal(rows, representative(targets, 100, seed=0))
    assert not torch.equal(rows, representative(targets, 100, seed=1))


def test_probe_batch_of_few_examples_is_all_of_them_in_order() -> None:
    assert representative(torch.tensor([1, 0, 1]), 3, seed=0).tolist() == [0, 1, 2]
    assert representative(torch.empty(0, dtype=torch.int64), 3, seed=0).tolist() == []
    tags = torch.zeros(50, 4, dtype=torch.int64)
    assert len(set(representative(tags, 20, seed=0).tolist())) == 20


def test_probes_of_ordered_data_are_those_of_all_classes() -> None:
    ordered = black_and_white(400)
    ordered = ordered[ordered.targets.argsort(stable=True)]
    black = Op("black", "pixel", 1.0, "", lambda images, amount, generator: 0 * images)
    seen = observer(validation=ordered, ops=(black,)).observe(Brightness(), MIDDLE)
    assert op_features(seen, 0)["probe_accuracy"] == -0.5  # as on half of the examples


def test_probes_hold_the_images_of_one_op_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 12 ops on large images, one output is alive, and batches are small."""
    monkeypatch.setattr(metrics, "LARGEST_BATCH", 8 * 16)
    alive: list[weakref.ref[Tensor]] = []
    most, sizes = 0, []

    def noting(images: Tensor, amount: Tensor, generator: torch.Generator) -> Tensor:
        nonlocal most
        result = images.clone()
        alive.append(weakref.ref(result))
        most = max(most, sum(one() is not None for one in alive))
        return result

    class Small(Uniform):
        def forward(self, images: Tensor) -> Tensor:
            sizes.append(len(images))
            return super().forward(images)

    ops = tuple(Op(f"copy {i}", "pixel", 1.0, "", noting) for i in range(12))
    large = black_and_white(PROBE_SIZE)
    observer(validation=large, ops=ops).observe(Small(2), MIDDLE, ("probe_loss",))
    assert most == 1
    assert max(sizes) == 8
    assert sum(sizes) == 13 * PROBE_SIZE
