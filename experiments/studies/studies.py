"""What the five studies share: a table of set-ups by scale, and one way to run it.

`smoke` takes seconds and data that are built in; `cpu` takes minutes on two cores, on real data,
with smaller children, fewer examples and fewer seeds than the study names, as its report says;
`full` has the study's own hyperparameters, for a GPU. `--first-batches 100` trains only the start
of every child and says whether its loss falls.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adaptaug.data import load
from adaptaug.data.loading import EMBEDDED
from adaptaug.errors import AdaptAugError
from adaptaug.ops import Op
from adaptaug.training.task import Task
from adaptaug.utils.types import Modality
from experiments.common.arms import Amounts, check_arms, magnitudes_of
from experiments.common.comparison import (
    Comparison,
    More,
    read_policies,
    run_comparison,
    usual_arms_of,
)
from experiments.studies.first_batches import run_first_batches

HUB = {
    "cifar10": "uoft-cs/cifar10",
    "conll2003": "lhoestq/conll2003",
    "imagenette": "frgfm/imagenette",
    "imdb": "stanfordnlp/imdb",
    "mnist": "ylecun/mnist",
    "sst2": "stanfordnlp/sst2",
}
"""Where `--data hub` finds the data sets that a folder holds by their short names."""

SYNONYMS = "synonyms.tsv.gz"
"""The lexicon in a folder of data sets."""

SCALES = ("smoke", "cpu", "full")


@dataclass(frozen=True)
class Setup:
    """One data set with its child and budget."""

    data: str
    """Name in the data folder, or of a data set that is built in; choices as a query."""
    epochs: float
    """Passes over the training examples in the whole run."""
    settings: Mapping[str, Any]
    """Other fields of the task; without `n_train`, all examples but the validation's."""
    every: float | None = None
    """Passes between decisions; None leaves the rhythm to the arms."""

    def task(self, root: str) -> Task:
        """The task, its data found in that folder, or on the hub where `root` is 'hub'.

        Raises:
            AdaptAugError: the data set cannot be loaded, or a number is out of its range.
        """
        dataset, settings = located(self.data, root), dict(self.settings)
        source = load(dataset)
        held_out = settings.get("n_validation", Task.n_validation)
        n_train = settings.pop("n_train", max(1, len(source.train) - held_out))
        batches = n_train / settings.get("batch_size", Task.batch_size)
        if source.modality == "text":
            settings.setdefault("lexicon", lexicon(self.data, root))
        if self.every is not None:
            settings["decision_interval"] = max(1, round(self.every * batches))
        steps = max(1, round(self.epochs * batches))
        return Task(dataset=dataset, n_train=n_train, steps=steps, **settings)


@dataclass(frozen=True)
class Scale:
    """How large a study is run."""

    setups: tuple[Setup, ...]
    """What is trained."""
    seeds: int
    """Children for each arm and set-up."""
    constant_trainings: int = 0
    """Child trainings in the search of the best constant; 0 leaves that arm out."""
    variants: Mapping[str, Op] = field(default_factory=dict)
    """Ops with settings of their own in place of the registered ones of these names."""
    unlike: str = ""
    """What is not as in the study, for the report."""


@dataclass(frozen=True)
class Study:
    """One of the five studies."""

    title: str
    """Heading of its report."""
    arms: tuple[str, ...]
    """Arms, the baseline first; those that need a policy run only with one."""
    amounts: Mapping[Modality, Amounts]
    """The op space of the rules with a person's largest amounts, in the ops' units."""
    scales: Mapping[str, Scale]
    """By name: smoke, cpu, full."""
    more: More | None = None
    """What the study measures beside the arms."""


