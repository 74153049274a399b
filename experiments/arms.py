"""The arms of every comparison: a name, the ops it acts on and a controller."""

from collections.abc import Callable, Sequence

from torchvision.transforms import v2

from adaptaug.artefact import Policy
from adaptaug.controllers import Constant, Controller, Learned, Ramp, Random
from adaptaug.data import load
from adaptaug.evaluation import Arm
from adaptaug.modality import Modality
from adaptaug.ops import Op, OpSpace, wrap
from adaptaug.task import Task
from experiments.defaults import DEFAULTS

USUAL: dict[Modality, Callable[[], dict[str, tuple[str | Op, ...]]]] = {
    "image": lambda: {
        "crop and flip": ("crop", "hflip"),
        "RandAugment": (wrap(v2.RandAugment()),),
        "TrivialAugment": (wrap(v2.TrivialAugmentWide()),),
    },
    "text": lambda: {"EDA": ("eda",)},
    "tagging": dict,
}
"""The usual defaults by modality: names of arms and their ops, all at magnitude 1."""

PLAIN = ("none", "crop and flip", "EDA")
"""The fewest arms to compare with."""


def fixed_arms(ops: Sequence[str], task: Task) -> list[Arm]:
    """Arms that need no search: none, hand-set rules and the usual defaults.

    Args:
        ops: op space of the policy that they are compared with.
        task: what is trained: only what makes sense for its data is compared.
    """
    names, modality = tuple(ops), load(task.dataset).modality
    constant = DEFAULTS[modality].hand_set
    magnitudes = [constant.get(name, 0.0) for name in names]
    rules: dict[str, Controller] = {
        "none": Constant([0.0] * len(names)),
        "constant": Constant(magnitudes),
        "ramp": Ramp(magnitudes),
        "random": Random([0.25] * len(names)),
    }
    return [
        *(Arm(name, names, controller) for name, controller in rules.items()),
        *usual_arms(task),
    ]


def usual_arms(task: Task) -> list[Arm]:
    """The usual defaults for the task's data; EDA only with a lexicon."""
    modality = load(task.dataset).modality
    return [
        Arm(name, ops, Constant([1.0] * len(ops)))
        for name, ops in USUAL[modality]().items()
        if all(OpSpace(ops).applies(modality, lexicon=task.lexicon is not None))
    ]


def policy_arm(name: str, policy: Policy) -> Arm:
    """An arm that a policy network controls."""
    return Arm(name, policy.ops, Learned(policy.network))


def constant_arm(name: str, ops: Sequence[str], magnitudes: Sequence[float]) -> Arm:
    """An arm of constant magnitudes."""
    return Arm(name, tuple(ops), Constant(magnitudes))
