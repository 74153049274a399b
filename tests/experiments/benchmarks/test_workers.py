"""RandAugment in the training process and in DataLoader workers does the same work."""

import os
import pickle
import time

import pytest
import torch
from torch.utils.data import get_worker_info

from adaptaug.training.task import Task
from experiments.benchmarks import timing, workers
from experiments.benchmarks.contests import random_examples
from experiments.benchmarks.workers import Augmented, Case, epochs, shuffled, worker_contest

TINY = Case(Task(batch_size=4, width=4), (1, 8, 8), batches=3)


def test_all_three_ways_train_on_all_images() -> None:
    works = epochs(TINY)
    assert list(works) == ["training", "RandAugment in process", "RandAugment in workers"]
    assert [work() for work in works.values()] == 3 * [12]
    assert works["RandAugment in workers"]() == 12  # the workers serve a second epoch


def test_images_are_augmented_when_they_are_read() -> None:
    examples = random_examples(64, (3, 32, 32))
    data = pickle.loads(pickle.dumps(Augmented(examples)))  # as workers may receive it
    image, label = data[7]
    assert (image.dtype, image.shape, int(label)) == (torch.uint8, (3, 32, 32), 7)
    changed = [not torch.equal(data[i][0], examples.inputs[i]) for i in range(64)]
    assert len(data) == 64
    assert sum(changed) > 32  # some draws are the identity


def test_only_the_last_way_augments_in_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    main = os.getpid()

    def read(self: Augmented, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        in_worker = get_worker_info() is not None
        assert in_worker == (os.getpid() != main)
        return self.examples.inputs[index], torch.tensor(int(in_worker))

    seen: list[int] = []
    monkeypatch.setattr(Augmented, "__getitem__", read)
    monkeypatch.setattr(
        workers,
        "trainer",
        lambda *_: lambda batches: seen.extend(int(t) for _, b in batches for t in b),
    )
    works = epochs(TINY)
    works["RandAugment in process"]()
    works["RandAugment in workers"]()
    assert seen == 12 * [0] + 12 * [1]


def test_plain_batches_hold_every_image_once() -> None:
    examples = random_examples(10, (1, 2, 2))
    batches = list(shuffled(examples, 4))
    assert [len(inputs) for inputs, _ in batches] == [4, 4, 2]
    assert sorted(torch.cat([targets for _, targets in batches]).tolist()) == list(range(10))


def test_contest_divides_elapsed_time_by_that_of_plain_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = {"training": 2.0, "RandAugment in process": 9.0, "RandAugment in workers": 3.0}
    now = [0.0]

    def work(name: str) -> timing.Work:
        return lambda: now.__setitem__(0, now[0] + seconds[name])

    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(workers, "CASES", {"digits": TINY})
    monkeypatch.setattr(workers, "epochs", lambda _: {name: work(name) for name in seconds})
    _, ratios = worker_contest(2)
    assert {ratio.name: ratio.values for ratio in ratios} == {
        "randaugment_in_process_over_training_digits": [4.5, 4.5],
        "randaugment_in_workers_over_training_digits": [1.5, 1.5],
    }
