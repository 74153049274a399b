"""The command line that all scripts share."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from adaptaug.data import from_tensors, loading, preload
from adaptaug.errors import AdaptAugError
from experiments.common.cli import ChildOptions, check_task
from experiments.train_policy import Options


@pytest.mark.slow
def test_help_into_a_closed_pipe_prints_no_traceback() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments.compare", "--help"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.close()  # as `head` does after its last line
    process.stdout = None
    assert process.communicate(timeout=120)[1] == ""


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> str:
    """A data set of 300 rows to draw from, with three classes."""
    monkeypatch.setattr(loading, "_loaded", dict(loading._loaded))
    images = torch.rand(300, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(300) % 3
    preload(from_tensors(images, labels, 1 - images[:30], labels[:30], name="few"))
    return "few"


@pytest.mark.parametrize(
    ("n_train", "rows", "expected"),
    [
        (100, None, 150),  # half of the pool
        (200, None, 100),  # what is left of it
        (299, None, 3),  # one of each class, which does not fit
        (50, (100, 200), 50),
    ],
)
def test_held_out_size_follows_the_pool(
    few: str, n_train: int, rows: tuple[int, int] | None, expected: int
) -> None:
    assert ChildOptions().task(few, n_train, 10, rows).n_validation == expected
    assert ChildOptions(n_validation=40).task(few, n_train, 10, rows).n_validation == 40


def test_held_out_size_of_a_large_pool_is_500() -> None:
    assert ChildOptions().task("digits", 100, 10).n_validation == 500
    assert ChildOptions().task("digits", 100, 10, (0, 1000)).n_validation == 500


def test_task_that_does_not_fit_in_the_pool_is_refused_with_the_option(few: str) -> None:
    sentence = (
        r"\(--training.n-validation\) must fit in the pool of 300 rows together, got 299 \+ 3 "
    )
    with pytest.raises(AdaptAugError, match=f"{sentence}for data set 'few'$"):
        check_task(ChildOptions().task(few, 299, 10))
    check_task(ChildOptions().task(few, 297, 10))


def test_search_over_a_few_hundred_rows_fits_in_them(few: str) -> None:
    (found,) = Options(dataset=(few,)).task_ranges()
    assert found.n_train == (50, 150)
    for n_train in found.n_train:
        check_task(found.task.but(n_train=n_train))
