"""StyleGAN2-ADA's bang-bang rule, carried over from a GAN's discriminator to a classifier.

Karras et al. 2020, "Training generative adversarial networks with limited data", section 3: one
strength p for all ops starts at 0, rises by a fixed amount while an overfitting statistic r is
above a target, and falls by it otherwise. 0 means no overfitting, 1 complete overfitting. What is
changed:

* **The statistic.** Theirs, r_v, asks how far a discriminator's outputs for validation images
  have moved from those for training images towards those for generated ones. A classifier has no
  generated ones. Here r = 1 - training loss / validation loss, the share of the validation loss
  that overfitting explains: 0 where unseen examples are as easy as those trained on, 1 where the
  training loss is gone and the validation loss is not. The nearest likeness, chance in the place
  of generated images, measures above all how hard the data are: (training accuracy - validation
  accuracy) over training accuracy above chance ends near 0.1 on 100 digits, where augmentation is
  worth two points and more, and near 0.6 on 1,000 images of CIFAR-10, where what suits digits is
  worth nothing. Both losses are on clean examples, and are less coarse than accuracies.
* **p is a magnitude**, shared out over ops by `magnitudes`, where theirs is a probability of
  applying each op. It is kept in [0, 1]; theirs is clamped from below.
* **The step** is a share of the run, so that p rises from 0 to 1 in the same part of any run;
  theirs takes 500,000 images. The rule is applied at every decision, theirs every 4 batches.
"""

import math
from collections.abc import Sequence
from typing import Any

from adaptaug.controllers.base import Controller, check_magnitudes
from adaptaug.errors import AdaptAugError
from adaptaug.policy.observation import Observation


class ADA(Controller):
    """Augments more while the child overfits by more than a target, and less while by less."""

    observes = True
    probes = False

    def __init__(
        self, magnitudes: Sequence[float], target: float = 0.6, speed: float = 4.0
    ) -> None:
        """Describes the rule.

        Args:
            magnitudes: one in [0, 1] per op, those of full strength.
            target: the statistic r that is aimed at, up to 1; 0.6 is the paper's for its own.
            speed: by how much strength moves in a whole run that never turns, above 0: 4 goes
                from nothing to full strength in a quarter of the run.

        Raises:
            AdaptAugError: one of them is out of its range.
        """
        for fits, rule, value in (
            (target <= 1, "target must be a number up to 1", target),
            (0 < speed < math.inf, "speed must be a number above 0", speed),
        ):
            if not fits:
                raise AdaptAugError(f"{rule}, got {value!r}")
        self.magnitudes, self.target, self.speed = check_magnitudes(magnitudes), target, speed
        self.start(0)

    def start(self, seed: int) -> None:
        """Goes back to strength 0; nothing is drawn."""
        self._strength = self._progress = 0.0

    def decide(self, progress: float, observation: Observation | None) -> Sequence[float]:
        """Moves the strength by what the last interval was long, and returns the magnitudes."""
        if observation is None:
            raise ValueError("the rule of ADA must observe the run, got no observation")
        step = self.speed * (progress - self._progress)
        if overfitting(observation) <= self.target:
            step = -step
        self._strength = min(max(self._strength + step, 0.0), 1.0)
        self._progress = progress
        return [self._strength * magnitude for magnitude in self.magnitudes]

    def state_dict(self) -> dict[str, Any]:
        """The strength, and when it was set."""
        return {"strength": self._strength, "progress": self._progress}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes back to a `state_dict`."""
        self._strength, self._progress = state["strength"], state["progress"]


def overfitting(observation: Observation) -> float:
    """The statistic r: 0 without overfitting, at most 1, below 0 where validation is easier."""
    train, validation = (observation.feature(name) for name in ("train_loss", "validation_loss"))
    return 1 - train / validation if validation > 0 else 0.0
