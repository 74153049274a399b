"""Decisions in a user's own loop: the search's observer, costs and rhythm around a controller."""

import logging
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from adaptaug.augmenter.learning_rate import PeakFraction
from adaptaug.controllers import Controller, Learned
from adaptaug.data import Examples
from adaptaug.data.batches import joined
from adaptaug.errors import AdaptAugError
from adaptaug.metrics import Metrics
from adaptaug.ops import Op, OpSpace
from adaptaug.policy.cost import CostTable
from adaptaug.policy.observation import PROBE_SIZE, Observation, Observer, Situation
from adaptaug.policy.policy import Policy, load_policy
from adaptaug.policy.schedules import DECISIONS, decision_boundaries

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pilot:
    """A controller with what it needs to be used on a run."""

    controller: Controller
    """Picks the magnitudes."""
    op_space: OpSpace
    """The ops that they are for."""
    costs: CostTable
    """What the observation's cost feature is computed with."""
    decisions: int
    """Decisions in a run, where `decision_interval` is None."""
    decision_interval: int | None
    """Batches between decisions."""
    metric: str
    """The validation score that the controller expects: 'accuracy' or 'f1'."""

    def boundaries(self, total_steps: int) -> list[int]:
        """Batches at which the decision intervals end, exactly as in a search."""
        interval = self.decision_interval and min(self.decision_interval, total_steps)
        return decision_boundaries(total_steps, self.decisions, interval)


def pilot(
    policy: str | Path | Policy | Controller,
    ops: Sequence[str | Op] | None,
    decisions: int | None,
) -> Pilot:
    """Makes one form of all that an `Augmenter` takes; see there."""
    if isinstance(policy, Controller):
        if ops is None:
            raise AdaptAugError("a plain controller needs the ops that it acts on, got ops=None")
        return Pilot(policy, OpSpace(ops), CostTable(), decisions or DECISIONS, None, "accuracy")
    if ops is not None:
        raise AdaptAugError(f"ops go with a plain controller, a policy has its own, got {ops!r}")
    if not isinstance(policy, Policy):
        policy = load_policy(policy)
    return Pilot(
        Learned(policy.network),
        policy.op_space,
        policy.costs,
        decisions or policy.decisions,
        None if decisions else policy.decision_interval,
        policy.metric,
    )


class Decider:
    """Picks the magnitudes at the decisions of one run, and keeps what it must know for that."""

    def __init__(
        self, pilot: Pilot, observer: Observer, model: nn.Module, rate: PeakFraction, steps: int
    ) -> None:
        """Prepares for a run of `steps` batches."""
        self.magnitudes = [0.0] * len(pilot.op_space)
        self._pilot, self._observer, self._model = pilot, observer, model
        self._rate, self._steps = rate, steps
        self._boundaries = pilot.boundaries(steps)
        self._starts = frozenset([0, *self._boundaries[:-1]])
        self._device = observer.validation.inputs.device
        self._spent = 0.0
        self._losses: Tensor | float = 0.0  # sums over the interval
        self._hits: Tensor | float = 0.0
        self._recorded = 0
        pilot.controller.start(observer.seed)

    @property
    def held_out(self) -> Metrics | None:
        """Loss and accuracy on the held-out data at the last decision, if it looked at them."""
        return self._observer.validated

    def due(self, step: int) -> bool:
        """Whether a decision comes before this batch."""
        return step in self._starts

    def keep(self, inputs: Tensor, classes: Tensor, most: int) -> None:
        """Keeps the first training examples, as bytes, for the observations.

        Args:
            inputs: clean images (B, C, H, W), float in [0, 1], or ids, int64 (B, L).
            classes: int64 (B,), or tags (B, L).
            most: no more than these, nor than PROBE_SIZE.
        """
        kept = self._observer.train
        missing = min(most, PROBE_SIZE) - len(kept)
        if self._pilot.controller.observes and missing > 0:
            first = inputs[:missing]
            if first.is_floating_point():
                first = (first * 255).round().to(torch.uint8)
            self._observer.train = joined(kept, Examples(first, classes[:missing]))

    def record(self, loss: Tensor | float, accuracy: Tensor | float) -> None:
        """Adds up how a step went, without reading tensors."""
        self._losses = self._losses + _detached(loss)
        self._hits = self._hits + _detached(accuracy)
        self._recorded += 1

    def decide(self, step: int, passes: float) -> None:
        """Picks the magnitudes until the next decision.

        Args:
            step: batches done.
            passes: passes over the training data in the whole run.
        """
        pilot, progress = self._pilot, step / self._steps
        applies = self._observer.applies
        self._observer.validated = None
        observation = self._observe(progress, passes) if pilot.controller.observes else None
        chosen = pilot.controller.decide(progress, observation)
        if len(chosen) != len(applies):
            raise AdaptAugError(
                f"a controller must pick a magnitude for each of {len(applies)} ops, "
                f"got {len(chosen)}"
            )
        self.magnitudes = [float(m) * a for m, a in zip(chosen, applies, strict=True)]
        self._observer.remember(self.magnitudes)
        batches = self._boundaries[bisect_right(self._boundaries, step)] - step
        self._spent += pilot.costs.interval(pilot.op_space, self.magnitudes, batches)
        self._losses, self._hits, self._recorded = 0.0, 0.0, 0
        rounded = {
            n: round(m, 3) for n, m in zip(pilot.op_space.names, self.magnitudes, strict=True)
        }
        logger.info("batch %d: magnitudes %s", step, rounded)

    def state_dict(self) -> dict[str, Any]:
        """What the next decision depends on besides the model: tensors and plain data."""
        return {
            "magnitudes": list(self.magnitudes),
            "spent": self._spent,
            "losses": self._losses,
            "hits": self._hits,
            "recorded": self._recorded,
            "highest_rate": self._rate.highest,
            "observer": self._observer.state_dict(),
            "controller": self._pilot.controller.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes back to a `state_dict`."""
        self.magnitudes, self._spent = list(state["magnitudes"]), state["spent"]
        self._losses, self._hits = state["losses"], state["hits"]
        self._recorded, self._rate.highest = state["recorded"], state["highest_rate"]
        self._observer.load_state_dict(state["observer"])
        self._pilot.controller.load_state_dict(state["controller"])

    def _observe(self, progress: float, passes: float) -> Observation:
        """Looks at the run; what the last interval's steps have recorded is read here."""
        batches = None
        if self._recorded:
            batches = Metrics(*(float(v) / self._recorded for v in (self._losses, self._hits)))
        probe = self._pilot.controller.probes
        self._spent += self._pilot.costs.observation(probe)
        cost = self._spent / self._steps
        situation = Situation(progress, passes, self._rate.at(progress), batches, cost)
        with torch.random.fork_rng([self._device] if self._device.type == "cuda" else []):
            return self._observer.observe(self._model, situation, probe=probe)


def _detached(value: Tensor | float) -> Tensor | float:
    """A number to add up, without its graph and in full precision."""
    return value.detach().float() if isinstance(value, Tensor) else value
