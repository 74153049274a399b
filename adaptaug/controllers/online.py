"""A learned policy that goes on adapting during the run that it steers."""

import copy

import numpy as np
import torch
from torch import nn

from adaptaug.controllers.score_function import ScoreFunction
from adaptaug.policy.network import PolicyNetwork
from adaptaug.policy.observation import Observation


class Online(ScoreFunction):
    """A policy whose bias per op follows what helps in this run; the rest stays as searched.

    Every run starts from the policy as it was given. What moves the biases is the score function,
    see `adaptaug.controllers.score_function`. Adam moves a bias by at most about `learning_rate`
    a decision: with the defaults and 8 decisions a magnitude stays within about a tenth of the
    policy's, with hundreds it can go anywhere. Without noise and learning it is `Learned`.
    """

    def __init__(
        self, network: PolicyNetwork, learning_rate: float = 0.02, noise: float = 0.1
    ) -> None:
        """Takes the network of a policy artefact, which is left as it is.

        Args:
            network: where every run starts.
            learning_rate: Adam's, for the biases, in latents a decision.
            noise: standard deviation of the draws around the policy's latents.

        Raises:
            AdaptAugError: a rate or a noise that cannot be learned with.
        """
        self.network = network
        super().__init__(learning_rate, noise)

    def _begin(self, generator: torch.Generator) -> nn.Module:
        network = copy.deepcopy(self.network).eval().requires_grad_(False)
        network.op_bias.requires_grad_(True)
        return network

    def _inputs(self, observation: Observation) -> np.ndarray:
        return observation.flat()
