"""What all scripts share: arguments in one sense, errors in one sentence, exit codes."""

import logging
import math
import os
import shlex
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
import tyro

from adaptaug.data import load
from adaptaug.errors import AdaptAugError
from adaptaug.metrics import f1
from adaptaug.ops import OpSpace
from adaptaug.training.setup import start
from adaptaug.training.task import Task
from experiments.common.defaults import DEFAULTS, peak_learning_rate

RUNS = Path("runs")
"""Where run folders are made."""

EVALUATION_SEEDS = 1_000_000
"""First seed of an evaluation; nothing is chosen on these."""

SWEEP_SEEDS = 1_000
"""First seed of a sweep, which guides choices."""

Options = TypeVar("Options")


@dataclass(frozen=True)
class ChildOptions:
    """How children are trained."""

    child: str | None = None
    """Child model; by default 'cnn', 'bilstm' or 'tagger', as the data ask. Larger ones are
    'resnet18', 'resnet50', 'vgg16' and 'efficientnet_b0' for images, 'bert' for sentences."""
    pretrained: str | None = None
    """Hub id or folder of the BERT model that child 'bert' starts from; by default a small one of
    random weights."""
    width: int | None = None
    """Width of the child, by default 16 for images, where 32 is the full CNN, and 64 for
    sentences; 'resnet18' and its like, and a pretrained BERT, do not read it."""
    batch_size: int = 32
    """Examples in a batch."""
    peak_learning_rate: float | None = None
    """Learning rate at the top of the schedule; by default the child's usual one."""
    schedule: str = "one_cycle"
    """Learning-rate schedule: 'one_cycle', 'cosine', 'linear' (BERT's) or 'constant'."""
    optimizer: str = "adam"
    """'adam' or 'adamw'."""
    weight_decay: float = 0.0
    """Weight decay, of Adam in the gradient, of AdamW beside it."""
    precision: str = "float32"
    """'float32', or 'bfloat16': faster where the hardware has it, above all for large children."""
    max_tokens: int | None = None
    """Tokens kept of every sentence; by default 256."""
    lexicon: str | None = None
    """Synonyms for sentences: a file, 'wordnet', or 'opinions' and 'mentions' for those tasks;
    without, the ops that need some are left out."""
    vectors: str | None = None
    """A file of word vectors that the embedding starts from, in GloVe's text form."""
    metric: str = "accuracy"
    """Validation score that the policy sees and is rewarded for: 'accuracy' or 'f1'."""
    n_validation: int = 500
    """Reward-validation examples: labels that the policy looks at during a run."""
    n_test: int | None = None
    """Final test examples; by default the whole test split."""
    decision_interval: int | None = None
    """Batches between decisions, down to 1; by default an eighth of the run."""
    patience: int | None = None
    """Early stopping after that many decisions without a better validation loss."""
    device: str = "cpu"
    """Where children train."""
    processes: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Worker processes, one child at a time in each; 0 means this process alone."""

    def check(self) -> None:
        """Finds what is wrong with the machine's part, before anything is written.

        Raises:
            AdaptAugError: too few processes, or a device that torch cannot use.
        """
        check_counts(0, processes=self.processes)
        check_device(self.device)

    def task(self, dataset: str, n_train: int, steps: int) -> Task:
        """The task of these options; what is not set is what suits the data set.

        Raises:
            AdaptAugError: the data set cannot be loaded, or a number is out of its range.
        """
        usual = DEFAULTS[load(dataset).modality]
        child = usual.child if self.child is None else self.child
        rate = self.peak_learning_rate
        return Task(
            dataset=dataset,
            n_train=n_train,
            steps=steps,
            child=child,
            pretrained=self.pretrained,
            width=usual.width if self.width is None else self.width,
            batch_size=self.batch_size,
            peak_learning_rate=peak_learning_rate(child, self.pretrained) if rate is None else rate,
            schedule=self.schedule,
            optimizer=self.optimizer,
            weight_decay=self.weight_decay,
            precision=self.precision,
            max_tokens=self.max_tokens,
            lexicon=self.lexicon,
            vectors=self.vectors,
            metric=self.metric,
            n_validation=self.n_validation,
            n_test=self.n_test,
            decision_interval=self.decision_interval,
            patience=self.patience,
        )


def run_path(name: str) -> Path:
    """Where the run of a name is.

    Raises:
        AdaptAugError: it would not be a folder of its own in `RUNS`.
    """
    path = RUNS / name
    if RUNS not in path.parents or ".." in path.parts:
        raise AdaptAugError(f"name must be that of a folder in {RUNS}/, got {name!r}")
    return path


def check_task(task: Task) -> None:
    """Finds what is wrong with data, split or child before anything is written or trained.

    Raises:
        AdaptAugError: the task cannot be trained, or its F1 not be computed.
    """
    source = load(task.dataset)
    start(task, 0, OpSpace(DEFAULTS[source.modality].ops))
    some = source.test.targets[:2]
    f1(some, some, source.classes)


def described(task: Task) -> dict[str, Any]:
    """What a summary tells of a task."""
    names = ("dataset", "child", "n_train", "steps")
    row = {name: getattr(task, name) for name in names}
    rewarded = {} if task.metric == Task.metric else {"metric": task.metric}
    return row | {"modality": load(task.dataset).modality} | rewarded


def check_counts(lowest: int, **counts: int) -> None:
    """Makes sure that numbers are not too low.

    Raises:
        AdaptAugError: one of them is below `lowest`.
    """
    for name, value in counts.items():
        if value < lowest:
            raise AdaptAugError(f"{name} must be at least {lowest}, got {value}")


def check_numbers(**numbers: float | None) -> None:
    """Makes sure that numbers are finite and not negative; None has a default.

    Raises:
        AdaptAugError: one of them is not.
    """
    for name, value in numbers.items():
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise AdaptAugError(f"{name} must be a number of at least 0, got {value}")


def check_seed(seed: int) -> None:
    """Makes sure that all that is seeded can be.

    Raises:
        AdaptAugError: the seed is out of NumPy's range.
    """
    if not 0 <= seed < 2**32:
        raise AdaptAugError(f"seed must lie in 0..{2**32 - 1}, got {seed}")


def check_device(device: str) -> None:
    """Makes sure that torch can put something on the device.

    Raises:
        AdaptAugError: it cannot.
    """
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        raise AdaptAugError(f"device must be one that torch can use here, got {device!r}") from None


def command() -> str:
    """The command that runs this script again."""
    module = Path(sys.argv[0]).stem
    return shlex.join(["python", "-m", f"experiments.{module}", *sys.argv[1:]])


def main(options: type[Options], run: Callable[[Options], int], description: str | None) -> None:
    """Parses the command line, runs, and turns a user's mistake into a sentence and exit code 2.

    To be terminated, as a cluster's scheduler does, is to be interrupted, as by Ctrl-C.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    parsed = tyro.cli(options, description=description)
    try:
        code = run(parsed)
    except AdaptAugError as error:
        print(f"error: {error}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 130
    raise SystemExit(code)
