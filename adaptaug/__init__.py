"""AdaptAug: learn when and how strongly to augment.

`Augmenter` augments the batches of a training loop. `Constant`, `Ramp` and `Random` are baselines
to compare a policy with. `Op`, `register` and `wrap` define new ops.
"""

from typing import TYPE_CHECKING

from adaptaug.augmenter.augmenter import Augmenter
from adaptaug.controllers import Constant, Controller, Ramp, Random
from adaptaug.errors import AdaptAugError
from adaptaug.ops import Op, OpSpace, ops_for, register
from adaptaug.policy.policy import Policy, load_policy, save_policy
from adaptaug.utils.lazy import on_first_use

if TYPE_CHECKING:
    from adaptaug.evaluation.audit import audit
    from adaptaug.ops.wrapped import wrap
    from adaptaug.training.task import Task

__all__ = [
    "AdaptAugError",
    "Augmenter",
    "Constant",
    "Controller",
    "Op",
    "OpSpace",
    "Policy",
    "Ramp",
    "Random",
    "Task",
    "audit",
    "load_policy",
    "ops_for",
    "register",
    "save_policy",
    "wrap",
]

__getattr__ = on_first_use(
    __name__,
    {
        "Task": "adaptaug.training.task",
        "audit": "adaptaug.evaluation.audit",
        "wrap": "adaptaug.ops.wrapped",
    },
)
