"""The decisions in a user's loop: a controller in the search's `DecisionLoop`."""

import logging
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from adaptaug.augmenter.learning_rate import PeakFraction
from adaptaug.augmenter.notices import Notices
from adaptaug.controllers import Controller, Learned
from adaptaug.controllers.decision_loop import DecisionLoop
from adaptaug.data import Examples
from adaptaug.data.batches import joined
from adaptaug.errors import AdaptAugError
from adaptaug.metrics import Metrics
from adaptaug.ops import Op, OpSpace
from adaptaug.policy.cost import CostTable
from adaptaug.policy.observation import (
    BATCH_FEATURES,
    PROBE_SIZE,
    Observation,
    Observer,
    Situation,
)
from adaptaug.policy.policy import Policy, load_policy
from adaptaug.policy.schedules import DECISIONS, decision_boundaries
from adaptaug.utils.compiling import uncompiled

logger = logging.getLogger(__name__)

_ROUNDING = 1e-3
"""How far a mean accuracy may lie outside [0, 1]."""


@dataclass(frozen=True)
class Pilot:
    """A controller with its ops and the settings that it needs in a run."""

    controller: Controller
    """Picks the magnitudes."""
    op_space: OpSpace
    """The ops whose magnitudes it picks."""
    costs: CostTable
    """Costs from which the observation's feature `cost` is computed."""
    decisions: int
    """Decisions in a run; read only if `decision_interval` is None."""
    decision_interval: int | None
    """Batches between decisions; None divides the run into `decisions` parts."""
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
    """Turns each form of an `Augmenter`'s argument `policy` into a `Pilot`.

    Args:
        policy: see `Augmenter`.
        ops: see `Augmenter`.
        decisions: see `Augmenter`.

    Raises:
        AdaptAugError: the policy cannot be loaded, a plain controller comes without ops, or a
            policy with ops.
    """
    if isinstance(policy, Controller):
        if ops is None:
            raise AdaptAugError("a plain controller needs the ops that it acts on, got ops=None")
        return Pilot(policy, OpSpace(ops), CostTable(), decisions or DECISIONS, None, "accuracy")
    if ops is not None:
        raise AdaptAugError(f"ops go with a plain controller, a policy has its own, got {ops!r}")
    if not isinstance(policy, Policy):
        policy = load_policy(policy)
    return Pilot(
        Learned(policy.network, policy.min_epochs),
        policy.op_space,
        policy.costs,
        decisions or policy.decisions,
        None if decisions else policy.decision_interval,
        policy.metric,
    )


