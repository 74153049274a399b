"""The policy network: one small network that is applied to every op in turn.

The network picks the magnitude of an op from the features of the run, the features of this op and
their mean over all ops. Sharing the network reduces what a search must learn by an order of
magnitude. Except for the biases and gates of the ops, its parameters depend neither on the kinds of
ops nor on their number.
"""

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import nn
from torch.nn.utils import skip_init  # default initialisation would draw from the global generator

from adaptaug.policy.observation import FEATURES, GLOBAL_FEATURES, OP_FEATURES

Numbers = TypeVar("Numbers", np.ndarray, torch.Tensor)

OFF_BELOW = -0.9
"""Actions up to this value mean magnitude 0, because tanh never reaches -1."""

START_MAGNITUDE = 0.15
"""Magnitude of every op under an untrained policy, up to the actor's small initial output."""

OFF_BIAS = -3.0
"""Bias of an op whose gate is closed."""

CLOSED = -20.0
"""Latent of an op whose gate is less than half open: tanh of it is -1 in float32, whatever the
noise of a search adds."""

HALF_OPEN = 0.5
"""An op is off where its gate is open by less than this."""

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
    the op features. A feature that was constant then has scale infinity and is always 0: no weight
    was trained for other values.
    """

    def __init__(self, n_ops: int) -> None:
        """Sets every mean to 0 and every scale to 1."""
        super().__init__()
        self.n_ops = n_ops
        self.run_mean: torch.Tensor
        self.run_scale: torch.Tensor
        self.op_scale: torch.Tensor
        for name, count in (("run", len(GLOBAL_FEATURES)), ("op", len(OP_FEATURES))):
            self.register_buffer(f"{name}_mean", torch.zeros(count))
            self.register_buffer(f"{name}_scale", torch.ones(count))

    def forward(self, observations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Standardises observations (B, size): run features (B, G), op features (B, n_ops, F).

        An unknown feature, NaN, becomes 0, which stands for the feature's mean.
        """
        run, ops = observations.split([len(GLOBAL_FEATURES), self.n_ops * len(OP_FEATURES)], dim=-1)
        ops = ops.unflatten(-1, (self.n_ops, len(OP_FEATURES)))
        run, ops = (run - self.run_mean) / self.run_scale, (ops - self.op_mean) / self.op_scale
        return run.nan_to_num(nan=0.0), ops.nan_to_num(nan=0.0)

    def features(self) -> tuple[str, ...]:
        """Names of the features that are not always 0."""
        scales = torch.cat([self.run_scale, self.op_scale])
        return tuple(n for n, s in zip(FEATURES, scales.tolist(), strict=True) if math.isfinite(s))

    @torch.no_grad()
    def fit(self, observations: torch.Tensor, smallest_scale: float = 0.05) -> None:
        """Sets mean and scale to mean and standard deviation of observations (B, size).

        Args:
            observations: (B, size), as the env returns them.
            smallest_scale: lower bound of the scales, for features that hardly vary. Features that
                are constant get the scale infinity.
        """
        for name in ("run", "op"):  # the identity, so that forward only splits
            getattr(self, f"{name}_mean").zero_()
            getattr(self, f"{name}_scale").fill_(1)
        for name, features in zip(("run", "op"), self(observations), strict=True):
            mean, scale = _statistics(features.flatten(0, -2), smallest_scale)
            getattr(self, f"{name}_mean").copy_(mean)
            getattr(self, f"{name}_scale").copy_(scale)

    @torch.no_grad()
    def fit_run(
        self, names: Sequence[str], values: torch.Tensor, smallest_scale: float = 0.05
    ) -> None:
        """Sets mean and scale of some features of the run to those of other values.

        Args:
            names: some of the GLOBAL_FEATURES.
            values: values of these features, (N, len(names)).
            smallest_scale: as in `fit`.
        """
        indices = [GLOBAL_FEATURES.index(name) for name in names]
        self.run_mean[indices], self.run_scale[indices] = _statistics(values, smallest_scale)


def _statistics(rows: torch.Tensor, smallest_scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and scale of each column of rows (N, F)."""
    scale = rows.std(0).clamp_min(smallest_scale)
    # Rounding gives a constant column a standard deviation above 0, so its values are compared.
    return rows.mean(0), scale.masked_fill((rows == rows[0]).all(0), math.inf)


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
    `log_epochs`. The op's bias becomes `OFF_BIAS` + g (bias - `OFF_BIAS`). A gate that is less than
    half open (g < 1/2) switches the op off. A warm start or an adaptation sets the gates; by
    default they are (1, 0), open at every budget.
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
        latents = latents + levels(self.op_bias, self.gate, observations[:, _LOG_EPOCHS])
        return latents.masked_fill(~self.acting(observations), CLOSED)

    def acting(self, observations: torch.Tensor) -> torch.Tensor:
        """Which ops have a gate that is at least half open, bool (B, n_ops); the others are off."""
        return _opened(self.gate, observations[:, _LOG_EPOCHS]) >= HALF_OPEN

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
