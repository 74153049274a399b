"""Controllers: whoever picks the magnitudes of the ops during a training run."""

from adaptaug.controllers.base import Controller
from adaptaug.controllers.fixed import Constant, Ramp, Random
from adaptaug.controllers.learned import Learned

__all__ = ["Constant", "Controller", "Learned", "Ramp", "Random"]
