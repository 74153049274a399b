"""Learning during the training run with the score-function estimator (REINFORCE).

At each decision a network computes the mean mu of a normal distribution of latents, one per op, and
the magnitudes are drawn from it:

    z = mu + noise * e,  e ~ N(0, 1) per op,  magnitudes = to_magnitudes(tanh(z))

The next decision observes the effect. The reward is the fall in validation loss as a log ratio,
log(loss before / loss after), so that a fall by a tenth has the same reward early and late. The
baseline is a running mean of the rewards. With A = reward - baseline, the gradient of the expected
reward is estimated by

    A * grad log N(z; mu, noise^2) = A * e / noise * grad mu

(Williams 1992, "Simple statistical gradient-following algorithms", section 6), and Adam takes a
step along it.

Why not the path-wise gradient, from the validation loss through the child's update and the
augmented batch back to the magnitudes:

* It needs ops that are differentiable in their magnitude; token ops, erasing and random choices are
  not.
* It needs the model and its optimizer, which a controller does not have.
* It needs a second backward pass through each update, and ignores effects beyond that update.

The score function needs only numbers that are measured anyway, and intervals between decisions may
have any length. Its drawback is variance: one reward credits all ops together, so a handful of
decisions teaches little.
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
"""Decay of the running mean of the rewards: the weight of its old value at each new reward."""

SMALLEST_LOSS = 1e-3
"""Lower bound of the validation loss (over log(classes)) in the reward; below it all is noise."""


class ScoreFunction(Controller):
    """A controller that learns from the effect of each of its decisions within one run.

    Subclasses name their `features`, build the network in `_begin` and select its inputs in
    `_inputs`.
    """

    def __init__(self, learning_rate: float, noise: float) -> None:
        """Takes Adam's learning rate and the standard deviation of the draws, in latents.

        Raises:
            AdaptAugError: one of them is negative or not finite, or the noise is 0 and the learning
                rate is not, since nothing can be learned without noise.
        """
        for name, value in (("learning_rate", learning_rate), ("noise", noise)):
            if not (math.isfinite(value) and value >= 0):
                raise AdaptAugError(f"{name} must be a number of at least 0, got {value!r}")
        if learning_rate > 0 and noise == 0:
            raise AdaptAugError(
                f"noise must be above 0 where learning_rate is, got {noise!r} for {learning_rate!r}"
            )
        self.learning_rate, self.noise = learning_rate, noise
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Forgets all that the last run taught; `seed` fixes every draw."""
        self._random = torch.Generator().manual_seed(seed)
        self._network = self._begin(self._random)
        self._learned = [p for p in self._network.parameters() if p.requires_grad]
        self._optimizer = torch.optim.Adam(self._learned, lr=self.learning_rate)
        self._last: tuple[Tensor, Tensor, float] | None = None  # inputs, draw, validation loss
        self._baseline: float | None = None

    def decide(self, progress: float, observation: Observation | None) -> Sequence[float]:
        """Learns from the effect of the last magnitudes, then draws the next."""
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
        """What was learned, and the last decision, whose reward is still to come."""
        state = {
            "random": self._random.get_state(),
            "parameters": [parameter.detach() for parameter in self._learned],
            "optimizer": self._optimizer.state_dict(),
            "last": self._last,
            "baseline": self._baseline,
        }
        return copy.deepcopy(state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores a `state_dict`."""
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
        """Builds the network of a new run; it maps inputs (1, size) to latents (1, n_ops)."""
        raise NotImplementedError

    def _inputs(self, observation: Observation) -> np.ndarray:
        """The inputs that the network reads from an observation: float32 (size,)."""
        raise NotImplementedError

    @torch.enable_grad()
    def _learn(self, inputs: Tensor, draw: Tensor, reward: float) -> None:
        """Takes one step along the gradient estimated from one decision and its reward."""
        baseline = reward if self._baseline is None else self._baseline
        self._baseline = BASELINE_DECAY * baseline + (1 - BASELINE_DECAY) * reward
        # The estimate times noise^2, a constant factor that does not change Adam's steps.
        objective = (reward - baseline) * self.noise * (draw * self._network(inputs)).sum()
        self._optimizer.zero_grad()
        (-objective).backward()
        self._optimizer.step()


def _finite(value: float) -> float:
    return value if math.isfinite(value) else LIMIT
