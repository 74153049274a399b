"""AugNet (study 4): a small network that learns during the very run that it steers.

As in the study: 64 and 32 units with ReLU, Adam at 1e-2, fed with the current loss and accuracy,
updated from what followed. Where the study leaves it open or is changed here:

* The current loss and accuracy are those of the last augmented batches and of the validation
  split, four numbers: the first tell what the magnitudes do to training, the second whether that
  helps. An observation brings both.
* The study predicts for the next batch; here for the batches until the next decision. A run with
  `decision_interval=1` is the study's.
* The gradient estimator is the score function (REINFORCE) with a running baseline, on the fall in
  validation loss. The path-wise gradient would have to go through the child's update: it needs
  ops that are differentiable in their magnitude, the model and its optimizer in hand, and a second
  backward pass. `adaptaug.controllers.score_function` has the equations.
"""

import numpy as np
import torch
from torch import nn
from torch.nn.utils import skip_init  # the usual initialisation draws from the global generator

from adaptaug.controllers.score_function import ScoreFunction
from adaptaug.policy.network import START, initialise
from adaptaug.policy.observation import Observation

INPUTS = ("batch_loss", "batch_accuracy", "validation_loss", "validation_accuracy")
"""The features that the network reads."""


class AugNet(ScoreFunction):
    """Learns the magnitudes from nothing in each run, by the score function (REINFORCE).

    It starts near `adaptaug.policy.network.START_MAGNITUDE` for every op. The more decisions a run
    has, the more it can learn: a few dozen at least.
    """

    probes = False

    def __init__(
        self,
        n_ops: int,
        hidden: tuple[int, ...] = (64, 32),
        learning_rate: float = 1e-2,
        noise: float = 0.3,
    ) -> None:
        """Describes the network; it is built anew for each run.

        Args:
            n_ops: length of the op space.
            hidden: widths of the hidden layers.
            learning_rate: Adam's.
            noise: standard deviation of the draws around the network's output, before squashing.

        Raises:
            AdaptAugError: a rate or a noise that cannot be learned with.
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
