"""What RandAugment costs in DataLoader workers, where its users run it, and in this process.

Comparisons apply every arm in the training process, so that an arm's cost counts all of its work.
Here a child trains on batches of a DataLoader that augments image by image, without workers and
with them. Both are divided by training on the same images without augmentation or DataLoader.

The ratios are of elapsed time, not of processor time: workers save time only where they run beside
the training, on processor cores of their own. Each call is one epoch, so that workers have prepared
nothing at its start and are idle while other contestants run.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from adaptaug.children import build_child
from adaptaug.data import Examples
from adaptaug.data.batches import Batch, channels_last, to_float
from adaptaug.training.child_run import child_shape
from adaptaug.training.task import Task
from experiments.benchmarks.contests import BATCH, random_examples
from experiments.benchmarks.timing import Race, Ratio, Work, race

WORKERS = 2
"""Worker processes of the DataLoader."""


@dataclass(frozen=True)
class Case:
    """A child and the images that it is trained on."""

    task: Task
    """Child, batch size and learning rate."""
    shape: tuple[int, int, int]
    """Channels, height and width of the images."""
    batches: int
    """Batches in an epoch; without augmentation it takes about 0.2 to 0.4 seconds."""


CASES = {
    "digits": Case(Task(), (1, 8, 8), batches=100),
    "cnn32": Case(Task(batch_size=BATCH, width=32), (3, 32, 32), batches=10),
}
"""The default child, as on digits, and study 4's CNN, by the last word of their ratios."""

PLACES = ("process", "workers")
"""Where RandAugment runs: in the training process, or in the workers."""


class Augmented(Dataset[tuple[Tensor, Tensor]]):
    """Examples whose images, uint8 (C, H, W), are augmented when they are read."""

    def __init__(self, examples: Examples) -> None:
        self.examples, self.transform = examples, v2.RandAugment()

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.transform(self.examples.inputs[index]), self.examples.targets[index]


def worker_contest(rounds: int) -> tuple[Race, list[Ratio]]:
    """Both children without augmentation, and with RandAugment in either place."""
    contestants = {
        f"{name}: {way}": work for name, case in CASES.items() for way, work in epochs(case).items()
    }
    result = race(contestants, rounds, "workers", clock=time.perf_counter)
    return result, [
        Ratio(
            f"randaugment_in_{place}_over_training_{name}",
            result.ratio(f"{name}: RandAugment in {place}", f"{name}: training"),
        )
        for name in CASES
        for place in PLACES
    ]


def epochs(case: Case) -> dict[str, Work]:
    """Training the child for one epoch, in each of the three ways."""
    size = case.task.batch_size
    examples = random_examples(case.batches * size, case.shape)
    augmented = Augmented(examples)
    process = DataLoader(augmented, size, shuffle=True)
    workers = DataLoader(
        augmented, size, shuffle=True, num_workers=WORKERS, persistent_workers=True
    )
    train = trainer(case.task, examples)
    return {
        "training": lambda: train(shuffled(examples, size)),
        "RandAugment in process": lambda: train(process),
        "RandAugment in workers": lambda: train(workers),
    }


def shuffled(examples: Examples, size: int) -> Iterable[Batch]:
    """All examples in random order, in batches of `size`."""
    for rows in torch.randperm(len(examples)).split(size):
        yield examples.inputs[rows], examples.targets[rows]


def trainer(task: Task, examples: Examples) -> Callable[[Iterable[Batch]], int]:
    """A function that trains the task's child on batches of uint8 images and counts the images."""
    model = build_child(task.child, child_shape(task, examples, 10, None))
    model.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.Adam(model.parameters(), task.peak_learning_rate, fused=True)

    def train(batches: Iterable[Batch]) -> int:
        images = 0
        for inputs, targets in batches:
            loss = functional.cross_entropy(model(channels_last(to_float(inputs))), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            images += len(inputs)
        return images

    return train
