"""Study 5, generative augmentation: batches with samples of a generator trained on the same data.

    python -m experiments.generative --name generative
    python -m experiments.generative --name generative-full --scale full --device cuda --processes 1

A run of seconds, and the first batches of every full training:

    python -m experiments.generative --name tiny --scale smoke
    python -m experiments.generative --name first --scale full --first-batches 100
"""

from dataclasses import dataclass, replace

from adaptaug.generative import DCGAN, GPT2
from adaptaug.generative.ops import generated, generated_text
from adaptaug.ops import Op
from adaptaug.utils.hub import model_folder
from experiments.common.cli import main
from experiments.studies import studies
from experiments.studies.sample_quality import evaluate_samples
from experiments.studies.studies import BERT, SMOKE, Scale, Setup, Study, chosen, run_study

RESNET = {"child": "resnet18", "batch_size": 64, "peak_learning_rate": 1e-3, "schedule": "constant"}
CNN = {"child": "cnn", "width": 32, "batch_size": 64, "peak_learning_rate": 3e-3}
BILSTM = {"child": "bilstm", "width": 64, "peak_learning_rate": 3e-3, "max_tokens": 64}


WRITTEN = ("bilstm", "bert")
"""Children that are trained on sentences."""

WRITERS = {
    "smoke": GPT2(width=16, layers=1, steps=150, learning_rate=1e-2, samples=128),
    "cpu": GPT2(steps=500),
    "full": GPT2.full(),
}
"""Settings of the GPT-2 by scale."""


def _generators(images: DCGAN, text: GPT2) -> dict[str, Op]:
    """The two generator ops with these settings, by name."""
    return {op.name: op for op in (generated(images), generated_text(text))}


STUDY = Study(
    title="generative augmentation (study 5)",
    arms=("none", "crop and flip", "EDA", "generative", "reactive", "learned"),
    amounts={
        "image": {"generated": 0.3, "crop": 0.125, "hflip": 0.5},
        "text": {"generated_text": 0.3, "synonym": 0.2},
    },
    more=evaluate_samples,
    scales={
        "smoke": Scale(
            (SMOKE["image"], SMOKE["text"]),
            seeds=1,
            variants=_generators(DCGAN(steps=400), WRITERS["smoke"]),
        ),
        "cpu": Scale(
            (
                Setup("cifar10", 15, CNN | {"n_train": 1000}),
                Setup("mnist", 4, CNN | {"n_train": 2000, "n_test": 2000}),
                Setup("imdb", 8, BILSTM | {"n_train": 300, "n_test": 1000, "max_tokens": 32}),
            ),
            seeds=3,
            unlike="study 4's CNN in place of ResNet-18, a BiLSTM in place of BERT, 300 to 2,000 "
            "examples, 4 to 15 epochs, reviews cut to 32 words; a DCGAN of a quarter of the width "
            "and 1,000 updates, a GPT-2 of two blocks of random weights and 500 updates",
            variants=_generators(DCGAN(), WRITERS["cpu"]),
        ),
        "full": Scale(
            (
                Setup("cifar10", 50, RESNET),
                Setup("mnist", 50, RESNET),
                Setup("imdb?words=60000", 3, BERT | {"max_tokens": 256}),
            ),
            seeds=5,
            variants=_generators(DCGAN.full(), WRITERS["full"]),
        ),
    },
)  # fmt: skip


@dataclass(frozen=True)
class Options(studies.Options):
    """Run study 5, write runs/NAME."""

    name: str = "generative"
    """Name of the run folder in runs/."""
    generator: str | None = None
    """Hub id or folder of a GPT-2 in place of the study's."""


def run(options: Options) -> int:
    """Runs the study; returns the exit code."""
    return run_study(_with_writer(options) if options.scale in WRITERS else STUDY, options)


def _with_writer(options: Options) -> Study:
    """The study with the GPT-2 of the options; a missing model is an error before any training."""
    scale, writer = STUDY.scales[options.scale], WRITERS[options.scale]
    if options.generator is not None:
        writer = replace(writer, pretrained=options.generator)
    writes = any(setup.settings["child"] in WRITTEN for setup in chosen(scale.setups, options.only))
    if writes and writer.pretrained is not None and options.first_batches is None:
        model_folder(writer.pretrained)
    scale = replace(scale, variants={**scale.variants, "generated_text": generated_text(writer)})
    return replace(STUDY, scales={**STUDY.scales, options.scale: scale})


if __name__ == "__main__":
    main(Options, run, __doc__)