@dataclass(frozen=True)
class Options:
    """What every study's command line takes."""

    name: str
    """Name of the run folder in runs/."""
    scale: str = "cpu"
    """'smoke' (seconds), 'cpu' (minutes on two cores) or 'full' (the study's own, for a GPU)."""
    data: str = "../shared/data"
    """Folder of the data sets (cifar10, mnist, ...), or 'hub' for the Hugging Face hub."""
    arms: tuple[str, ...] = ()
    """Arms to run in place of the study's."""
    only: tuple[str, ...] = ()
    """Run only the set-ups on these data sets, such as cifar10, or with these children."""
    pretrained: str | None = None
    """Hub id or folder of another BERT than the study's, or 'none' for a small random one."""
    precision: str = "float32"
    """'float32', or 'bfloat16': faster where the hardware has it, above all for large children."""
    policy: tuple[str, ...] = ()
    """Policy folders or hub ids, for the arms 'learned' and 'online'."""
    seeds: int | None = None
    """Evaluation seeds; by default the scale's."""
    constant_trainings: int | None = None
    """Child trainings in the search of the best constant; by default the scale's."""
    robustness: bool = True
    """Whether children are also tested on attacked and corrupted inputs."""
    first_batches: int | None = None
    """Train only so many batches of every child, 2 or more, and report whether the loss falls."""
    processes: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Worker processes, one child at a time in each; 0 means this process alone."""
    device: str = "cpu"
    """Where children train."""


_SMALL = {"n_train": 64, "n_validation": 100, "n_test": 40}

SMOKE: dict[Modality, Setup] = {
    "image": Setup("digits", 12, {"child": "cnn", "width": 4} | _SMALL),
    "text": Setup("opinions", 8, {"child": "bilstm", "width": 8} | _SMALL),
    "tagging": Setup("mentions", 8, {"child": "tagger", "width": 8} | _SMALL),
}
"""Trainings of a fraction of a second on data that are built in."""

BERT: dict[str, Any] = {
    "child": "bert", "pretrained": "bert-base-uncased", "batch_size": 32, "optimizer": "adamw",
    "peak_learning_rate": 2e-5, "weight_decay": 0.01, "schedule": "linear",
}  # fmt: skip
"""BERT-base as studies 2 and 5 fine-tune it, for 3 epochs."""


def run_study(study: Study, options: Options) -> int:
    """Does the whole job; returns the exit code.

    Raises:
        AdaptAugError: a user's mistake, before anything is written.
    """
    if options.scale not in SCALES:
        raise AdaptAugError(f"scale must be one of {', '.join(SCALES)}, got {options.scale!r}")
    scale = study.scales[options.scale]
    check_arms(options.arms)
    trainings = options.constant_trainings
    trainings = scale.constant_trainings if trainings is None else trainings
    policies = read_policies(options.policy)
    notes = [f"scale: {options.scale}"]
    if scale.unlike:
        notes.append(f"unlike the study: {scale.unlike}")
    comparison = Comparison(
        study.title,
        tasks=[
            started_from(setup.task(options.data), options.pretrained).but(
                precision=options.precision
            )
            for setup in chosen(scale.setups, options.only)
        ],
        arms=options.arms or usual_arms_of(study.arms, policies, trainings),
        seeds=scale.seeds if options.seeds is None else options.seeds,
        required=options.arms,
        hand_set={kind: magnitudes_of(amounts) for kind, amounts in study.amounts.items()},
        policies=policies,
        variants=scale.variants,
        constant_trainings=trainings,
        robustness=options.robustness,
        processes=options.processes,
        device=options.device,
        notes=notes,
        more=study.more,
    )
    if options.first_batches is not None:
        return run_first_batches(comparison, options.name, options, options.first_batches)
    return run_comparison(comparison, options.name, options)


def chosen(setups: Sequence[Setup], only: Sequence[str]) -> list[Setup]:
    """The set-ups on these data sets or with these children; all where none is named.

    Raises:
        AdaptAugError: a name fits no set-up.
    """
    names = [{setup.data.partition("?")[0], setup.settings["child"]} for setup in setups]
    known = sorted(set().union(*names))
    for name in only:
        if name not in known:
            raise AdaptAugError(f"only must name some of {', '.join(known)}, got {name!r}")
    pairs = zip(setups, names, strict=True)
    return [setup for setup, own in pairs if not only or own & set(only)]


def started_from(task: Task, pretrained: str | None) -> Task:
    """The task with another pretrained model, where it has one; 'none' means random weights."""
    if task.pretrained is None or pretrained is None:
        return task
    return task.but(pretrained=None if pretrained == "none" else pretrained)


def located(data: str, root: str) -> str:
    """The full name of a data set: built in, in the folder, or on the hub.

    Raises:
        AdaptAugError: the folder does not exist, or does not hold the data set.
    """
    name, mark, query = data.partition("?")
    if name in EMBEDDED:
        return data
    if root == "hub":
        return HUB[name] + mark + query
    if not (Path(root) / name).is_dir():
        raise AdaptAugError(
            f"--data must be a folder that holds {name}, or 'hub', got {root!r} without it"
        )
    return f"{Path(root) / name}{mark}{query}"


def lexicon(data: str, root: str) -> str | None:
    """Synonyms for sentences: the built-in task's own, or those that lie beside the data."""
    name = data.partition("?")[0]
    if name in EMBEDDED:
        return name
    path = Path(root) / SYNONYMS
    return str(path) if path.is_file() else None
