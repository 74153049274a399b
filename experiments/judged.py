"""Which score a task is judged by: accuracy, or F1 of entities in tagging.

Most tokens are outside of every entity, so that in tagging accuracy tells little.
"""

from collections.abc import Mapping
from typing import Any

Data = Mapping[str, Any]


def score_name(task: Data) -> str:
    """The score's name for people: "accuracy" or "F1"."""
    return "F1" if task.get("modality") == "tagging" else "accuracy"


def judged(summary: Data) -> Data:
    """A summary for tables and figures: what stands as accuracy is the score that counts.

    In tagging `accuracy`, `minus_none` and `learned_minus` are those of F1, and each arm's
    `token_accuracy` is its accuracy; budgets likewise. Others stay as they are.

    Args:
        summary: `task`, and what `adaptaug.statistics.summarise` returns.
    """
    if score_name(summary.get("task", {})) == "accuracy":
        return summary
    arms = {
        arm: {
            **scores,
            "accuracy": scores["f1"],
            "token_accuracy": scores["accuracy"],
            "minus_none": scores.get("f1_minus_none"),
        }
        for arm, scores in summary["arms"].items()
    }
    budgets = [judged(budget) for budget in summary.get("budgets", [])]
    return {
        **summary, "arms": arms, "learned_minus": summary["f1_learned_minus"], "budgets": budgets
    }  # fmt: skip
