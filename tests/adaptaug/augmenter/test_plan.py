"""The length of a run: from what people have at hand, under accumulation, and beyond its end."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from adaptaug import AdaptAugError, Augmenter, Constant
from adaptaug.augmenter.plan import Plan

Batch = Callable[..., tuple[Tensor, Tensor]]
Make = Callable[..., Augmenter]
UNSET: dict[str, Any] = {"total_steps": None, "n_train": None, "batch_size": None}


class Said:
    """Keeps the kinds of what is said, in order."""

    def __init__(self) -> None:
        self.kinds: list[str] = []

    def __call__(self, kind: str, message: str, *values: object) -> None:
        assert message % values
        if kind not in self.kinds:
            self.kinds.append(kind)


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)


def loader(count: int = 100, size: int = 32, **settings: Any) -> DataLoader[Any]:
    return DataLoader(TensorDataset(torch.zeros(count, 1)), batch_size=size, **settings)


def plan(said: Said | None = None, **given: Any) -> Plan:
    names = ("total_steps", "n_train", "batch_size", "loader", "epochs", "optimizer", "scheduler")
    settings: dict[str, Any] = dict.fromkeys((*names, "accumulate"))
    return Plan(said or Said(), **(settings | given))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "calls", "n_train", "epochs"),
    [
        ({"total_steps": 50, "n_train": 100, "batch_size": 8}, 50, 100, 4.0),
        ({"total_steps": 50, "n_train": 100, "batch_size": 8, "accumulate": 4}, 200, 100, 16.0),
        ({"loader": loader(), "epochs": 7}, 28, 100, 7.0),
        ({"loader": loader(drop_last=True), "epochs": 7}, 21, 100, 7.0),
        ({"loader": loader(), "epochs": 7, "accumulate": 4}, 28, 100, 7.0),
        ({"loader": loader(), "total_steps": 50}, 50, 100, 16.0),
        ({"loader": loader(), "total_steps": 50, "n_train": 200}, 50, 200, 8.0),
        (
            {"scheduler": OneCycleLR(optimizer(), 0.1, 30), "n_train": 60, "batch_size": 2},
            30,
            60,
            1.0,
        ),
        (
            {"scheduler": OneCycleLR(optimizer(), 0.1, 30), "loader": loader(), "accumulate": 2},
            60,
            100,
            19.2,
        ),
    ],
)
def test_calls_and_epochs_follow_from_what_is_given(
    given: dict[str, Any], calls: int, n_train: int, epochs: float
) -> None:
    made = plan(**given)
    assert (made.told, made.total, made.n_train) == (calls, calls, n_train)
    assert made.epochs == pytest.approx(epochs)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n_train": 100}, "the length of the run must be given: total_steps, or loader and epo"),
        ({"loader": loader()}, "the length of the run must be given"),
        ({"total_steps": 10}, "n_train, the training examples in one epoch, or loader is needed"),
        (
            {"scheduler": CosineAnnealingLR(optimizer(), 10), "n_train": 10},
            "the length of the run must be given",
        ),
        ({"loader": loader(), "epochs": 0}, "epochs must be a whole number of at least 1, got 0"),
        ({"total_steps": 9, "n_train": 9, "accumulate": 0.5}, "accumulate must be a whole number"),
        ({"total_steps": float("inf"), "n_train": 9}, "total_steps must be a whole .* got inf"),
    ],
)
def test_what_is_missing_or_no_number_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(AdaptAugError, match=message):
        plan(**given)


class Endless(IterableDataset[Any]):
    """A data set without a length."""

    def __iter__(self) -> Any:
        return iter(())


def test_a_loader_without_a_length_needs_numbers() -> None:
    with pytest.raises(
        AdaptAugError, match=r"loader must have a length, got DataLoader; pass total_steps"
    ):
        plan(loader=DataLoader(Endless()), epochs=3)


def run(made: Plan, calls: int, every: int, steps: Callable[[], Any], skip: int = 0) -> list[int]:
    """Totals seen before each call of a loop that steps once in `every` calls."""
    totals = []
    for call in range(calls):
        made.look(call)
        totals.append(made.total)
        if call % every == every - 1 and call >= skip:
            steps()
    return totals


@pytest.mark.parametrize(
    ("total", "scheduled", "every", "expected"),
    [
        (400, 400, 1, 400),  # no accumulation
        (400, 101, 4, 400),  # total_steps counts calls
        (100, 101, 4, 400),  # total_steps counts optimizer steps
        (None, 100, 4, 400),  # the scheduler alone
        (None, 100, 3, 300),
    ],
)
def test_calls_are_found_by_counting_optimizer_steps(
    total: int | None, scheduled: int, every: int, expected: int
) -> None:
    stepped, said = optimizer(), Said()
    scheduler = OneCycleLR(stepped, 0.1, scheduled)
    made = plan(
        said, total_steps=total, n_train=100, batch_size=8, scheduler=scheduler, optimizer=stepped
    )
    totals = run(made, 60, every, stepped.step)
    assert totals[-1] == made.total == expected
    assert made.epochs == pytest.approx(expected * 8 / 100)
    assert said.kinds == []


def test_steps_that_loss_scaling_skips_at_the_start_are_no_accumulation() -> None:
    stepped, said = optimizer(), Said()
    made = plan(said, total_steps=60, n_train=100, batch_size=8, optimizer=stepped)
    assert run(made, 30, 1, stepped.step, skip=7)[-1] == 60
    assert said.kinds == []


@pytest.mark.parametrize("total", [100, 400])
def test_accumulation_that_may_be_meant_either_way_is_said_and_mended_at_the_end(
    total: int,
) -> None:
    stepped, said = optimizer(), Said()
    made = plan(said, total_steps=total, n_train=100, batch_size=8, optimizer=stepped)
    totals = run(made, 400, 4, stepped.step)
    assert totals[-1] == 400
    assert said.kinds == (["accumulation"] if total == 400 else ["accumulation", "over"])
    assert totals[99] == total
    assert totals[100] == 400
    told = plan(said, total_steps=100, n_train=100, accumulate=4, optimizer=stepped)
    assert set(run(told, 40, 4, stepped.step)) == {400}


@pytest.mark.parametrize(("size", "told"), [(8, 32), (32, 8), (16, 16), (20, 32), (16, None)])
def test_a_batch_size_that_is_not_that_of_the_calls_is_said(size: int, told: int | None) -> None:
    said = Said()
    made = plan(said, total_steps=400, n_train=100, batch_size=told)
    made.meet(size, 0)
    differs = told in (8, 32) and size != 20
    assert said.kinds == (["size"] if differs else [])
    assert made.batch_size == (size if differs or told is None else told)


def test_a_run_that_goes_on_is_planned_anew_again_and_again() -> None:
    said = Said()
    made = plan(said, total_steps=80, n_train=100, batch_size=8)
    totals = run(made, 120, 1, lambda: None)
    assert [totals[step] for step in (79, 80, 89, 90, 119)] == [80, 90, 90, 100, 120]
    assert said.kinds == ["over"]


# In an Augmenter


class Board:
    """Keeps the steps of the decisions."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    def magnitudes(self, names: Any, values: Any, step: int) -> None:
        self.steps.append(step)

    def child_curves(self, history: Any, step: int) -> None:
        pass

    def image_grid(self, before: Tensor, after: Tensor, step: int) -> None:
        pass


