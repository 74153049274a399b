"""Learning during the run that is steered: the score-function estimator (REINFORCE).

At each decision a network says where to go, and the magnitudes are drawn around that:

    z = mu + noise * e,  e ~ N(0, 1) per op,  magnitudes = squashed z

The next decision sees what followed. The reward is the fall in validation loss, as the logarithm
of its ratio, so that a fall by a tenth is worth the same early and late; a running mean of it is
the baseline. With A for reward minus baseline, the gradient of the expected reward is estimated by

    A * grad log N(z; mu, noise^2) = A * e / noise * grad mu

(Williams 1992, "Simple statistical gradient-following algorithms", section 6) and taken by Adam.

Why not the path-wise gradient, from the validation loss through the child's update and the
augmented batch back to the magnitudes: it needs ops that are differentiable in their magnitude
(token ops, erasing and whatever is drawn by chance are not), the model and its optimizer in hand
(a controller has neither), a second backward pass through each update, and it sees no further
than that update. The score function needs only numbers that are measured anyway, and an interval
between decisions may be of any length. What it costs is variance: one number tells about all ops,
so a handful of decisions teaches little.
"""

import copy
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from adaptaug.controllers.base import Controller
from adaptaug.errors import AdaptAugError
from adaptaug.policy.network import to_magnitudes
from adaptaug.policy.observation import LIMIT, Observation

BASELINE_DECAY = 0.9
"""Share of the running mean of the rewards that the next reward leaves in place."""

SMALLEST_LOSS = 1e-3
"""Validation losses (over log(classes)) below this count as this: they are all noise."""


class ScoreFunction(Controller):
    """A controller that learns from what followed each of its decisions, all in one run.

    A kind of it builds the network in `_begin` and picks what that reads in `_inputs`.
    """

    observes = True

    def __init__(self, learning_rate: float, noise: float) -> None:
        """Takes Adam's learning rate and the standard deviation of the draws, in latents.

        Raises:
            AdaptAugError: one of them is negative or not finite, or there is nothing to learn
                from without noise.
        """
        for name, value in (("learning_rate", learning_rate), ("noise", noise)):
            if not (math.isfinite(value) and value >= 0):
                raise AdaptAugError(f"{name} must be a number of at least 0, got {value!r}")
        if learning_rate > 0 and noise == 0:
            raise AdaptAugError(
                f"noise must be above 0 where learning_rate is, got {noise!r} for {learning_rate!r}"
            )
        self.learning_rate, self.noise = learning_rate, noise
        self.start(0)

    def start(self, seed: int) -> None:
        """Forgets the run before; `seed` fixes every draw."""
        self._random = torch.Generator().manual_seed(seed)
        self._network = self._begin(self._random)
        self._learned = [p for p in self._network.parameters() if p.requires_grad]
        self._optimizer = torch.optim.Adam(self._learned, lr=self.learning_rate)
        self._last: tuple[Tensor, Tensor, float] | None = None  # inputs, draw, validation loss
        self._baseline: float | None = None

    def decide(self, progress: float, observation: Observation | None) -> Sequence[float]:
        """Learns from what the last magnitudes led to, then draws the next."""
        if observation is None:
            raise ValueError(f"{type(self).__name__} must observe the run, got no observation")
        loss = max(SMALLEST_LOSS, _finite(observation.feature("validation_loss")))
        if self._last is not None:
            inputs, draw, before = self._last
            self._learn(inputs, draw, math.log(before / loss))
        features = np.nan_to_num(self._inputs(observation), nan=LIMIT, posinf=LIMIT, neginf=-LIMIT)
        inputs = torch.from_numpy(features).unsqueeze(0)
        with torch.no_grad():
            latents = self._network(inputs)
        draw = torch.randn(latents.shape, generator=self._random)
        self._last = inputs, draw, loss
        actions = torch.tanh(latents + self.noise * draw).squeeze(0)
        chosen: list[float] = to_magnitudes(actions.numpy()).tolist()
        return chosen

    def state_dict(self) -> dict[str, Any]:
        """What was learned, and the last decision, which is yet to be learned from."""
        state = {
            "random": self._random.get_state(),
            "parameters": [parameter.detach() for parameter in self._learned],
            "optimizer": self._optimizer.state_dict(),
            "last": self._last,
            "baseline": self._baseline,
        }
        return copy.deepcopy(state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes back to a `state_dict`."""
        state = copy.deepcopy(state)
        self._random.set_state(state["random"].cpu())
        with torch.no_grad():
            for parameter, value in zip(self._learned, state["parameters"], strict=True):
                parameter.copy_(value)
        self._optimizer.load_state_dict(state["optimizer"])
        self._baseline, self._last = state["baseline"], None
        if state["last"] is not None:
            inputs, draw, loss = state["last"]
            self._last = inputs.cpu(), draw.cpu(), loss

    def _begin(self, generator: torch.Generator) -> nn.Module:
        """The network of a new run: inputs (1, size) to latents (1, n_ops)."""
        raise NotImplementedError

    def _inputs(self, observation: Observation) -> np.ndarray:
        """What the network reads of an observation: float32 (size,)."""
        raise NotImplementedError

    @torch.enable_grad()
    def _learn(self, inputs: Tensor, draw: Tensor, reward: float) -> None:
        """Takes one step along the estimate from one decision and its reward."""
        baseline = reward if self._baseline is None else self._baseline
        self._baseline = BASELINE_DECAY * baseline + (1 - BASELINE_DECAY) * reward
        # Times noise^2, a constant that Adam takes no notice of.
        objective = (reward - baseline) * self.noise * (draw * self._network(inputs)).sum()
        self._optimizer.zero_grad()
        (-objective).backward()
        self._optimizer.step()


def _finite(value: float) -> float:
    return value if math.isfinite(value) else LIMIT
