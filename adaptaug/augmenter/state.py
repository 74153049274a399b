"""The state of an `Augmenter` for a checkpoint: what must fit, and what may have changed."""

from collections.abc import Mapping
from typing import Any

from adaptaug.augmenter.notices import Notices
from adaptaug.augmenter.plan import Plan
from adaptaug.augmenter.setup import Setup
from adaptaug.errors import AdaptAugError

_COUNTS = ("total_steps", "planned", "batch_size", "n_train", "step", "seed")
_KEYS = ("ops", "total_steps", "batch_size", "step", "generator", "decisions")


def check_state(state: Mapping[str, Any], rules: Mapping[str, object]) -> None:
    """Refuses what is no state of an augmenter, and the state of another run.

    Args:
        state: what `Augmenter.load_state_dict` is given.
        rules: what must be equal. Older states lack some, which are not compared then.

    Raises:
        AdaptAugError: a key is missing, or a value differs.
    """
    missing = [key for key in _KEYS if not isinstance(state, Mapping) or key not in state]
    if missing:
        raise AdaptAugError(
            f"an augmenter's state must have the keys of state_dict(), got none for {missing}"
        )
    for name in _COUNTS:
        value = state.get(name)
        if value is not None and not (isinstance(value, int) and value >= 0):
            raise AdaptAugError(f"{name} of an augmenter's state must be a count, got {value!r}")
    if not state["total_steps"] or state["step"] is None or not _whole(state["decisions"]):
        raise AdaptAugError(
            "an augmenter's state must be whole, got one without steps or magnitudes"
        )
    for name, ours in rules.items():
        theirs = state.get(name, True if name == "uses_held_out" else ours)
        if type(theirs) is not type(ours) or theirs != ours:
            raise AdaptAugError(f"{name} of an augmenter's state must be {ours}, got {theirs}")


def _whole(decisions: Any) -> bool:
    """Whether the state of the decisions has magnitudes, or there were none yet."""
    loop = decisions.get("loop") if isinstance(decisions, Mapping) else None
    found = loop.get("magnitudes") if isinstance(loop, Mapping) else None
    return decisions is None or isinstance(found, list)


def resume(plan: Plan, state: Mapping[str, Any], notices: Notices) -> int:
    """Fits the plan to a state; what has changed since is taken, and a warning names it.

    Args:
        plan: the plan of the run that goes on, as the user described it.
        state: a checked state.
        notices: the warnings of the run.

    Returns:
        The calls that are done. Where the size of a batch has changed, and with it the calls in the
        whole run, the same fraction of the run is done.
    """
    plan.resume(state["total_steps"], state["batch_size"])
    now = {"total_steps": plan.told, "batch_size": plan.batch_size, "n_train": plan.n_train}
    changed = [n for n, value in now.items() if state.get(n) not in (None, value)]
    step = int(state["step"])
    if not changed:
        plan.total = state.get("planned") or plan.told
        return step
    plan.total = plan.told
    words = ", ".join(f"{name} was {state[name]} and is {now[name]}" for name in changed)
    notices("resumed", "the resumed run differs: %s; the rest of it is planned for that", words)
    return plan.rescaled(step, state["total_steps"]) if "batch_size" in changed else step


def restore(setup: Setup, state: Mapping[str, Any]) -> None:
    """Continues the run of a state in a new setup.

    Raises:
        AdaptAugError: the state is damaged.
    """
    try:
        setup.draws.set_state(state["generator"].cpu())
        setup.decisions.load_state_dict(state["decisions"])
    except AdaptAugError:
        raise
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise AdaptAugError(
            f"an augmenter's state must be as state_dict() returned it, got one that is damaged "
            f"({type(error).__name__}: {error})"
        ) from error
