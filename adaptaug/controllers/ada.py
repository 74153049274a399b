"""The feedback rule of StyleGAN2-ADA, carried over from a GAN's discriminator to a classifier.

Karras et al. 2020, "Training generative adversarial networks with limited data", section 3: one
strength p for all ops starts at 0. It rises by a fixed amount while an overfitting statistic r is
above a target, and falls by the same amount otherwise; r = 0 means no overfitting, r = 1 complete
overfitting. What is changed:

* **The statistic.** The paper's r_v compares a discriminator's outputs for validation images with
  those for training and generated images. A classifier has no generated images. Here
  r = 1 - training loss / validation loss: 0 if unseen examples are as easy as training examples, 1
  if the training loss is 0 and the validation loss is not. The closest analogue of r_v puts chance
  in the place of generated images: (training accuracy - validation accuracy) / training accuracy
  above chance. It mainly measures how hard the data are. It ends near 0.1 on 100 digits, where
  augmentation gains more than two points, and near 0.6 on 1,000 images of CIFAR-10, where the
  augmentation that suits digits gains nothing. Both losses of r are measured on clean examples, and
  a loss is less coarse than an accuracy.
* **The strength** scales the magnitudes of all ops; the paper's p is the probability of applying
  each op. It is clamped to [0, 1], in the paper from below only.
* **The step** is proportional to the fraction of the run since the last decision. So the strength
  rises from 0 to 1 in the same fraction of any run; in the paper this takes 500,000 images. The
  rule is applied at every decision, in the paper every 4 batches.
"""

import math
from collections.abc import Sequence
from typing import Any

from adaptaug.controllers.base import Controller, check_magnitudes
from adaptaug.errors import AdaptAugError
from adaptaug.policy.observation import Observation


class ADA(Controller):
    """Raises the strength while the child overfits more than a target, and lowers it otherwise."""

    features = ("train_loss", "validation_loss")

    def __init__(
        self, magnitudes: Sequence[float], target: float = 0.6, speed: float = 4.0
    ) -> None:
        """Sets the parameters of the rule.

        Args:
            magnitudes: magnitudes at strength 1, one in [0, 1] per op.
            target: the value of r that the rule aims at, at most 1; the paper uses 0.6 for r_v.
            speed: change of the strength per whole run in one direction, above 0; at 4 the strength
                rises from 0 to 1 in a quarter of the run.

        Raises:
            AdaptAugError: an argument is out of its range.
        """
        for fits, rule, value in (
            (target <= 1, "target must be a number up to 1", target),
            (0 < speed < math.inf, "speed must be a number above 0", speed),
        ):
            if not fits:
                raise AdaptAugError(f"{rule}, got {value!r}")
        self.magnitudes, self.target, self.speed = check_magnitudes(magnitudes), target, speed
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Sets the strength to 0; the rule draws nothing at random."""
        self._strength = self._progress = 0.0

    def decide(self, progress: float, observation: Observation | None) -> Sequence[float]:
        """Moves the strength in proportion to the last interval and returns the magnitudes."""
        if observation is None:
            raise ValueError("the ADA rule must observe the run, got no observation")
        step = self.speed * (progress - self._progress)
        if overfitting(observation) <= self.target:
            step = -step
        self._strength = min(max(self._strength + step, 0.0), 1.0)
        self._progress = progress
        return [self._strength * magnitude for magnitude in self.magnitudes]

    def state_dict(self) -> dict[str, Any]:
        """The strength, and the progress at which it was set."""
        return {"strength": self._strength, "progress": self._progress}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores a `state_dict`."""
        self._strength, self._progress = state["strength"], state["progress"]


def overfitting(observation: Observation) -> float:
    """The statistic r, at most 1: 0 without overfitting, negative if validation is easier."""
    train, validation = (observation.feature(name) for name in ("train_loss", "validation_loss"))
    return 1 - train / validation if validation > 0 else 0.0
