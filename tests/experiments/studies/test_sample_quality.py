"""The training data of a generator and of the classifier that recognises its samples."""

import pytest

from adaptaug.data import load
from adaptaug.training.setup import draw_split
from adaptaug.training.task import Task
from experiments.studies.sample_quality import halves


@pytest.mark.parametrize(
    ("n_train", "n_validation", "rows", "expected"),
    [
        (100, 100, (0, 400), (100, 100)),  # enough rows in each half
        (300, 100, (0, 400), (100, 100)),
        (30, 300, (0, 400), (30, 170)),
        (200, 201, (100, 501), (100, 100)),
        (700, 500, None, None),
    ],
)
def test_generator_and_classifier_share_no_row(
    n_train: int, n_validation: int, rows, expected: tuple[int, int] | None
) -> None:
    task = Task("digits", n_train, n_validation=n_validation, rows=rows)
    draw_split(task, 0)  # the child itself can be trained
    ours, theirs = halves(task)
    assert ours.rows[1] == theirs.rows[0]
    assert (ours.rows[0], theirs.rows[1]) == (rows or (0, len(load("digits").train)))
    for half in (ours, theirs):
        drawn = draw_split(half, 0)
        found = (len(drawn.train), len(drawn.validation))
        assert found == (half.n_train, half.n_validation)
        assert expected in (None, found)
