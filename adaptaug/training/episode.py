"""One child training from its first decision to its last: child, observer and cost."""

from collections.abc import Collection, Iterator, Sequence

from adaptaug.controllers.base import Controller
from adaptaug.controllers.decision_loop import DecisionLoop
from adaptaug.metrics import Metrics, evaluate
from adaptaug.ops import OpSpace
from adaptaug.policy.cost import CostTable
from adaptaug.policy.observation import FEATURES, Observation, Situation
from adaptaug.training.setup import set_up
from adaptaug.training.task import Task
from adaptaug.utils.timing import clock


class Episode:
    """A child training that pauses at every decision.

    It holds the training and the reward-validation split, and cannot reach the test split.
    """

    def __init__(
        self, task: Task, seed: int, op_space: OpSpace, costs: CostTable, device: str = "cpu"
    ) -> None:
        """Draws the split and builds the child; `seed` fixes both and every later draw.

        Raises:
            AdaptAugError: data set, child or op space do not fit the task.
        """
        self.task, self._device = task, device
        self.run, self.observer = set_up(task, seed, op_space, device)
        self.batches: Metrics | None = None
        """Loss and accuracy on the last interval's augmented batches; None before the first one."""
        self.controller_seconds = 0.0
        """Time that `decide` took, observing included; see `adaptaug.utils.timing.clock`."""
        self._loop = DecisionLoop(self.observer, costs, task.boundaries())

    @property
    def cost(self) -> float:
        """Cost of observing and augmenting so far, as a fraction of plain training of the run."""
        return self._loop.cost

    @property
    def finished(self) -> bool:
        """Whether the run has ended, so that no decision is left."""
        return self.run.finished

    def observe(self, features: Collection[str] = FEATURES) -> Observation:
        """Observes these features of the run, and adds the cost of measuring them."""
        run = self.run
        situation = Situation(run.progress, self.task.epochs, run.learning_rate, self.batches)
        return self._loop.observe(run.model, situation, features)

    def validate(self) -> Metrics:
        """Loss and score on the reward-validation split."""
        return evaluate(self.run.model, self.run.validation, self.observer.scorer)

    def decide(self, controller: Controller) -> Sequence[float]:
        """Asks a controller for magnitudes, one in [0, 1] per op; observes if the controller does.

        Raises:
            AdaptAugError: the controller picks too few or too many magnitudes.
        """
        asked = clock(self._device)
        chosen = self._loop.decide(controller, self.run.step, self.task.epochs, self.observe)
        self.controller_seconds += clock(self._device) - asked
        return chosen

    def play(self, controller: Controller) -> Iterator[list[float]]:
        """Decides and trains until the run has ended; yields the magnitudes of each decision."""
        while not self.finished:
            yield self.advance(self.decide(controller))

    def advance(self, magnitudes: Sequence[float]) -> list[float]:
        """Trains to the next decision, then checks early stopping if the task has a `patience`.

        Args:
            magnitudes: one per op, in [0, 1].

        Returns:
            The magnitudes that were used, 0 for ops that make no sense for the data.
        """
        batches = self._loop.hold(magnitudes, self.run.step)
        self.batches = self.run.train_batches(batches, self._loop.magnitudes)
        if self.task.patience is not None and not self.run.diverged:
            self.run.check_early_stopping(evaluate(self.run.model, self.run.validation))
        return self._loop.magnitudes
