"""Banks of samples: trained once, drawn in place of rows, and failed generators reported."""

import logging
from dataclasses import dataclass

import pytest
import torch

from adaptaug.data import Examples
from adaptaug.generative.bank import DivergedError, banked, labels_like, replaced
from adaptaug.ops import Op, OpSpace
from adaptaug.ops.bank import Bank, FitData

MADE: list[FitData] = []


@dataclass(frozen=True)
class Fake:
    """Makes noise of the given spread around grey."""

    spread: float = 60
    diverges: bool = False

    def __call__(self, data: FitData) -> Bank:
        return banked(self, data)

    def make(self, data: FitData) -> Examples:
        MADE.append(data)
        if self.diverges:
            raise DivergedError("diverged: its loss was not finite after 3 steps")
        draws = torch.Generator().manual_seed(data.seed)
        noise = torch.randn(len(data.train), 1, 8, 8, generator=draws)
        return Examples((128 + self.spread * noise).clamp(0, 255).byte(), data.train.targets)


def data(seed: int = 0) -> FitData:
    draws = torch.Generator().manual_seed(5)
    inputs = torch.randint(256, (40, 1, 8, 8), generator=draws).byte()
    return FitData(Examples(inputs, torch.arange(40) % 4), 4, seed)


def op(fake: Fake) -> Op:
    return Op("fake", "source", 1.0, "share", replaced, chance=True, fit=fake)


def test_generator_is_trained_once_for_the_same_settings_data_and_seed() -> None:
    first = banked(Fake(), data())
    count = len(MADE)
    assert banked(Fake(), data()) is first
    assert len(MADE) == count
    assert banked(Fake(), data(seed=1)) is not first
    assert banked(Fake(spread=61), data()) is not first
    changed = data()
    changed.train.inputs[3, 0, 0, 0] ^= 1
    assert banked(Fake(), changed) is not first
    assert len(MADE) == count + 3


def test_nearly_identical_samples_are_reported_as_collapsed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert banked(Fake(spread=60), data()).problem == ""
    train = data().train
    with caplog.at_level(logging.WARNING):
        space = OpSpace([op(Fake(spread=5)), "noise"]).fitted(train, 4, 0, ("a", "b", "c", "d"))
    assert space.applies("image", 1) == (False, True)
    (note,) = space.notes
    assert note in caplog.text
    assert note.startswith("fake: the generator is not used and its share held at 0, since it coll")
    batch, targets = torch.rand(6, 1, 8, 8), torch.arange(6) % 4
    result, labels = space.apply(batch, targets, [1.0, 0.0], torch.Generator(), 4)
    assert result is batch
    assert labels is targets


@pytest.mark.parametrize(("spread", "fine"), [(60, True), (5, False)])
def test_class_of_one_example_is_compared_with_all_examples(spread: float, fine: bool) -> None:
    one_each = FitData(data().train[torch.arange(4)], 4, 0)
    twice = FitData(data().train, 4, 0)

    @dataclass(frozen=True)
    class Many(Fake):
        def make(self, data: FitData) -> Examples:
            return super().make(twice)

    assert (banked(Many(spread), one_each).problem == "") is fine


def test_diverged_training_is_reported() -> None:
    space = OpSpace([op(Fake(diverges=True))]).fitted(data().train, 4, 0)
    assert space.applies("image", 1) == (False,)
    assert "it diverged: its loss was not finite after 3 steps" in space.notes[0]


def test_fitting_time_is_charged_every_time() -> None:
    space = OpSpace([op(Fake(spread=59))])
    once, again = (space.fitted(data().train, 4, 0).fit_seconds for _ in range(2))
    assert once == again > 0
    assert OpSpace(["noise"]).fitted(data().train, 4, 0).fit_seconds == 0.0


def test_labels_have_the_frequencies_of_the_training_split() -> None:
    targets = torch.tensor([2, 0, 2, 2, 1, 2, 0, 2])
    assert labels_like(targets, 4).tolist() == [0, 1, 2, 2]
    assert labels_like(targets, 16).bincount().tolist() == [4, 2, 10]


def bank_of(inputs: torch.Tensor, targets: torch.Tensor) -> Bank:
    return Bank(Examples(inputs, targets), 0.0)


def test_rows_are_replaced_together_with_their_labels() -> None:
    bank = bank_of(torch.full((3, 1, 8, 8), 255).byte(), torch.full((3,), 2))
    images, amount = torch.zeros(4, 1, 8, 8), torch.tensor([0.0, 1.0, 0.0, 1.0])
    classes, generator = torch.tensor([0, 0, 1, 1]), torch.Generator()
    result, labels = replaced(images, classes, amount, generator, bank)
    assert result.mean(dim=(1, 2, 3)).tolist() == [0.0, 1.0, 0.0, 1.0]
    assert labels.tolist() == [0, 2, 1, 2]
    soft = torch.full((4, 3), 1 / 3)
    _, mixed = replaced(images, soft, amount, generator, bank)
    assert torch.equal(mixed[::2], soft[::2])
    assert mixed[1::2].tolist() == [[0.0, 0.0, 1.0]] * 2


@pytest.mark.parametrize(("length", "row"), [(2, [7, 8]), (5, [7, 8, 9, 0, 0])])
def test_generated_sentences_get_the_length_of_the_batch(length: int, row: list[int]) -> None:
    bank = bank_of(torch.tensor([[7, 8, 9]]), torch.tensor([1]))
    ids = torch.full((2, length), 4)
    result, labels = replaced(
        ids, torch.tensor([0, 0]), torch.tensor([1.0, 0.0]), torch.Generator(), bank
    )
    assert result.tolist() == [row, [4] * length]
    assert labels.tolist() == [1, 0]
