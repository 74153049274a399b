"""Study 4, AugNet: a small network that learns to augment during the run that it controls.

    python -m experiments.augnet --name augnet
    python -m experiments.augnet --name augnet-full --scale full --device cuda --processes 1

A run of seconds, and the first batches of every full training:

    python -m experiments.augnet --name tiny --scale smoke
    python -m experiments.augnet --name first --scale full --first-batches 100
"""

from dataclasses import dataclass

from experiments.common.cli import main
from experiments.studies import studies
from experiments.studies.studies import SMOKE, Scale, Setup, Study, run_study

FULL = {
    "batch_size": 64, "peak_learning_rate": 1e-3, "schedule": "constant", "patience": 30,
}  # fmt: skip
EVERY = 0.1
"""Epochs between AugNet's decisions. Patience counts decisions, so 30 of them are 3 epochs."""
CNN = {"child": "cnn", "width": 32, "batch_size": 64, "peak_learning_rate": 3e-3}
BILSTM = {"child": "bilstm", "width": 64, "peak_learning_rate": 3e-3, "max_tokens": 128}
TAGGER = {"child": "tagger", "width": 64, "peak_learning_rate": 1e-2, "max_tokens": 64}

STUDY = Study(
    title="AugNet, an adaptive network inside the training loop (study 4)",
    arms=("none", "crop and flip", "EDA", "constant", "random", "AugNet", "learned"),
    amounts={
        "image": {"crop": 0.125, "hflip": 0.5, "rotate": 15, "zoom": 0.2, "brightness": 0.2,
                  "contrast": 0.2, "noise": 0.1},
        "text": {"synonym": 0.2, "insertion": 0.2, "swap": 0.2, "deletion": 0.2, "masking": 0.2},
        "tagging": {"labelwise": 0.2, "mention": 0.2, "segments": 0.2, "masking": 0.2},
    },
    scales={
        "smoke": Scale((SMOKE["image"], SMOKE["text"], SMOKE["tagging"]), seeds=2),
        "cpu": Scale(
            (
                Setup("cifar10", 15, CNN | {"n_train": 1000}),
                Setup("mnist", 12, CNN | {"n_train": 500, "n_test": 2000}),
                Setup("imdb", 8, BILSTM | {"n_train": 500, "n_test": 1000}),
                Setup("conll2003", 8, TAGGER | {"n_train": 500, "n_test": 1000}),
            ),
            seeds=3,
            unlike="500 to 1,000 examples, 8 to 15 epochs, a BiLSTM and a tagger of width 64; one "
            "cycle of the learning rate, no early stopping; AugNet decides 40 times a run",
        ),
        # The study's AugNet learns after every batch; each time it needs a validation.
        "full": Scale(
            (
                Setup("cifar10", 50, FULL | {"child": "cnn", "width": 32}, EVERY),
                Setup("mnist", 50, FULL | {"child": "cnn", "width": 32}, EVERY),
                Setup("imdb", 50, FULL | {"child": "bilstm", "width": 64, "max_tokens": 256},
                      EVERY),
                Setup("conll2003", 50, FULL | {"child": "tagger", "width": 64}, EVERY),
            ),
            seeds=5,
            unlike="AugNet decides ten times per epoch instead of after every batch",
        ),
    },
)  # fmt: skip


@dataclass(frozen=True)
class Options(studies.Options):
    """Run study 4, write runs/NAME."""

    name: str = "augnet"
    """Name of the run folder in runs/."""


def run(options: Options) -> int:
    """Runs the study; returns the exit code."""
    return run_study(STUDY, options)


if __name__ == "__main__":
    main(Options, run, __doc__)
