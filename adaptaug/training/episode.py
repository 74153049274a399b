"""One child training from its first decision to its last: child, observer and cost together."""

from collections.abc import Sequence

from adaptaug.metrics import Metrics, evaluate
from adaptaug.ops import OpSpace
from adaptaug.policy.cost import CostTable
from adaptaug.policy.observation import Observation, Situation
from adaptaug.training.setup import start
from adaptaug.training.task import Task


class Episode:
    """A child training that stops at every decision.

    It holds the training and the reward-validation split; the test split is out of its reach.
    """

    def __init__(
        self, task: Task, seed: int, op_space: OpSpace, costs: CostTable, device: str = "cpu"
    ) -> None:
        """Draws the split, builds the child; `seed` fixes both and every later draw.

        Raises:
            AdaptAugError: data set, child or op space do not fit the task.
        """
        self.task = task
        self.run, self.observer = start(task, seed, op_space, device)
        self.batches: Metrics | None = None
        self._costs = costs
        self._spent = 0.0
        self._boundaries = task.boundaries()

    @property
    def cost(self) -> float:
        """Cost so far, as a fraction of plain training of the whole run."""
        return self._spent / self.task.steps

    @property
    def finished(self) -> bool:
        """Whether no decision is left."""
        return self.run.finished

    def observe(self, probe: bool = True) -> Observation:
        """Validates and, with `probe`, tries every op alone; both cost."""
        self._spent += self._costs.observation(probe)
        situation = Situation(
            self.run.progress, self.task.passes, self.run.learning_rate, self.batches, self.cost
        )
        return self.observer.observe(self.run.model, situation, probe=probe)

    def advance(self, magnitudes: Sequence[float]) -> list[float]:
        """Trains to the next decision.

        Args:
            magnitudes: one per op, in [0, 1].

        Returns:
            The magnitudes that were used: those of ops that make no sense for the data are 0.
        """
        used = [m * applies for m, applies in zip(magnitudes, self.observer.applies, strict=True)]
        batches = next(b for b in self._boundaries if b > self.run.step) - self.run.step
        self.observer.remember(used)
        self.batches = self.run.train_batches(batches, used)
        self._spent += self._costs.interval(self.run.op_space, used, batches)
        return used

    def check_early_stopping(self) -> None:
        """Validates and lets the run stop, where the task has a patience."""
        if self.task.patience is not None and not self.run.diverged:
            self.run.check_early_stopping(evaluate(self.run.model, self.run.validation))
