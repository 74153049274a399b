"""Study 5, generative augmentation: samples of a generator, made on the training set, in batches.

    python -m experiments.generative --name generative
    python -m experiments.generative --name generative-full --scale full --device cuda --processes 1

A look in seconds, and the start of every full training:

    python -m experiments.generative --name tiny --scale smoke
    python -m experiments.generative --name start --scale full --first-batches 100
"""

from dataclasses import dataclass

from adaptaug.generative import DCGAN, GPT2
from adaptaug.ops import Op, generated, generated_text
from experiments import studies
from experiments.cli import main
from experiments.sample_quality import judge_samples
from experiments.studies import BERT, SMOKE, Scale, Setup, Study, run_study

RESNET = {"child": "resnet18", "batch_size": 64, "peak_learning_rate": 1e-3, "schedule": "constant"}
CNN = {"child": "cnn", "width": 32, "batch_size": 64, "peak_learning_rate": 3e-3}
BILSTM = {"child": "bilstm", "width": 64, "peak_learning_rate": 3e-3, "max_tokens": 64}


def _generators(images: DCGAN, text: GPT2 | None = None) -> dict[str, Op]:
    """The two ops with these settings."""
    ops = (generated(images), generated_text(text or GPT2()))
    return {op.name: op for op in ops}


STUDY = Study(
    title="generative augmentation (study 5)",
    arms=("none", "crop and flip", "EDA", "generative", "reactive", "learned"),
    amounts={
        "image": {"generated": 0.3, "crop": 0.125, "hflip": 0.5},
        "text": {"generated_text": 0.3, "synonym": 0.2},
    },
    more=judge_samples,
    scales={
        "smoke": Scale((SMOKE["image"],), seeds=1, variants=_generators(DCGAN(width=8, steps=20))),
        "cpu": Scale(
            (
                Setup("cifar10", 15, CNN | {"n_train": 1000}),
                Setup("mnist", 4, CNN | {"n_train": 2000, "n_test": 2000}),
                Setup("imdb", 8, BILSTM | {"n_train": 300, "n_test": 1000, "max_tokens": 32}),
            ),
            seeds=3,
            reduced="study 4's CNN in place of ResNet-18, a BiLSTM in place of BERT, 300 to 2,000 "
            "examples, 4 to 15 epochs, reviews cut to 32 words; a DCGAN of a quarter of the width "
            "and 1,000 updates, a GPT-2 of two blocks of random weights and 500 updates",
            variants=_generators(DCGAN(), GPT2(steps=500)),
        ),
        "full": Scale(
            (
                Setup("cifar10", 50, RESNET),
                Setup("mnist", 50, RESNET),
                Setup("imdb", 3, BERT | {"max_tokens": 256}),
            ),
            seeds=5,
            variants=_generators(DCGAN.full(), GPT2.full()),
        ),
    },
)  # fmt: skip


@dataclass(frozen=True)
class Options(studies.Options):
    """Run study 5, write runs/NAME."""

    name: str = "generative"
    """Name of the run folder in runs/."""


def run(options: Options) -> int:
    """Does the whole job; returns the exit code."""
    return run_study(STUDY, options)


if __name__ == "__main__":
    main(Options, run, __doc__)