@pytest.mark.parametrize("form", ["loader", "scheduler", "steps"])
def test_under_accumulation_decisions_span_the_run_and_epochs_are_true(
    augmenter: Make, watch: Any, batch: Batch, child: Callable[..., nn.Module], form: str
) -> None:
    """48 calls with 8 of 96 examples: 4 epochs, 12 optimizer steps."""
    model = child()
    stepped = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = OneCycleLR(stepped, 0.1, total_steps=12)
    forms: dict[str, dict[str, Any]] = {
        "loader": {"loader": loader(96, 8), "epochs": 4, "optimizer": stepped},
        "scheduler": {"scheduler": scheduler, "n_train": 96},
        "steps": {"total_steps": 12, "accumulate": 4, "n_train": 96},
    }
    board, watched = Board(), watch()
    using = augmenter(watched, model, decisions=2, board=board, **(UNSET | forms[form]))
    for call in range(48):
        using(*batch(call % 12, size=8))
        using.record(2.0, 0.5)
        if call % 4 == 3:
            stepped.step()
            scheduler.step()
    assert using.total_steps == 48
    assert board.steps[-1] == 24
    assert watched.progress[-1] == pytest.approx(0.5)
    last = watched.seen[-1]
    assert last.feature("log_epochs") == pytest.approx(np.log2(5) / 4)
    if form != "steps":
        group = scheduler.state_dict()
        assert last.feature("learning_rate") == pytest.approx(rate_at(6, group["total_steps"]))


def rate_at(step: int, total: int) -> float:
    """The one-cycle rate at an optimizer step as a fraction of its peak."""
    stepped = optimizer()
    scheduler = OneCycleLR(stepped, 0.1, total_steps=total)
    for _ in range(step):
        stepped.step()
        scheduler.step()
    return float(stepped.param_groups[0]["lr"]) / 0.1


def test_calls_beyond_the_end_are_decided_on_and_said_once(
    augmenter: Make, watch: Any, batch: Batch, caplog: pytest.LogCaptureFixture
) -> None:
    board, watched = Board(), watch()
    using = augmenter(watched, decisions=4, board=board)
    for step in range(15):
        using(*batch(step))
        using.record(2.0, 0.5)
    assert board.steps == [0, 3, 6, 9, 12, 13, 14]
    assert watched.progress == pytest.approx([0, 3 / 12, 6 / 12, 9 / 12, 12 / 13, 13 / 14, 14 / 15])
    assert watched.seen[-1].feature("log_epochs") == pytest.approx(np.log2(1 + 15 * 0.16) / 4)
    (record,) = caplog.records
    assert "goes on after its 12 batches (total_steps); it is planned for 13 now" in (
        record.getMessage()
    )


def test_a_run_beyond_its_end_is_resumed_bit_for_bit(augmenter: Make, batch: Batch) -> None:
    whole = augmenter()
    for step in range(14):
        whole(*batch(step))
    resumed = augmenter()
    resumed.load_state_dict(whole.state_dict())
    for step in range(14, 18):
        assert torch.equal(resumed(*batch(step))[0], whole(*batch(step))[0])
    assert resumed.magnitudes == whole.magnitudes


def test_a_wrong_batch_size_is_said_at_the_first_batch(
    augmenter: Make, batch: Batch, caplog: pytest.LogCaptureFixture
) -> None:
    using = augmenter(Constant([0.5] * 4), batch_size=32)
    using(*batch(0, size=8))
    (record,) = caplog.records
    assert "batch 0 has 8 examples where batch_size=32" in record.getMessage()
    assert "pass accumulate=" in record.getMessage()
