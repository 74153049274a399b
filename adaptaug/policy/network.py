"""The policy network: one small network that is applied to every op in turn.

What one op's magnitude should be is the same question for every op: given how the run goes, what
this op alone does to held-out examples, and what the ops do on average. Sharing the network cuts
what a search must find by an order of magnitude, and its parameters (but for one optional bias
per op) know neither which ops there are, nor how many.
"""

import math
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from torch import nn
from torch.nn.utils import skip_init  # the usual initialisation draws from the global generator

from adaptaug.errors import AdaptAugError
from adaptaug.policy.observation import GLOBAL_FEATURES, OP_FEATURES, log_passes, observation_size

Numbers = TypeVar("Numbers", np.ndarray, torch.Tensor)

OFF_BELOW = -0.9
"""Actions up to here switch an op off, so that a squashed action can reach magnitude 0."""

START_MAGNITUDE = 0.15
"""Magnitude of every op under a policy that has learned nothing."""

OFF_BIAS = -3.0
"""Bias of an op that is off, whatever the network says."""

IDLE = -10.0
"""Latent of every op in a run that is left alone."""

_LOG_PASSES = GLOBAL_FEATURES.index("log_passes")


def to_magnitudes(actions: Numbers) -> Numbers:
    """Maps actions in [-1, 1] to magnitudes in [0, 1]; those up to `OFF_BELOW` mean 0."""
    magnitudes = ((actions - OFF_BELOW) / (1 - OFF_BELOW)).clip(0.0, 1.0)
    return magnitudes * (magnitudes >= 1e-6)  # float32(-0.9) is above -0.9


def to_actions(magnitudes: np.ndarray) -> np.ndarray:
    """Maps magnitudes in [0, 1] to the actions in [OFF_BELOW, 1] that mean them."""
    return magnitudes * (1 - OFF_BELOW) + OFF_BELOW


def to_latent(magnitude: float) -> float:
    """The number whose tanh is the action that means a magnitude in [0, 1)."""
    return math.atanh(to_actions(np.array(magnitude)).item())


START = to_latent(START_MAGNITUDE)
"""Latent of every op under a policy that has learned nothing."""


