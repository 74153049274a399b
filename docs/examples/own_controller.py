"""A controller of your own: a rule that picks the magnitudes as the run goes."""

from collections.abc import Sequence

from adaptaug import Constant, Controller
from adaptaug.evaluation.train_child import Arm, Job, train_children
from adaptaug.policy.observation import Observation
from adaptaug.training.task import Task


class WhenFitted(Controller):
    """Augments only while the child fits its training data better than the held-out data."""

    features = ("loss_gap",)  # what `decide` reads; measuring it is paid for

    def __init__(self, magnitudes: Sequence[float]) -> None:
        self.magnitudes = list(magnitudes)

    def decide(self, progress: float, observation: Observation | None) -> Sequence[float]:
        assert observation is not None
        gap = observation.feature("loss_gap")  # held-out minus training, over log(classes)
        return [magnitude * min(1.0, max(0.0, 4 * gap)) for magnitude in self.magnitudes]


# In your loop: Augmenter(WhenFitted([0.3, 0.3]), model, held_out, ops=("rotate", "zoom"), ...)

if __name__ == "__main__":  # against others, on the same seeds
    ops = ("rotate", "zoom")
    arms = [
        Arm("none", ops, Constant([0.0, 0.0])),
        Arm("constant", ops, Constant([0.3, 0.3])),
        Arm("when fitted", ops, WhenFitted([0.3, 0.3])),
    ]
    task = Task(dataset="digits", n_train=100, steps=100, width=8)
    jobs = [Job(arm, task, seed) for seed in range(2) for arm in arms]
    for record in train_children(jobs, processes=0, label="arms", quiet=True):
        print(f"{record['arm']}, seed {record['seed']}: {record['accuracy']:.1%}")
