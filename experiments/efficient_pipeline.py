r"""Study 3, an efficient pipeline in existing workflows: five ops, three network families.

    python -m experiments.efficient_pipeline --name efficient
    python -m experiments.efficient_pipeline --name efficient-full --scale full --device cuda \
        --processes 1

A run of seconds, and the first batches of every full training:

    python -m experiments.efficient_pipeline --name tiny --scale smoke
    python -m experiments.efficient_pipeline --name first --scale full --first-batches 100
"""

from dataclasses import dataclass

from experiments.common.cli import main
from experiments.common.hand_set import HAND_SET
from experiments.studies import studies
from experiments.studies.studies import SMOKE, Scale, Setup, Study, run_study

CHILDREN = ("resnet50", "efficientnet_b0", "vgg16")
FULL = {"batch_size": 64, "peak_learning_rate": 1e-3, "schedule": "constant"}
CNN = {"child": "cnn", "width": 32, "batch_size": 64, "peak_learning_rate": 3e-3}

STUDY = Study(
    title="an efficient pipeline in existing workflows (study 3)",
    arms=("none", "crop and flip", "efficient pipeline", "RandAugment", "learned"),
    amounts=HAND_SET["efficient pipeline"],
    scales={
        "smoke": Scale((SMOKE["image"],), seeds=2),
        "cpu": Scale(
            (
                Setup("cifar10", 15, CNN | {"n_train": 1000}),
                Setup("imagenette?size=64&mode=RGB", 15,
                      CNN | {"n_train": 300, "n_validation": 100}),
            ),
            seeds=3,
            unlike="study 4's CNN in place of the three, 300 to 1,000 images, "
            "15 epochs; the learning rate follows one cycle",
        ),
        "full": Scale(
            tuple(
                Setup(data, 50, FULL | {"child": child} | more)
                for data, more in (
                    ("cifar10", {}),
                    ("imagenette?size=224&mode=RGB", {"n_validation": 100}),
                )
                for child in CHILDREN
            ),
            seeds=5,
            unlike="Imagenette, ten classes of ImageNet, in place of ImageNet-1k; VGG-16 with "
            "batch normalisation",
        ),
    },
)  # fmt: skip


@dataclass(frozen=True)
class Options(studies.Options):
    """Run study 3, write runs/NAME."""

    name: str = "efficient-pipeline"
    """Name of the run folder in runs/."""


def run(options: Options) -> int:
    """Runs the study; returns the exit code."""
    return run_study(STUDY, options)


if __name__ == "__main__":
    main(Options, run, __doc__)
