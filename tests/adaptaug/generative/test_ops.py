"""The ops that replace examples by generated ones, held to the contract of all ops."""

from dataclasses import replace

import pytest
import torch

from adaptaug.data import Examples
from adaptaug.errors import AdaptAugError
from adaptaug.generative import DCGAN, GPT2
from adaptaug.generative import bank as bank_module
from adaptaug.generative.ops import GENERATED_OPS, generated, generated_text
from adaptaug.ops import Op, OpSpace, find
from adaptaug.ops.bank import Bank
from adaptaug.ops.testing import check_op
from adaptaug.policy.cost import CostTable
from adaptaug.training.calibration import calibrate
from adaptaug.training.episode import Episode
from adaptaug.training.task import Task

SMALL = {"steps": 3, "samples": 64, "width": 4}


def test_generating_ops_are_found_with_their_default_settings() -> None:
    assert [op.name for op in GENERATED_OPS] == ["generated", "generated_text"]
    assert [op.modalities for op in GENERATED_OPS] == [("image",), ("text",)]
    assert find("generated").fit == DCGAN()
    assert find("generated_text").fit == GPT2()
    assert generated(DCGAN.full(), epochs=7).fit == DCGAN(
        width=64, noise=100, epochs=7, batch_size=128, learning_rate=2e-4, decay=False,
        smoothing=1.0, samples=16384,
    )  # fmt: skip


@pytest.mark.parametrize("op", GENERATED_OPS, ids=lambda op: op.name)
def test_every_op_keeps_the_contract(op: Op) -> None:
    if op.name == "generated_text":
        pytest.importorskip("transformers")
    make = {"generated": generated, "generated_text": generated_text}[op.name]
    check_op(make(**SMALL))


def test_magnitude_is_the_share_of_generated_rows() -> None:
    bank = Bank(Examples(torch.full((3, 1, 8, 8), 255).byte(), torch.full((3,), 1)), 0.0)
    space = OpSpace([generated(), "vflip"])
    space.banks = {"generated": bank}
    images, classes = torch.zeros(4000, 1, 8, 8), torch.zeros(4000, dtype=torch.int64)
    result, labels = space.apply(images, classes, [0.25, 0.0], torch.Generator().manual_seed(0))
    assert torch.equal(result.mean(dim=(1, 2, 3)), labels.float())
    assert float(labels.float().mean()) == pytest.approx(0.25, abs=0.02)


def test_generated_rows_are_augmented_by_the_other_ops() -> None:
    bank = Bank(Examples(torch.full((3, 1, 8, 8), 255).byte(), torch.full((3,), 1)), 0.0)
    space = OpSpace(["mixup", "brightness", generated()])  # applied in the order of the stages
    space.banks = {"generated": bank}
    images, classes = torch.zeros(64, 1, 8, 8), torch.zeros(64, dtype=torch.int64)
    whole, labels = space.apply(images, classes, [1.0, 1.0, 1.0], torch.Generator(), 2)
    assert torch.equal(labels, torch.tensor([[0.0, 1.0]]).expand(64, 2))
    assert len(whole.mean(dim=(1, 2, 3)).unique()) > 8


def test_op_that_is_not_fitted_is_refused() -> None:
    space, batch, classes = OpSpace(["generated"]), torch.rand(4, 1, 8, 8), torch.arange(4)
    assert space.apply(batch, classes, [0.0], torch.Generator())[0] is batch
    with pytest.raises(AdaptAugError, match="op 'generated' must be fitted to the training split"):
        space.apply(batch, classes, [0.5], torch.Generator())


def test_episode_with_a_generating_op_repeats_by_seed() -> None:
    task = Task(n_train=60, n_validation=60, steps=8, decisions=2, width=4)
    space = OpSpace([generated(steps=40, samples=64, width=8, learning_rate=3e-3), "noise"])
    runs = []
    for _ in range(2):
        bank_module._banks.clear()
        episode = Episode(task, 3, space, CostTable())
        episode.advance([0.5, 0.0])
        runs.append((episode.observe().flat(), episode.run.op_space.banks["generated"].samples))
    assert runs[0][0].tolist() == runs[1][0].tolist()
    assert torch.equal(runs[0][1].inputs, runs[1][1].inputs)


def test_cost_is_that_of_drawing_without_training() -> None:
    bank = Bank(Examples(torch.zeros(3, 1, 8, 8).byte(), torch.zeros(3, dtype=torch.int64)), 1e6)
    op = replace(generated(), fit=lambda data: bank)
    costs = calibrate(Task(n_train=60, n_validation=60, width=4), OpSpace([op]))
    assert costs.stages["generated"] < 100
