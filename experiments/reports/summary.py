"""One task in `summary.json`, and the words that tables and figures use for it."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from adaptaug.data import load
from adaptaug.evaluation.statistics import Record, summarise
from adaptaug.training.task import Task

Data = Mapping[str, Any]


def described(task: Task) -> dict[str, Any]:
    """The fields of a task that a summary shows; `metric` only if it is not accuracy."""
    row = {name: getattr(task, name) for name in ("dataset", "child", "n_train", "steps")}
    rewarded = {} if task.metric == Task.metric else {"metric": task.metric}
    return row | {"modality": load(task.dataset).modality} | rewarded


def task_summary(task: Task, records: Sequence[Record], learned: str = "learned") -> dict[str, Any]:
    """The task and every arm's scores, as `adaptaug.evaluation.statistics.summarise` returns them.

    The score is F1 in tagging, where most tokens lie outside every entity and accuracy says little,
    and the task's own metric elsewhere.
    """
    metric = "f1" if load(task.dataset).modality == "tagging" else task.metric
    return {"task": described(task)} | summarise(records, metric, learned)


def score_name(summary: Data) -> str:
    """The score's name for people: "accuracy" or "F1"."""
    return {"accuracy": "accuracy", "f1": "F1"}[summary["metric"]]


def score_names(summaries: Sequence[Data]) -> str:
    """The scores' names for people: "accuracy", "F1" or "accuracy or F1"."""
    return " or ".join(sorted({*map(score_name, summaries)}, reverse=True))


def robust_score_name(summary: Data) -> str:
    """The name of the score on disturbed inputs: F1 in tagging, else accuracy."""
    return "F1" if summary["task"].get("modality") == "tagging" else "accuracy"


def by_score(arms: Data) -> list[str]:
    """Names of the arms, highest mean score first."""
    return sorted(arms, key=lambda arm: -arms[arm]["score"]["mean"])


def task_name(task: Data) -> str:
    """A task in words: "digits, cnn, 100 training examples, 400 steps"."""
    counts = f"{task['n_train']:,} training examples, {task['steps']:,} steps"
    return f"{_short(task['dataset'])}, {task['child']}, {counts}"


def budget_name(task: Data, budgets: Sequence[Data], separator: str = ", ") -> str:
    """The parts of a task in which the budgets differ: "100 examples, 1,600 steps"."""
    parts = {
        "dataset": _short(task["dataset"]),
        "child": task["child"],
        "n_train": f"{task['n_train']:,} examples",
        "steps": f"{task['steps']:,} steps",
    }
    varied = [key for key in parts if any(b["task"][key] != task[key] for b in budgets)]
    return separator.join(parts[key] for key in varied or parts)


def slugs(tasks: Sequence[Task]) -> list[str]:
    """Short unique names of tasks for files and charts: "digits-cnn-100x400", then "...-2"."""
    seen: Counter[str] = Counter()
    names = []
    for task in tasks:
        name = f"{_short(task.dataset)}-{task.child}-{task.n_train}x{task.steps}"
        name = re.sub(r"[^\w.]+", "-", name)
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return names


def _short(dataset: str) -> str:
    """The last part of a hub id or a folder."""
    return dataset.rstrip("/").rpartition("/")[2]
