"""`adaptaug show`: a policy's card, for people."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adaptaug.policy.policy import Policy, usage

_WIDTH = 88
"""Columns of the printed card."""

Facts = Mapping[str, Any]
"""Provenance as it is read from an artefact: whoever made it may have left anything out."""


def card(reference: str, policy: Policy) -> str:
    """What the policy does, where it comes from and how to use it, as text for a terminal.

    Args:
        reference: what the policy was loaded by; it stands in the example.
        policy: the loaded policy.
    """
    rows = [
        ("ops", ", ".join(policy.ops)),
        ("data", " or ".join(_modalities(policy))),
        ("decisions", _decisions(policy)),
        ("min_epochs", _min_epochs(policy.min_epochs)),
        *_origin(policy.provenance),
    ]
    return "\n".join(
        [
            f"{reference}: an AdaptAug policy",
            "",
            *(line for name, text in rows for line in _row(name, text)),
            "",
            "In your own loop:",
            "",
            textwrap.indent(usage(reference, policy.op_space), "    "),
        ]
    )


def _modalities(policy: Policy) -> list[str]:
    """The kinds of data that at least one op is for, in the order of the ops."""
    names = {"image": "images", "text": "sentences", "tagging": "tagged sentences"}
    found = [modality for op in policy.op_space.ops for modality in op.modalities]
    return [names[modality] for modality in dict.fromkeys(found)]


def _decisions(policy: Policy) -> str:
    if policy.decision_interval is not None:
        return f"one every {policy.decision_interval} steps"
    return f"{policy.decisions} in a run"


def _min_epochs(epochs: float) -> str:
    return f"{epochs:.1f}; shorter runs are not augmented" if epochs > 0 else "0, no lower limit"


def _origin(provenance: Facts) -> Iterator[tuple[str, str]]:
    """Rows on the search, and on the adaptation to other data if there was one."""
    if isinstance(provenance.get("adapted_from"), Mapping):
        yield "adapted to", str(provenance.get("dataset", "unknown data"))
        yield from _origin(provenance["adapted_from"])
        return
    if "episodes" in provenance:
        seed = f", seed {provenance['seed']}" if "seed" in provenance else ""
        yield "search", f"{provenance['episodes']} trainings{seed}"
    tasks = provenance.get("tasks")
    for task in tasks if isinstance(tasks, Sequence) else ():
        if isinstance(task, Mapping):
            yield "searched on", _task(task)


def _task(task: Facts) -> str:
    """One task of a search: data, child and budgets."""
    parts = [str(task.get("dataset", "unknown data"))]
    parts += [f"child {task['child']}"] if "child" in task else []
    parts += [f"{_between(task['n_train'])} training examples"] if "n_train" in task else []
    parts += [f"{_between(task['steps'])} steps"] if "steps" in task else []
    parts += [f"batches of {task['batch_size']}"] if "batch_size" in task else []
    parts += [f"metric {task['metric']}"] if "metric" in task else []
    return ", ".join(parts)


def _between(budget: Any) -> str:
    """A number, or a range of two."""
    if isinstance(budget, Sequence) and len(budget) == 2 and budget[0] != budget[1]:
        return f"{budget[0]} to {budget[1]}"
    return str(budget[0] if isinstance(budget, Sequence) and budget else budget)


def _row(name: str, text: str) -> list[str]:
    """A name and its text, wrapped beside it."""
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"  {name:<13}",
        subsequent_indent=" " * 15,
        break_long_words=False,
        break_on_hyphens=False,
    )