class Standardise(nn.Module):
    """Shifts and scales a flat observation, each feature by what the search saw of it first.

    The statistics of op features are shared by all ops, as the network is.
    """

    def __init__(self, n_ops: int) -> None:
        """Starts with mean 0 and scale 1."""
        super().__init__()
        self.n_ops = n_ops
        for name, count in (("run", len(GLOBAL_FEATURES)), ("op", len(OP_FEATURES))):
            self.register_buffer(f"{name}_mean", torch.zeros(count))
            self.register_buffer(f"{name}_scale", torch.ones(count))

    def forward(self, observations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Splits observations (B, size) into run (B, G) and op features (B, n_ops, F)."""
        run, ops = observations.split([len(GLOBAL_FEATURES), self.n_ops * len(OP_FEATURES)], dim=-1)
        ops = ops.unflatten(-1, (self.n_ops, len(OP_FEATURES)))
        return (run - self.run_mean) / self.run_scale, (ops - self.op_mean) / self.op_scale

    @torch.no_grad()
    def fit(self, observations: torch.Tensor, smallest_scale: float = 0.05) -> None:
        """Takes mean and standard deviation from observations (B, size)."""
        for name in ("run", "op"):  # back to the identity, so that forward only splits
            getattr(self, f"{name}_mean").zero_()
            getattr(self, f"{name}_scale").fill_(1)
        for name, features in zip(("run", "op"), self(observations), strict=True):
            rows = features.flatten(0, -2)
            getattr(self, f"{name}_mean").copy_(rows.mean(0))
            getattr(self, f"{name}_scale").copy_(rows.std(0).clamp_min(smallest_scale))


def mlp(inputs: int, hidden: tuple[int, ...], outputs: int) -> nn.Sequential:
    """Linear layers with tanh between them, their weights yet to be set: see `initialise`."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [skip_init(nn.Linear, inputs, width), nn.Tanh()]
        inputs = width
    return nn.Sequential(*layers, skip_init(nn.Linear, inputs, outputs))


class SharedActor(nn.Module):
    """The network applied to every op: run, this op's and the mean op's features to one number."""

    def __init__(self, n_ops: int, hidden: tuple[int, ...]) -> None:
        """Builds the network; `n_ops` does not matter to it."""
        super().__init__()
        self.layers = mlp(len(GLOBAL_FEATURES) + 2 * len(OP_FEATURES), hidden, 1)

    def forward(self, run: torch.Tensor, ops: torch.Tensor) -> torch.Tensor:
        """Maps run (B, G) and op features (B, n_ops, F) to latents (B, n_ops)."""
        n_ops = ops.shape[-2]
        every = [run, ops.mean(-2)]
        shared = [part.unsqueeze(-2).expand(*part.shape[:-1], n_ops, -1) for part in every]
        latents: torch.Tensor = self.layers(torch.cat([ops, *shared], dim=-1)).squeeze(-1)
        return latents


class FlatActor(nn.Module):
    """The ablation: a plain network from the flat observation to all magnitudes at once."""

    def __init__(self, n_ops: int, hidden: tuple[int, ...]) -> None:
        """Builds the network for exactly `n_ops` ops."""
        super().__init__()
        self.layers = mlp(observation_size(n_ops), hidden, n_ops)

    def forward(self, run: torch.Tensor, ops: torch.Tensor) -> torch.Tensor:
        """Maps run (B, G) and op features (B, n_ops, F) to latents (B, n_ops)."""
        latents: torch.Tensor = self.layers(torch.cat([run, ops.flatten(-2)], dim=-1))
        return latents


ACTORS: dict[str, Callable[[int, tuple[int, ...]], nn.Module]] = {
    "shared": SharedActor,
    "mlp": FlatActor,
}


class PolicyNetwork(nn.Module):
    """Observation to magnitudes: standardise, actor, one bias per op, squash.

    `gate` (n_ops, 2) opens and closes each op by the budget: what is left of its bias above
    `OFF_BIAS` is the share a + b x, at least 0 and at most 1, where x is the feature `log_passes`.
    Screening and adaptation set them; otherwise they are open, (1, 0).

    Runs of fewer passes over the training data than `fewest_passes` are left alone: all ops are off
    there, and nothing need be observed. A search and adaptation measure where that is right.
    """

    def __init__(
        self,
        n_ops: int,
        *,
        actor: str = "shared",
        hidden: tuple[int, ...] = (32, 32),
        op_bias: bool = True,
        fewest_passes: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> None:
        """Builds a policy that holds every op near `START_MAGNITUDE`.

        Args:
            n_ops: length of the op space.
            actor: 'shared' or 'mlp'.
            hidden: widths of the hidden layers.
            op_bias: whether each op's bias is learned; otherwise it stays 0.
            fewest_passes: of the shortest run that it augments.
            generator: draws the initial weights; None draws from a generator seeded with 0.

        Raises:
            AdaptAugError: the actor is unknown, or `fewest_passes` negative.
        """
        super().__init__()
        if actor not in ACTORS:
            raise AdaptAugError(f"actor must be one of {sorted(ACTORS)}, got {actor!r}")
        if not fewest_passes >= 0:  # NaN neither
            raise AdaptAugError(f"fewest_passes must be at least 0, got {fewest_passes}")
        self.fewest_passes = fewest_passes
        self.standardise = Standardise(n_ops)
        self.actor = ACTORS[actor](n_ops, hidden)
        self.op_bias = nn.Parameter(torch.zeros(n_ops), requires_grad=op_bias)
        self.gate: torch.Tensor
        self.register_buffer("gate", torch.tensor([[1.0, 0.0]]).repeat(n_ops, 1))
        initialise(self.actor, generator or torch.Generator().manual_seed(0), last_scale=0.01)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """Maps observations (B, size) to latents (B, n_ops), unbounded; tanh makes actions."""
        passes = observations[:, _LOG_PASSES]
        latents = self.actor(*self.standardise(observations))
        latents = latents + levels(self.op_bias, self.gate, passes)
        return torch.where(self.augments(passes)[:, None], latents, IDLE)

    def opened(self, observations: torch.Tensor) -> torch.Tensor:
        """How far the gates are open, 0 to 1, under observations (B, size): (B, n_ops)."""
        return _opened(self.gate, observations[:, _LOG_PASSES])

    def augments(self, passes: Numbers) -> Numbers:
        """Whether runs are augmented at all, by their feature `log_passes`: bool, as its shape."""
        least = log_passes(self.fewest_passes) if self.fewest_passes > 0 else -math.inf
        return passes >= least

    @torch.inference_mode()
    def magnitudes(self, observation: np.ndarray) -> list[float]:
        """Deterministic magnitudes in [0, 1], one per op, for one flat observation."""
        actions = torch.tanh(self(torch.from_numpy(observation).unsqueeze(0))).squeeze(0)
        chosen: list[float] = to_magnitudes(actions.numpy()).tolist()
        return chosen


def levels(bias: torch.Tensor, gate: torch.Tensor, passes: torch.Tensor) -> torch.Tensor:
    """Latents of ops by the budget, apart from what the actor says.

    Args:
        bias: of each op, (n_ops,); 0 is `START_MAGNITUDE`.
        gate: of each op, (n_ops, 2); see `PolicyNetwork`.
        passes: budgets as the feature `log_passes`, (B,).

    Returns:
        (B, n_ops); tanh makes actions.
    """
    return torch.lerp(torch.full_like(bias, OFF_BIAS), bias, _opened(gate, passes)) + START


def _opened(gate: torch.Tensor, passes: torch.Tensor) -> torch.Tensor:
    """How far gates (n_ops, 2) are open at budgets (B,): (B, n_ops), in [0, 1]."""
    return (gate[:, 0] + gate[:, 1] * passes[:, None]).clamp(0, 1)


def initialise(network: nn.Module, generator: torch.Generator, last_scale: float) -> None:
    """Orthogonal weights, zero biases; the last layer scaled by `last_scale`."""
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    for layer in linear:
        gain = last_scale if layer is linear[-1] else math.sqrt(2)
        nn.init.orthogonal_(layer.weight, gain, generator=generator)
        nn.init.zeros_(layer.bias)
