"""A child model of your own, from outside the package: one line in the table of children."""

from torch import nn

from adaptaug import Constant, Task
from adaptaug.children import CHILDREN, Child, ChildShape
from adaptaug.evaluation.train_child import Arm, Job, train_children


def perceptron(shape: ChildShape) -> nn.Module:
    """Float images (B, C, H, W) in [0, 1] to logits (B, K); draws from the global generator."""
    pixels = shape.channels * shape.size[0] * shape.size[1]
    return nn.Sequential(
        nn.Flatten(), nn.Linear(pixels, shape.width), nn.ReLU(),
        nn.Linear(shape.width, shape.num_classes),
    )  # fmt: skip


CHILDREN["perceptron"] = Child("image", perceptron)

if __name__ == "__main__":  # worker processes import this file, and so know the child
    task = Task(dataset="digits", child="perceptron", width=64, n_train=100, steps=200)
    arms = [Arm(f"zoom {m}", ("zoom",), Constant([m])) for m in (0.0, 0.3)]
    jobs = [Job(arm, task, seed=0) for arm in arms]
    for record in train_children(jobs, processes=0, label="perceptron", quiet=True):
        print(f"{record['arm']}: {record['accuracy']:.1%}")
