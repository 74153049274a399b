"""What an evaluation writes to TensorBoard: magnitudes over the run, and final scores."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from adaptaug.evaluation.statistics import Record
from adaptaug.tensorboard import Board


def show_magnitudes(board: Board, name: str, records: Sequence[Record]) -> None:
    """Writes every arm's magnitudes over one task's run, means over seeds."""
    for arm in dict.fromkeys(record["arm"] for record in records):
        runs = [record for record in records if record["arm"] == arm]
        longest = max(len(run["magnitudes"]) for run in runs)
        for number, rows in enumerate(zip_longest(*(run["magnitudes"] for run in runs))):
            mean = np.mean([row for row in rows if row is not None], axis=0)
            step = runs[0]["steps"] * number // longest
            board.magnitudes(runs[0]["ops"], mean, step, f"{name}/{arm}")


def final_scores(summaries: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Mean score of every arm on every task, by the tag `final/<task>/<arm>`."""
    return {
        f"final/{name}/{arm}": scores["score"]["mean"]
        for name, summary in summaries.items()
        for arm, scores in summary["arms"].items()
    }
