"""AdaptAug: learn when and how strongly to augment.

In a training loop: `Augmenter`. Simple rules to judge a policy against: `Constant`, `Ramp`,
`Random`. For ops of one's own: `Op`, `register`, `wrap`.
"""

from adaptaug.artefact import Policy, load_policy, save_policy
from adaptaug.augmenter import Augmenter
from adaptaug.controllers import Constant, Controller, Ramp, Random
from adaptaug.errors import AdaptAugError
from adaptaug.ops import Op, OpSpace, ops_for, register, wrap
from adaptaug.task import Task

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
    "load_policy",
    "ops_for",
    "register",
    "save_policy",
    "wrap",
]
