"""The policy network: one small network that is applied to every op in turn.

The network picks the magnitude of an op from the features of the run, the features of this op and
their mean over all ops. Sharing the network reduces what a search must learn by an order of
magnitude. Except for the biases and gates of the ops, its parameters depend neither on the kinds of
ops nor on their number.
"""

import math
from typing import TypeVar

import numpy as np
import torch
from torch import nn
from torch.nn.utils import skip_init  # default initialisation would draw from the global generator

from adaptaug.policy.observation import GLOBAL_FEATURES, OP_FEATURES

Numbers = TypeVar("Numbers", np.ndarray, torch.Tensor)

OFF_BELOW = -0.9
"""Actions up to this value mean magnitude 0, because tanh never reaches -1."""

START_MAGNITUDE = 0.15
"""Magnitude of every op under an untrained policy, up to the actor's small initial output."""

OFF_BIAS = -3.0
"""Bias of an op whose gate is closed: low enough to keep the op off whatever the actor outputs."""

_LOG_EPOCHS = GLOBAL_FEATURES.index("log_epochs")


def to_magnitudes(actions: Numbers) -> Numbers:
    """Maps actions in [-1, 1] to magnitudes in [0, 1]: 0 up to `OFF_BELOW`, then linear up to 1."""
    magnitudes = ((actions - OFF_BELOW) / (1 - OFF_BELOW)).clip(0.0, 1.0)
    return magnitudes * (magnitudes >= 1e-6)  # float32(-0.9) is slightly above -0.9


def to_actions(magnitudes: np.ndarray) -> np.ndarray:
    """Maps magnitudes in [0, 1] to actions in [OFF_BELOW, 1]; inverts `to_magnitudes`."""
    return magnitudes * (1 - OFF_BELOW) + OFF_BELOW


def to_latent(magnitude: float) -> float:
    """The latent of a magnitude in [0, 1): tanh of it is the action."""
    return math.atanh(to_actions(np.array(magnitude)).item())


START = to_latent(START_MAGNITUDE)
"""Latent of `START_MAGNITUDE`."""


