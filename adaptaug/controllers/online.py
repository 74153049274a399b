"""A learned policy that keeps learning during the training run that it augments."""

import copy

import numpy as np
import torch
from torch import nn

from adaptaug.controllers.score_function import ScoreFunction
from adaptaug.policy.network import PolicyNetwork
from adaptaug.policy.observation import Observation


class Online(ScoreFunction):
    """A policy that learns its biases per op during the run; its other parameters are frozen.

    Every run starts from the biases of the given policy. The gradient is estimated with the score
    function; see `adaptaug.controllers.score_function`. Adam moves a bias by at most about
    `learning_rate` per decision. With the defaults and 8 decisions a magnitude stays within about
    0.1 of the policy's; with hundreds of decisions it can reach any value. With a learning rate and
    a noise of 0 it decides as `Learned` does.
    """

    def __init__(
        self,
        network: PolicyNetwork,
        learning_rate: float = 0.02,
        noise: float = 0.1,
        min_epochs: float = 0.0,
    ) -> None:
        """Takes the network of a policy and copies it for each run.

        Args:
            network: the network with which every run starts; not modified.
            learning_rate: learning rate of Adam for the biases, in latents per decision.
            noise: standard deviation of the draws around the policy's latents.
            min_epochs: epochs of the shortest run that the policy augments.

        Raises:
            AdaptAugError: learning rate or noise is negative or not finite, or the noise is 0 and
                the learning rate is not.
        """
        self.network, self.min_epochs = network, min_epochs
        self.features = (*network.standardise.features(), "validation_loss")
        super().__init__(learning_rate, noise)

    def _begin(self, generator: torch.Generator) -> nn.Module:
        network = copy.deepcopy(self.network).eval().requires_grad_(False)
        network.op_bias.requires_grad_(True)
        return network

    def _inputs(self, observation: Observation) -> np.ndarray:
        return observation.flat()
