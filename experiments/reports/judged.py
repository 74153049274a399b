"""Which score a task is judged by: accuracy, or F1 in tagging and where F1 was the reward.

Most tokens are outside of every entity, so that in tagging accuracy tells little.
"""

from collections.abc import Mapping
from typing import Any

Data = Mapping[str, Any]


def score_name(task: Data) -> str:
    """The score's name for people: "accuracy" or "F1"."""
    by_f1 = task.get("modality") == "tagging" or task.get("metric") == "f1"
    return "F1" if by_f1 else "accuracy"


def judged(summary: Data) -> Data:
    """A summary for tables and figures: what stands as accuracy is the score that counts.

    By F1, `accuracy`, `minus_none` and `learned_minus` are those of F1, and each arm's
    `token_accuracy` is its accuracy; budgets likewise. Others stay as they are.

    Args:
        summary: `task`, and what `adaptaug.evaluation.statistics.summarise` returns.
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