class Standardise(nn.Module):
    """Subtracts a mean from each feature of a flat observation and divides by a scale.

    The search fits mean and scale once, on its first observations. All ops share the statistics of
    the op features.
    """

    def __init__(self, n_ops: int) -> None:
        """Sets every mean to 0 and every scale to 1."""
        super().__init__()
        self.n_ops = n_ops
        for name, count in (("run", len(GLOBAL_FEATURES)), ("op", len(OP_FEATURES))):
            self.register_buffer(f"{name}_mean", torch.zeros(count))
            self.register_buffer(f"{name}_scale", torch.ones(count))

    def forward(self, observations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Standardises observations (B, size): run features (B, G), op features (B, n_ops, F)."""
        run, ops = observations.split([len(GLOBAL_FEATURES), self.n_ops * len(OP_FEATURES)], dim=-1)
        ops = ops.unflatten(-1, (self.n_ops, len(OP_FEATURES)))
        return (run - self.run_mean) / self.run_scale, (ops - self.op_mean) / self.op_scale

    @torch.no_grad()
    def fit(self, observations: torch.Tensor, smallest_scale: float = 0.05) -> None:
        """Sets mean and scale to mean and standard deviation of observations (B, size).

        Args:
            observations: (B, size), as the env returns them.
            smallest_scale: lower bound of the scales, for features that hardly vary.
        """
        for name in ("run", "op"):  # the identity, so that forward only splits
            getattr(self, f"{name}_mean").zero_()
            getattr(self, f"{name}_scale").fill_(1)
        for name, features in zip(("run", "op"), self(observations), strict=True):
            rows = features.flatten(0, -2)
            getattr(self, f"{name}_mean").copy_(rows.mean(0))
            getattr(self, f"{name}_scale").copy_(rows.std(0).clamp_min(smallest_scale))


def mlp(inputs: int, hidden: tuple[int, ...], outputs: int) -> nn.Sequential:
    """Linear layers with tanh between them; their weights are undefined until `initialise`."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [skip_init(nn.Linear, inputs, width), nn.Tanh()]
        inputs = width
    return nn.Sequential(*layers, skip_init(nn.Linear, inputs, outputs))


class SharedActor(nn.Module):
    """Maps the run's features, an op's features and their mean over ops to the op's latent."""

    def __init__(self, hidden: tuple[int, ...]) -> None:
        """Builds the network, with hidden layers of these widths."""
        super().__init__()
        self.layers = mlp(len(GLOBAL_FEATURES) + 2 * len(OP_FEATURES), hidden, 1)

    def forward(self, run: torch.Tensor, ops: torch.Tensor) -> torch.Tensor:
        """Maps run (B, G) and op features (B, n_ops, F) to latents (B, n_ops)."""
        n_ops = ops.shape[-2]
        every = [run, ops.mean(-2)]
        shared = [part.unsqueeze(-2).expand(*part.shape[:-1], n_ops, -1) for part in every]
        latents: torch.Tensor = self.layers(torch.cat([ops, *shared], dim=-1)).squeeze(-1)
        return latents


class PolicyNetwork(nn.Module):
    """Maps an observation to magnitudes: standardise, actor, bias and gate per op, tanh.

    The gate of an op opens and closes with the budget. An op with the row (a, b) of `gate`
    (n_ops, 2) has a gate that is open by g = min(max(a + b x, 0), 1), where x is the feature
    `log_epochs`. The op's bias becomes `OFF_BIAS` + g (bias - `OFF_BIAS`), so that a closed gate
    (g = 0) switches the op off. A warm start or an adaptation sets the gates; by default they are
    (1, 0), open at every budget.
    """

    def __init__(
        self,
        n_ops: int,
        *,
        hidden: tuple[int, ...] = (32, 32),
        op_bias: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        """Builds a policy that keeps every op near `START_MAGNITUDE`.

        Args:
            n_ops: number of ops.
            hidden: widths of the hidden layers.
            op_bias: whether the biases per op are learned; otherwise they stay 0.
            generator: draws the initial weights; None uses a generator seeded with 0.
        """
        super().__init__()
        self.standardise = Standardise(n_ops)
        self.actor = SharedActor(hidden)
        self.op_bias = nn.Parameter(torch.zeros(n_ops), requires_grad=op_bias)
        self.gate: torch.Tensor
        self.register_buffer("gate", torch.tensor([[1.0, 0.0]]).repeat(n_ops, 1))
        initialise(self.actor, generator or torch.Generator().manual_seed(0), last_scale=0.01)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """Maps observations (B, size) to unbounded latents (B, n_ops); tanh of them are actions."""
        latents: torch.Tensor = self.actor(*self.standardise(observations))
        return latents + levels(self.op_bias, self.gate, observations[:, _LOG_EPOCHS])

    def opened(self, observations: torch.Tensor) -> torch.Tensor:
        """How far the gates are open, (B, n_ops) in [0, 1], for observations (B, size)."""
        return _opened(self.gate, observations[:, _LOG_EPOCHS])

    @torch.inference_mode()
    def magnitudes(self, observation: np.ndarray) -> list[float]:
        """Deterministic magnitudes in [0, 1], one per op, for one flat observation (size,)."""
        actions = torch.tanh(self(torch.from_numpy(observation).unsqueeze(0))).squeeze(0)
        chosen: list[float] = to_magnitudes(actions.numpy()).tolist()
        return chosen


def levels(bias: torch.Tensor, gate: torch.Tensor, log_epochs: torch.Tensor) -> torch.Tensor:
    """Latents of the ops at given budgets, without the actor's output.

    Args:
        bias: biases of the ops, (n_ops,); 0 means `START_MAGNITUDE`.
        gate: gates of the ops, (n_ops, 2); see `PolicyNetwork`.
        log_epochs: budgets as the feature `log_epochs`, (B,).

    Returns:
        Latents (B, n_ops); tanh of them are actions.
    """
    return torch.lerp(torch.full_like(bias, OFF_BIAS), bias, _opened(gate, log_epochs)) + START


def _opened(gate: torch.Tensor, log_epochs: torch.Tensor) -> torch.Tensor:
    """How far gates (n_ops, 2) are open, (B, n_ops) in [0, 1], at budgets `log_epochs` (B,)."""
    return (gate[:, 0] + gate[:, 1] * log_epochs[:, None]).clamp(0, 1)


def initialise(network: nn.Module, generator: torch.Generator, last_scale: float) -> None:
    """Sets orthogonal weights with gain sqrt(2), or `last_scale` in the last layer; zero biases."""
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    for layer in linear:
        gain = last_scale if layer is linear[-1] else math.sqrt(2)
        nn.init.orthogonal_(layer.weight, gain, generator=generator)
        nn.init.zeros_(layer.bias)
