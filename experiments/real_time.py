"""Study 1, a real-time pipeline: a rule adapts augmentation to the validation loss.

    python -m experiments.real_time --name real-time
    python -m experiments.real_time --name real-time-full --scale full --device cuda --processes 1

A run of seconds, and the first batches of every full training:

    python -m experiments.real_time --name tiny --scale smoke
    python -m experiments.real_time --name first --scale full --first-batches 100
"""

from dataclasses import dataclass

from experiments.common.cli import main
from experiments.common.hand_set import HAND_SET
from experiments.studies import studies
from experiments.studies.studies import BERT, SMOKE, Scale, Setup, Study, run_study

RESNET = {"child": "resnet18", "batch_size": 64, "peak_learning_rate": 1e-3, "schedule": "constant"}
CNN = {"child": "cnn", "width": 32, "batch_size": 64, "peak_learning_rate": 3e-3}
BILSTM = {"child": "bilstm", "width": 64, "peak_learning_rate": 3e-3, "max_tokens": 128}

STUDY = Study(
    title="a real-time pipeline (study 1)",
    arms=("none", "crop and flip", "full complexity", "EDA", "reactive", "ADA", "random",
          "learned", "online"),
    amounts=HAND_SET["full complexity"],
    scales={
        "smoke": Scale((SMOKE["image"], SMOKE["text"]), seeds=2),
        "cpu": Scale(
            (
                Setup("cifar10", 15, CNN | {"n_train": 1000}, every=1),
                Setup("mnist", 12, CNN | {"n_train": 500, "n_test": 2000}, every=1),
                Setup("imdb", 8, BILSTM | {"n_train": 500, "n_test": 1000}, every=1),
            ),
            seeds=3,
            unlike="study 4's CNN in place of ResNet-18, a BiLSTM in place of BERT, 500 to 1,000 "
            "examples, 8 to 15 epochs; the learning rate follows one cycle",
        ),
        "full": Scale(
            (
                Setup("cifar10", 50, RESNET, every=1),
                Setup("mnist", 50, RESNET, every=1),
                Setup("imdb?words=60000", 3, BERT | {"max_tokens": 256}, every=0.25),
            ),
            seeds=5,
            unlike="BERT is trained as in study 2 (AdamW 2e-5, batch size 32, 3 epochs); with this "
            "study's Adam 1e-3 it stays at chance level",
        ),
    },
)  # fmt: skip


@dataclass(frozen=True)
class Options(studies.Options):
    """Run study 1, write runs/NAME."""

    name: str = "real-time"
    """Name of the run folder in runs/."""


def run(options: Options) -> int:
    """Runs the study; returns the exit code."""
    return run_study(STUDY, options)


if __name__ == "__main__":
    main(Options, run, __doc__)
