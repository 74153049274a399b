"""Study 2, cheap ops on the fly: what they gain, what they do to the data, what they cost.

    python -m experiments.cheap_ops --name cheap-ops
    python -m experiments.cheap_ops --name cheap-ops-full --scale full --device cuda --processes 1

A run of seconds, and the first batches of every full training:

    python -m experiments.cheap_ops --name tiny --scale smoke
    python -m experiments.cheap_ops --name first --scale full --first-batches 100
"""

from dataclasses import dataclass

from experiments.common.cli import main
from experiments.common.hand_set import HAND_SET
from experiments.studies import studies
from experiments.studies.op_analysis import analyse_ops
from experiments.studies.studies import BERT, SMOKE, Scale, Setup, Study, run_study

RESNET = {
    "child": "resnet18", "batch_size": 64, "peak_learning_rate": 1e-3, "weight_decay": 1e-4,
    "schedule": "constant", "patience": 5,
}  # fmt: skip
CNN = {
    "child": "cnn", "width": 32, "batch_size": 64, "peak_learning_rate": 3e-3, "weight_decay": 1e-4,
}  # fmt: skip
BILSTM = {"child": "bilstm", "width": 64, "peak_learning_rate": 3e-3, "max_tokens": 64}

STUDY = Study(
    title="cheap ops on the fly (study 2)",
    arms=("none", "crop and flip", "cheap ops", "RandAugment", "TrivialAugment", "EDA",
          "best constant", "random", "learned"),
    amounts=HAND_SET["cheap ops"],
    more=analyse_ops,
    scales={
        "smoke": Scale((SMOKE["image"], SMOKE["text"]), seeds=2, constant_trainings=12),
        "cpu": Scale(
            (
                Setup("cifar10", 12, CNN | {"n_train": 1000}),
                Setup("sst2", 6, BILSTM | {"n_train": 2000}),
            ),
            seeds=3,
            constant_trainings=36,
            unlike="study 4's CNN in place of ResNet-18, a BiLSTM in place of BERT, 1,000 to "
            "2,000 examples, 6 to 12 epochs; one cycle of the learning rate and no early stopping",
        ),
        "full": Scale(
            (
                Setup("cifar10", 50, RESNET, every=1),
                Setup("sst2?words=30000", 3, BERT | {"max_tokens": 128, "patience": 4}, every=0.25),
            ),
            seeds=5,
            constant_trainings=24,
        ),
    },
)  # fmt: skip


@dataclass(frozen=True)
class Options(studies.Options):
    """Run study 2, write runs/NAME."""

    name: str = "cheap-ops"
    """Name of the run folder in runs/."""


def run(options: Options) -> int:
    """Runs the study; returns the exit code."""
    return run_study(STUDY, options)


if __name__ == "__main__":
    main(Options, run, __doc__)
