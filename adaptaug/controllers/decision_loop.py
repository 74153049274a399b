"""The decisions of one training run, with the same code in a search's episode and a user's loop."""

from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from adaptaug.controllers.base import Controller
from adaptaug.errors import AdaptAugError
from adaptaug.policy.cost import CostTable
from adaptaug.policy.observation import (
    FEATURES,
    MEASURED_FEATURES,
    PROBE_FEATURES,
    Observation,
    Observer,
    Situation,
)


class DecisionLoop:
    """Observes a run, lets a controller pick magnitudes, and sums the cost of both.

    At each decision call `decide`, which observes the run if the controller needs it, and then
    `hold`, which sets the magnitudes until the next decision.
    """

    def __init__(self, observer: Observer, costs: CostTable, boundaries: Sequence[int]) -> None:
        """Prepares for a run.

        Args:
            observer: validates the model and probes the ops.
            costs: costs of observing and augmenting.
            boundaries: steps at which the decision intervals end; see `decision_boundaries`.
        """
        self.observer = observer
        self.magnitudes = [0.0] * len(observer.op_space)
        """Current magnitudes, one per op, in [0, 1]."""
        self._costs, self._boundaries = costs, list(boundaries)
        self._starts = frozenset([0, *self._boundaries[:-1]])
        self._spent = 0.0

    @property
    def cost(self) -> float:
        """Cost of observing and augmenting so far, as a fraction of plain training of the run."""
        return self._spent / self._boundaries[-1]

    def due(self, step: int) -> bool:
        """Whether a decision comes before this batch."""
        return step in self._starts

    def observe(
        self, model: nn.Module, situation: Situation, features: Collection[str] = FEATURES
    ) -> Observation:
        """Observes the model and adds the cost of the observation.

        Args:
            model: the child.
            situation: the state of its run; `cost` is filled in here.
            features: names of the features that are asked for; see `Observer.observe`.
        """
        asked = {*features}
        if asked & MEASURED_FEATURES:
            # Without validation examples the price is an upper bound: it includes predicting them.
            probe = bool(asked & {*PROBE_FEATURES}) and self.observer.validates
            self._spent += self._costs.observation(probe)
        return self.observer.observe(model, replace(situation, cost=self.cost), features)

    def decide(
        self,
        controller: Controller,
        step: int,
        epochs: float,
        observe: Callable[[Collection[str]], Observation],
    ) -> Sequence[float]:
        """Asks the controller for magnitudes; in runs shorter than its `min_epochs` all are 0.

        Args:
            controller: picks the magnitudes.
            step: batches done.
            epochs: epochs in the whole run.
            observe: observes the features of these names; called only if the controller reads any.

        Returns:
            One magnitude in [0, 1] per op.

        Raises:
            AdaptAugError: the controller picks too few or too many magnitudes.
        """
        if epochs < controller.min_epochs:
            return [0.0] * len(self.magnitudes)
        observation = observe(controller.features) if controller.features else None
        chosen = controller.decide(step / self._boundaries[-1], observation)
        if len(chosen) != len(self.magnitudes):
            raise AdaptAugError(
                f"a controller must pick a magnitude for each of {len(self.magnitudes)} ops, "
                f"got {len(chosen)}"
            )
        return chosen

    def hold(self, magnitudes: Sequence[float], step: int) -> int:
        """Sets the magnitudes until the next decision and adds the cost of augmenting with them.

        Args:
            magnitudes: one per op, in [0, 1]; for ops that do not apply, 0 is set instead.
            step: batches done.

        Returns:
            Batches until the next decision.
        """
        applies = self.observer.applies
        self.magnitudes = [float(m) * a for m, a in zip(magnitudes, applies, strict=True)]
        self.observer.remember(self.magnitudes)
        batches = self._boundaries[bisect_right(self._boundaries, step)] - step
        self._spent += self._costs.interval(self.observer.op_space, self.magnitudes, batches)
        return batches

    def state_dict(self) -> dict[str, Any]:
        """All that the next decision depends on besides model and controller.

        Returns:
            Tensors and plain data.
        """
        return {
            "magnitudes": list(self.magnitudes),
            "spent": self._spent,
            "observer": self.observer.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores a `state_dict`."""
        self.magnitudes, self._spent = list(state["magnitudes"]), state["spent"]
        self.observer.load_state_dict(state["observer"])
