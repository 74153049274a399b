"""Controllers: the rules and policies that pick the magnitudes of the ops in a training run."""

from typing import TYPE_CHECKING

from adaptaug.controllers.base import Controller
from adaptaug.controllers.fixed import Constant, Ramp, Random
from adaptaug.controllers.learned import Learned
from adaptaug.utils.lazy import on_first_use

if TYPE_CHECKING:
    from adaptaug.controllers.ada import ADA
    from adaptaug.controllers.augnet import AugNet
    from adaptaug.controllers.online import Online
    from adaptaug.controllers.reactive import Reactive

__all__ = [
    "ADA",
    "AugNet",
    "Constant",
    "Controller",
    "Learned",
    "Online",
    "Ramp",
    "Random",
    "Reactive",
]

__getattr__ = on_first_use(
    __name__,
    {
        "ADA": "adaptaug.controllers.ada",
        "AugNet": "adaptaug.controllers.augnet",
        "Online": "adaptaug.controllers.online",
        "Reactive": "adaptaug.controllers.reactive",
    },
)
