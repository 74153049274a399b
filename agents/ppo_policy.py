"""PPO's actor and critic: the policy network as a policy of stable-baselines3."""

import math
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import SquashedDiagGaussianDistribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import nn

from adaptaug.policy.network import PolicyNetwork, initialise, mlp
from adaptaug.policy.observation import GLOBAL_FEATURES, OP_FEATURES

HELD_SHARE = 0.5
"""Fraction of the exploration noise's variance that is drawn once per episode and then held."""


class OpPolicy(ActorCriticPolicy):
    """PPO's actor and critic around `adaptaug.policy.network.PolicyNetwork`.

    Actions are tanh of a Gaussian whose means are the network's latents. If they were clipped
    instead, the deterministic action would differ from the behaviour that PPO optimises. The critic
    sees the features of the run and the mean over ops of the op features.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        *,
        hidden: tuple[int, ...] = (32, 32),
        op_bias: bool = True,
        log_std_init: float = -0.9,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        """Builds actor, critic and optimiser.

        Args:
            observation_space: flat observations.
            action_space: `Box(-1, 1, (n_ops,))`.
            lr_schedule: learning rate of Adam by the fraction of the search that is left.
            hidden: widths of the actor's and critic's hidden layers.
            op_bias: whether the network learns a bias for each op.
            log_std_init: initial logarithm of the standard deviation of the noise, before tanh.
            seed: draws the initial weights.
            **kwargs: arguments that stable-baselines3 passes to every policy.
        """
        self._actor_kwargs: dict[str, Any] = {"hidden": hidden, "op_bias": op_bias}
        self._seed = seed
        super().__init__(
            observation_space, action_space, lr_schedule, log_std_init=log_std_init, **kwargs
        )
        self._squash_output = True  # so that PPO neither clips nor rescales actions

    def _build(self, lr_schedule: Schedule) -> None:
        """Builds the networks; called once by the base class."""
        assert self.action_space.shape is not None
        n_ops = self.action_space.shape[0]
        generator = torch.Generator().manual_seed(self._seed)
        self.network = PolicyNetwork(n_ops, generator=generator, **self._actor_kwargs)
        self.critic = mlp(len(GLOBAL_FEATURES) + len(OP_FEATURES), (32, 32), 1)
        initialise(self.critic, generator, last_scale=0.01)  # rewards have mean 0
        self.log_std = nn.Parameter(torch.full((n_ops,), float(self.log_std_init)))
        self._held = torch.zeros(0, n_ops)
        self.action_dist = SquashedDiagGaussianDistribution(n_ops)
        self.optimizer = torch.optim.Adam(self.parameters(), lr=lr_schedule(1))

    def forward(
        self, obs: torch.Tensor, deterministic: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Actions (B, n_ops), values (B, 1) and log-probabilities (B,)."""
        distribution = self.get_distribution(obs)
        latents = distribution.distribution.mean
        if not deterministic:
            latents = latents + self.log_std.exp() * self._noise(obs)
        actions = torch.tanh(latents)
        return actions, self.predict_values(obs), self._log_prob(obs, distribution, latents)

    def _log_prob(
        self,
        obs: torch.Tensor,
        distribution: SquashedDiagGaussianDistribution,
        latents: torch.Tensor,
    ) -> torch.Tensor:
        """Log-density (B,) of the actions tanh(latents).

        Ops whose gate is less than half open are off whatever is drawn, and are left out.
        """
        slope = 1 - torch.tanh(latents) ** 2
        each: torch.Tensor = distribution.distribution.log_prob(latents) - torch.log(slope + 1e-6)
        return (each * self.network.acting(obs)).sum(-1)

    def _noise(self, obs: torch.Tensor) -> torch.Tensor:
        """Standard normal noise (B, n_ops), of which one part is held for the whole episode.

        The effect of an op shows over a whole run, where noise that is drawn anew at every decision
        mostly cancels. Held noise needs fewer episodes to find the effect, and its marginal
        distribution is the same (Hollenstein et al. 2024, "Colored Noise in PPO"). Neighbouring
        children of a group get held parts of opposite sign (antithetic sampling).
        """
        fresh = torch.randn(len(obs), self._held.shape[1])
        starting = obs[:, GLOBAL_FEATURES.index("progress")] == 0
        if len(self._held) != len(obs):
            self._held = torch.zeros_like(fresh)
        count = int(starting.sum())
        drawn = torch.randn((count + 1) // 2, fresh.shape[1])
        self._held[starting] = torch.stack([drawn, -drawn], dim=1).flatten(0, 1)[:count]
        return math.sqrt(HELD_SHARE) * self._held + math.sqrt(1 - HELD_SHARE) * fresh

    def evaluate_actions(
        self, obs: PyTorchObs, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Values (B, 1), log-probabilities (B,) and None: the entropy has no closed form."""
        assert isinstance(obs, torch.Tensor)
        distribution = self.get_distribution(obs)
        bound = 1 - torch.finfo(actions.dtype).eps
        latents = torch.atanh(actions.clamp(-bound, bound))
        return self.predict_values(obs), self._log_prob(obs, distribution, latents), None

    def get_distribution(self, obs: PyTorchObs) -> SquashedDiagGaussianDistribution:
        """The squashed Gaussian over actions."""
        assert isinstance(obs, torch.Tensor)
        assert isinstance(self.action_dist, SquashedDiagGaussianDistribution)
        return self.action_dist.proba_distribution(self.network(obs), self.log_std)

    def predict_values(self, obs: PyTorchObs) -> torch.Tensor:
        """Values (B, 1) of observations (B, size)."""
        assert isinstance(obs, torch.Tensor)
        run, ops = self.network.standardise(obs)
        values: torch.Tensor = self.critic(torch.cat([run, ops.mean(-2)], dim=-1))
        return values

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> torch.Tensor:
        """Actions (B, n_ops) in (-1, 1)."""
        return self.get_distribution(observation).get_actions(deterministic=deterministic)

    def unscale_action(self, scaled_action: np.ndarray) -> np.ndarray:
        """Returns the action as it is: the action space is (-1, 1)."""
        return scaled_action
