"""The arms of every comparison: a name, the ops it acts on and a controller."""

from collections.abc import Mapping, Sequence

from torchvision.transforms import v2

from adaptaug.artefact import Policy
from adaptaug.controllers import Constant, Controller, Learned, Ramp, Random
from adaptaug.evaluation import Arm
from adaptaug.ops import wrap

HAND_SET: Mapping[str, float] = {
    "rotate": 0.35,
    "translate": 0.35,
    "zoom": 0.35,
    "shear": 0.35,
    "noise": 0.35,
    "erasing": 0.35,
}
"""A moderate constant that a person would set: geometry, noise and erasing, labels preserved."""


def fixed_arms(ops: Sequence[str], constant: Mapping[str, float] = HAND_SET) -> list[Arm]:
    """Arms that need no search: none, hand-set rules and the usual defaults.

    Args:
        ops: op space of the policy that they are compared with.
        constant: magnitudes of the hand-set constant, which the ramp passes at half of the run.
    """
    names = tuple(ops)
    magnitudes = [constant.get(name, 0.0) for name in names]
    rules: dict[str, Controller] = {
        "none": Constant([0.0] * len(names)),
        "constant": Constant(magnitudes),
        "ramp": Ramp(magnitudes),
        "random": Random([0.25] * len(names)),
    }
    return [
        *(Arm(name, names, controller) for name, controller in rules.items()),
        Arm("crop and flip", ("crop", "hflip"), Constant([1.0, 1.0])),
        Arm("RandAugment", (wrap(v2.RandAugment()),), Constant([1.0])),
        Arm("TrivialAugment", (wrap(v2.TrivialAugmentWide()),), Constant([1.0])),
    ]


def policy_arm(name: str, policy: Policy) -> Arm:
    """An arm that a policy network controls."""
    return Arm(name, policy.ops, Learned(policy.network))


def constant_arm(name: str, ops: Sequence[str], magnitudes: Sequence[float]) -> Arm:
    """An arm of constant magnitudes."""
    return Arm(name, tuple(ops), Constant(magnitudes))