class Decisions:
    """Picks the magnitudes at the decisions of one run, and collects what is observed of it."""

    def __init__(
        self,
        pilot: Pilot,
        observer: Observer,
        model: nn.Module,
        rate: PeakFraction,
        steps: int,
        notices: Notices,
    ) -> None:
        """Prepares for a run of `steps` batches."""
        self.observation: Observation | None = None
        """Observation at the last decision; None if the controller did not observe."""
        self.trusts_record = True
        """Whether what is recorded may be true; if not, the policy takes loss and accuracy of the
        first training examples."""
        self._pilot, self._observer, self._model = pilot, observer, model
        self._rate, self._steps, self._notices = rate, steps, notices
        self._boundaries = pilot.boundaries(steps)
        self._loop = DecisionLoop(observer, pilot.costs, self._boundaries)
        self._device = observer.validation.inputs.device
        self._losses: Tensor | float = 0.0  # sums over the interval
        self._hits: Tensor | float = 0.0
        self._recorded = 0
        pilot.controller.reset(observer.seed)

    @property
    def magnitudes(self) -> list[float]:
        """Current magnitudes, one per op, in [0, 1]."""
        return self._loop.magnitudes

    def due(self, step: int) -> bool:
        """Whether a decision comes before this batch."""
        return self._loop.due(step)

    @property
    def steps(self) -> int:
        """Batches in the whole run, for which the decisions are planned."""
        return self._steps

    @property
    def observes(self) -> bool:
        """Whether the controller reads any features."""
        return bool(self._pilot.controller.features)

    def replan(self, step: int, steps: int) -> None:
        """Divides what is left of a run into decision intervals, as its length has changed.

        Args:
            step: batches done.
            steps: batches in the whole run.
        """
        past = [end for end in self._boundaries if end <= step]
        ends = past + [end for end in self._pilot.boundaries(steps) if end > step]
        self._set_boundaries(steps, ends)

    def keep(self, inputs: Tensor, classes: Tensor, most: int) -> None:
        """Keeps the first training examples of the run for the observations, images as uint8.

        Args:
            inputs: clean images (B, C, H, W), float in [0, 1], or ids, int64 (B, L).
            classes: int64 (B,), or tags (B, L).
            most: size of the training set; at most this many are kept, and at most PROBE_SIZE.
        """
        kept = self._observer.train
        missing = min(most, PROBE_SIZE) - len(kept)
        if self._pilot.controller.features and missing > 0:
            first = inputs[:missing]
            if first.is_floating_point():
                first = (first * 255).round().to(torch.uint8)
            self._observer.train = joined(kept, Examples(first, classes[:missing]))

    def record(self, loss: Tensor | float, accuracy: Tensor | float) -> None:
        """Adds loss and accuracy of a step to the interval's sums, without reading tensors.

        Raises:
            AdaptAugError: one of them is not one number.
        """
        loss, accuracy = _number(loss, "loss"), _number(accuracy, "accuracy")
        self._losses = self._losses + loss
        self._hits = self._hits + accuracy
        self._recorded += 1

    def decide(self, step: int, epochs: float) -> None:
        """Picks the magnitudes until the next decision.

        Args:
            step: batches done.
            epochs: epochs in the whole run.
        """
        self.observation = None
        if epochs < self._pilot.controller.min_epochs:
            self._notices(
                "alone",
                "this run is left alone, without augmentation: it has %.1f epochs, and the policy "
                "gains nothing in runs of fewer than %.1f (epochs are total_steps times batch_size "
                "by n_train)",
                epochs, self._pilot.controller.min_epochs,
            )  # fmt: skip

        def observe(features: Collection[str]) -> Observation:
            self.observation = self._observe(step / self._steps, epochs, features)
            return self.observation

        self._loop.hold(self._loop.decide(self._pilot.controller, step, epochs, observe), step)
        self._losses, self._hits, self._recorded = 0.0, 0.0, 0
        names = self._observer.op_space.names
        rounded = {n: round(m, 3) for n, m in zip(names, self.magnitudes, strict=True)}
        logger.info("batch %d: magnitudes %s", step, rounded)

    def state_dict(self) -> dict[str, Any]:
        """All that the next decision depends on besides the model, as tensors and plain data."""
        return {
            "losses": self._losses,
            "hits": self._hits,
            "recorded": self._recorded,
            "trusts_record": self.trusts_record,
            "highest_rate": self._rate.highest,
            "steps": self._steps,
            "boundaries": list(self._boundaries),
            "loop": self._loop.state_dict(),
            "controller": self._pilot.controller.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores a `state_dict`."""
        self._losses, self._hits = state["losses"], state["hits"]
        self._recorded, self._rate.highest = state["recorded"], state["highest_rate"]
        self.trusts_record = state.get("trusts_record", True)
        if "boundaries" in state:
            self._set_boundaries(state["steps"], list(state["boundaries"]))
        self._loop.load_state_dict(state["loop"])
        self._pilot.controller.load_state_dict(state["controller"])

    def _observe(self, progress: float, epochs: float, features: Collection[str]) -> Observation:
        """Observes the run; reads the loss and accuracy that the last interval's steps recorded."""
        batches = self._told() if progress and {*features} & {*BATCH_FEATURES} else None
        situation = Situation(progress, epochs, self._rate.at(progress), batches)
        devices = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices), uncompiled():
            return self._loop.observe(self._model, situation, features)

    def _told(self) -> Metrics | None:
        """Means over the interval of what was recorded; None if they are not known or not true."""
        if not self._recorded:
            self._notices(
                "record",
                "record(loss, accuracy) was not called after the steps; the policy takes loss and "
                "accuracy of the first training examples instead",
            )
            return None
        told = Metrics(*(float(v) / self._recorded for v in (self._losses, self._hits)))
        possible = not told.loss < 0 and -_ROUNDING <= told.score <= 1 + _ROUNDING
        self.trusts_record &= possible
        if not (possible and math.isfinite(told.loss)):
            self._notices(
                "record",
                "record was told a mean loss of %.3g and a mean accuracy of %.3g; it takes the "
                "mean cross-entropy of the batch and, in this order, the share of correct "
                "predictions in [0, 1]",
                told.loss,
                told.score,
            )
        return told if self.trusts_record else None

    def _set_boundaries(self, steps: int, boundaries: list[int]) -> None:
        """Goes on with other ends of the decision intervals."""
        state = self._loop.state_dict()
        self._steps, self._boundaries = steps, boundaries
        self._loop = DecisionLoop(self._observer, self._pilot.costs, boundaries)
        self._loop.load_state_dict(state)


def _number(value: Tensor | float, name: str) -> Tensor | float:
    """One number without its graph, tensors in float32, for a sum."""
    if isinstance(value, Tensor):
        if value.numel() == 1:
            return value.detach().float()
        got = f"a tensor of shape {tuple(value.shape)}"
    else:
        try:
            return float(value)
        except (TypeError, ValueError):
            got = repr(value)
    raise AdaptAugError(f"{name} must be one number, the mean over the batch, got {got}")
