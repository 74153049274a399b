"""Controllers: whoever picks the magnitudes of the ops during a training run."""

from adaptaug.controllers.ada import ADA
from adaptaug.controllers.augnet import AugNet
from adaptaug.controllers.base import Controller
from adaptaug.controllers.fixed import Constant, Ramp, Random
from adaptaug.controllers.learned import Learned
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
