"""AugNet (study 4): a small network that learns during the training run that it augments.

As in the study, the network has 64 and 32 units with ReLU, reads the current loss and accuracy, and
learns with Adam at 1e-2 from what followed its decisions. What the study leaves open, and what is
changed:

* It reads four numbers: loss and accuracy of the last augmented batches, which show what the
  magnitudes do to training, and loss and score on the validation split, which show whether they
  help.
* The study picks magnitudes for the next batch; here they hold until the next decision. With
  `decision_interval=1` a run is the study's.
* The gradient estimator is the score function (REINFORCE) with a running baseline; the reward is
  the fall in validation loss. `adaptaug.controllers.score_function` has the equations and says why
  the path-wise gradient is not used.
"""

import numpy as np
import torch
from torch import nn
from torch.nn.utils import skip_init  # default initialisation would draw from the global generator

from adaptaug.controllers.score_function import ScoreFunction
from adaptaug.policy.network import START, initialise
from adaptaug.policy.observation import Observation

INPUTS = ("batch_loss", "batch_accuracy", "validation_loss", "validation_score")
"""The features that the network reads."""


class AugNet(ScoreFunction):
    """Learns the magnitudes from scratch in each run, with the score function (REINFORCE).

    Every op starts near `adaptaug.policy.network.START_MAGNITUDE`. Learning needs a few dozen
    decisions in a run at least.
    """

    features = INPUTS

    def __init__(
        self,
        n_ops: int,
        hidden: tuple[int, ...] = (64, 32),
        learning_rate: float = 1e-2,
        noise: float = 0.3,
    ) -> None:
        """Sets the parameters of the network, which is built anew for each run.

        Args:
            n_ops: number of ops.
            hidden: widths of the hidden layers.
            learning_rate: learning rate of Adam.
            noise: standard deviation of the draws around the network's latents.

        Raises:
            AdaptAugError: learning rate or noise is negative or not finite, or the noise is 0 and
                the learning rate is not.
        """
        self.n_ops, self.hidden = n_ops, tuple(hidden)
        super().__init__(learning_rate, noise)

    def _begin(self, generator: torch.Generator) -> nn.Module:
        layers: list[nn.Module] = []
        inputs = len(INPUTS)
        for width in self.hidden:
            layers += [skip_init(nn.Linear, inputs, width), nn.ReLU()]
            inputs = width
        last = skip_init(nn.Linear, inputs, self.n_ops)
        network = nn.Sequential(*layers, last)
        initialise(network, generator, last_scale=0.01)
        nn.init.constant_(last.bias, START)
        return network

    def _inputs(self, observation: Observation) -> np.ndarray:
        return np.array([observation.feature(name) for name in INPUTS], np.float32)
