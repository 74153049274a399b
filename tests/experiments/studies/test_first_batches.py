"""The first batches of a training."""

import torch

from adaptaug.controllers import Constant
from adaptaug.evaluation.train_child import Arm
from adaptaug.policy.cost import CostTable
from adaptaug.training.task import Task
from experiments.common.setting import Entrant
from experiments.studies.first_batches import start_of


def test_first_batches_run_on_one_thread_and_restore_the_setting() -> None:
    threads = []

    class Watching(Constant):
        def decide(self, progress, observation):
            threads.append(torch.get_num_threads())
            return super().decide(progress, observation)

    outside = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        entrant = Entrant(
            Arm("a", ("rotate",), Watching([0.5])), Task(n_train=50, steps=8, width=4), CostTable()
        )
        row = start_of(entrant, 2, "cpu")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(outside)
    assert threads == [1, 1]
    assert len(row["losses"]) == row["batches"] == 2
