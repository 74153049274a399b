"""A study: data sets, children and arms at three scales, and the function that runs it.

`smoke` takes seconds on built-in data. `cpu` takes minutes on two cores on real data, with smaller
children, fewer examples and fewer seeds than the study names; its report says so. `full` has the
study's own hyperparameters and is for a GPU. `--first-batches 100` trains only the start of every
child and reports whether its loss falls.
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
from experiments.common.arms import check_arms
from experiments.common.comparison import (
    Comparison,
    More,
    read_policies,
    run_comparison,
    usual_arms_of,
)
from experiments.common.hand_set import Amounts, magnitudes_of
from experiments.studies.first_batches import run_first_batches

HUB = {
    "cifar10": "uoft-cs/cifar10",
    "conll2003": "lhoestq/conll2003",
    "imagenette": "frgfm/imagenette",
    "imdb": "stanfordnlp/imdb",
    "mnist": "ylecun/mnist",
    "sst2": "stanfordnlp/sst2",
}
"""Hub ids of the data sets, for `--data hub`, by their names in a data folder."""

SYNONYMS = "synonyms.tsv.gz"
"""File name of the lexicon in a data folder."""

SCALES = ("smoke", "cpu", "full")


@dataclass(frozen=True)
class Setup:
    """One data set with its child and budget."""

    data: str
    """Name in the data folder, or of a built-in data set; options as in "imagenette?size=64"."""
    epochs: float
    """Epochs in the whole run."""
    settings: Mapping[str, Any]
    """Other fields of the task; without `n_train`, all examples except those for validation."""
    every: float | None = None
    """Epochs between decisions; None leaves the number of decisions to the arms."""

    def task(self, root: str) -> Task:
        """The task, with data from the folder `root`, or from the hub if `root` is 'hub'.

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
    """The size of a study."""

    setups: tuple[Setup, ...]
    """Data sets and children."""
    seeds: int
    """Children per arm and set-up."""
    constant_trainings: int = 0
    """Child trainings in the random search for the best constant; 0 leaves this arm out."""
    variants: Mapping[str, Op] = field(default_factory=dict)
    """Ops that replace the registered ones of these names."""
    unlike: str = ""
    """Differences from the study, for the report."""


@dataclass(frozen=True)
class Study:
    """One of the five studies."""

    title: str
    """Heading of the report."""
    arms: tuple[str, ...]
    """Names of the arms; those that need a policy are left out without one."""
    amounts: Mapping[Modality, Amounts]
    """Op space of the rules: hand-set largest amounts in the ops' units."""
    scales: Mapping[str, Scale]
    """By name: 'smoke', 'cpu', 'full'."""
    more: More | None = None
    """What the study measures after the arms."""


@dataclass(frozen=True)
class Options:
    """Options of every study."""

    name: str
    """Name of the run folder in runs/."""
    scale: str = "cpu"
    """Size of the study: 'smoke' (seconds), 'cpu' (minutes on two cores) or 'full' (the study's own
    size, for a GPU)."""
    data: str = "../shared/data"
    """Folder that holds the data sets by name (cifar10, mnist, ...), or 'hub' for the Hugging Face
    hub."""
    arms: tuple[str, ...] = ()
    """Names of arms, in place of the study's."""
    only: tuple[str, ...] = ()
    """Data sets, such as cifar10, or children: runs only the set-ups with these. By default all."""
    pretrained: str | None = None
    """Hub id or folder of a BERT in place of the study's, or 'none' for a small one with random
    weights."""
    precision: str = "float32"
    """Number format of the child's forward pass: 'float32' or 'bfloat16', which is faster for large
    children on hardware that supports it."""
    policy: tuple[str, ...] = ()
    """Policies for the arms 'learned' and 'online': folders, hub ids, or 'digits', which is part of
    the package."""
    seeds: int | None = None
    """Number of evaluation seeds. By default that of the scale."""
    constant_trainings: int | None = None
    """Child trainings in the random search for the best constant. By default those of the scale."""
    robustness: bool = True
    """Whether children are also evaluated on attacked and corrupted inputs."""
    first_batches: int | None = None
    """Number of batches, at least 2: trains only these of every child and reports whether the loss
    falls."""
    processes: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Worker processes, each of which trains one child at a time; 0 trains in the main process. By
    default one process per CPU core."""
    device: str = "cpu"
    """Torch device that children train on, such as 'cpu' or 'cuda'."""


_SMALL = {"n_train": 64, "n_validation": 100, "n_test": 40}

SMOKE: dict[Modality, Setup] = {
    "image": Setup("digits", 12, {"child": "cnn", "width": 4} | _SMALL),
    "text": Setup("opinions", 8, {"child": "bilstm", "width": 8} | _SMALL),
    "tagging": Setup("mentions", 8, {"child": "tagger", "width": 8} | _SMALL),
}
"""Trainings of a fraction of a second on built-in data."""

BERT: dict[str, Any] = {
    "child": "bert", "pretrained": "bert-base-uncased", "batch_size": 32, "optimizer": "adamw",
    "peak_learning_rate": 2e-5, "weight_decay": 0.01, "schedule": "linear",
}  # fmt: skip
"""Fine-tuning of BERT-base as in studies 2 and 5, which take 3 epochs."""


def run_study(study: Study, options: Options) -> int:
    """Runs the study or the first batches of it; returns the exit code.

    Raises:
        AdaptAugError: a user's mistake, found before anything is written.
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
        notes.append(f"differences from the study: {scale.unlike}")
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
    """The set-ups on these data sets or with these children; all if none is named.

    Raises:
        AdaptAugError: no set-up has one of the names.
    """
    names = [{setup.data.partition("?")[0], setup.settings["child"]} for setup in setups]
    known = sorted(set().union(*names))
    for name in only:
        if name not in known:
            raise AdaptAugError(f"--only must be one or more of {', '.join(known)}, got {name!r}")
    pairs = zip(setups, names, strict=True)
    return [setup for setup, own in pairs if not only or own & set(only)]


def started_from(task: Task, pretrained: str | None) -> Task:
    """The task with another pretrained model, if it has one; 'none' means random weights."""
    if task.pretrained is None or pretrained is None:
        return task
    return task.but(pretrained=None if pretrained == "none" else pretrained)


def located(data: str, root: str) -> str:
    """The full name of a data set: a built-in one, a folder in `root`, or a hub id.

    Raises:
        AdaptAugError: the folder does not exist or does not hold the data set.
    """
    name, mark, query = data.partition("?")
    if name in EMBEDDED:
        return data
    if root == "hub":
        return HUB[name] + mark + query
    if not (Path(root) / name).is_dir():
        raise AdaptAugError(f"--data must be 'hub' or a folder that holds {name}, got {root!r}")
    return f"{Path(root) / name}{mark}{query}"


def lexicon(data: str, root: str) -> str | None:
    """The lexicon for sentences: that of the built-in task, or the file beside the data."""
    name = data.partition("?")[0]
    if name in EMBEDDED:
        return name
    path = Path(root) / SYNONYMS
    return str(path) if path.is_file() else None
