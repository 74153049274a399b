"""What an evaluation writes to TensorBoard."""

import numpy as np

from experiments.reports.board import final_scores, show_magnitudes


class Board:
    """Records calls in place of writing them."""

    def __init__(self) -> None:
        self.rows = []

    def magnitudes(self, names, values, step, prefix) -> None:
        self.rows.append((prefix, step, dict(zip(names, np.round(values, 6), strict=True))))


def test_magnitudes_are_means_over_the_seeds_that_still_train() -> None:
    longer, shorter = [[0.2, 0.0], [0.4, 1.0]], [[0.6, 0.0]]  # the second stops early
    records = [
        {"arm": "learned", "steps": 100, "ops": ["rotate", "hflip"], "magnitudes": magnitudes}
        for magnitudes in (longer, shorter)
    ]
    board = Board()
    show_magnitudes(board, "digits", records)
    assert board.rows == [
        ("digits/learned", 0, {"rotate": 0.4, "hflip": 0.0}),
        ("digits/learned", 50, {"rotate": 0.4, "hflip": 1.0}),
    ]


def test_final_scores_are_of_the_tasks_metric() -> None:
    summary = {"arms": {"none": {"score": {"mean": 0.5}, "accuracy": {"mean": 0.9}}}}
    assert final_scores({"mentions": summary}) == {"final/mentions/none": 0.5}
