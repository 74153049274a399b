"""The command line of all scripts: shared options, checks with one-sentence errors, exit codes."""

import logging
import math
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import torch
import tyro

from adaptaug.data import Source, load
from adaptaug.errors import AdaptAugError
from adaptaug.metrics import f1
from adaptaug.ops import OpSpace
from adaptaug.training.setup import set_up
from adaptaug.training.task import Task
from experiments.common.defaults import DEFAULTS, peak_learning_rate

RUNS = Path("runs")
"""The folder of all run folders."""

EVALUATION_SEEDS = 3_000_000
"""First seed of an evaluation; no search and no choice uses these seeds. Those from 1,000,000 and
2,000,000 on were used for choices until November 2026."""

SWEEP_SEEDS = 1_000
"""First seed of a sweep, whose results may guide choices."""

Options = TypeVar("Options")


@dataclass(frozen=True)
class ChildOptions:
    """How children are trained."""

    child: str | None = None
    """Child model: 'cnn', 'resnet18', 'resnet50', 'vgg16' or 'efficientnet_b0' for images, 'bilstm'
    or 'bert' for sentences, 'tagger' for tagged sentences. By default 'cnn', 'bilstm' or 'tagger',
    depending on the data."""
    pretrained: str | None = None
    """Hub id or folder of the BERT model that child 'bert' starts from. By default a small BERT
    starts from random weights."""
    width: int | None = None
    """Width of the child: channels of the CNN's first layer, or hidden units for sentences. By
    default 16 for images and 64 for sentences. Torchvision's children and a pretrained BERT have a
    fixed width."""
    batch_size: int = 32
    """Examples per batch."""
    peak_learning_rate: float | None = None
    """Peak learning rate of the schedule. The default depends on the child: 1e-2 for the CNN."""
    schedule: str = "one_cycle"
    """Learning-rate schedule: 'one_cycle', 'cosine', 'linear' (warmup, then linear decay, as in
    BERT) or 'constant'."""
    optimizer: str = "adam"
    """Optimizer: 'adam' or 'adamw'."""
    weight_decay: float = 0.0
    """Weight decay: an L2 term in the gradient for Adam, decoupled from it for AdamW."""
    precision: str = "float32"
    """Number format of the child's forward pass: 'float32' or 'bfloat16', which is faster for large
    children on hardware that supports it."""
    max_tokens: int | None = None
    """Longest sentence in tokens; the rest is cut. By default 256."""
    lexicon: str | None = None
    """Synonyms for the ops on words: a file, 'wordnet', or 'opinions' and 'mentions' for the
    built-in tasks of these names. Without it, ops that need synonyms are left out."""
    vectors: str | None = None
    """A file of word vectors in GloVe's text format that initialises the embedding."""
    metric: str = "accuracy"
    """Metric that the policy observes and is rewarded for: 'accuracy' or 'f1'."""
    n_validation: int | None = None
    """Reward-validation examples: held-out examples whose labels the policy uses during a run. By
    default 500; where these do not fit, half of the examples that are not for testing."""
    n_test: int | None = None
    """Final test examples. By default the whole test split."""
    decision_interval: int | None = None
    """Batches between decisions of the controller. By default an eighth of the run."""
    patience: int | None = None
    """Decisions without a better validation loss after which training stops early. By default there
    is no early stopping."""
    device: str = "cpu"
    """Torch device that children train on, such as 'cpu' or 'cuda'."""
    processes: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Worker processes, each of which trains one child at a time; 0 trains in the main process. By
    default one process per CPU core."""

    def check(self) -> None:
        """Checks the number of processes and the device.

        Raises:
            AdaptAugError: the number is negative, or torch cannot use the device.
        """
        check_counts(0, processes=self.processes)
        check_device(self.device)

    def task(
        self, dataset: str, n_train: int, steps: int, rows: tuple[int, int] | None = None
    ) -> Task:
        """The task of these options on some rows, with defaults that suit the data set.

        Raises:
            AdaptAugError: the data set cannot be loaded, or a number is out of its range.
        """
        source = load(dataset)
        usual = DEFAULTS[source.modality]
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
            n_validation=self._held_out(source, n_train, rows),
            n_test=self.n_test,
            decision_interval=self.decision_interval,
            patience=self.patience,
            rows=rows,
        )

    def _held_out(self, source: Source, n_train: int, rows: tuple[int, int] | None) -> int:
        """The number of reward-validation examples: the chosen one, else one that fits."""
        if self.n_validation is not None:
            return self.n_validation
        pool = pool_size(source, rows)
        room = pool - n_train
        if room >= Task.n_validation:
            return Task.n_validation
        return max(min(pool // 2, room), source.num_classes)


def pool_size(source: Source, rows: tuple[int, int] | None) -> int:
    """The number of examples that training and reward-validation are drawn from."""
    first, last = rows or (0, len(source.train))
    return last - first


def run_path(name: str) -> Path:
    """The run folder of a name.

    Raises:
        AdaptAugError: it would not be a folder inside `RUNS`.
    """
    path = RUNS / name
    if RUNS not in path.parents or ".." in path.parts:
        raise AdaptAugError(f"name must be the name of a folder in {RUNS}/, got {name!r}")
    return path


def check_task(task: Task) -> None:
    """Checks data, split and child by setting up a training.

    Raises:
        AdaptAugError: the task cannot be trained, or its F1 cannot be computed.
    """
    source = load(task.dataset)
    pool = pool_size(source, task.rows)
    if task.n_train + task.n_validation > pool:
        raise AdaptAugError(
            "n_train and n_validation (--training.n-validation) must fit in the pool of "
            f"{pool} rows together, got {task.n_train} + {task.n_validation} "
            f"for data set '{task.dataset}'"
        )
    set_up(task, 0, OpSpace(DEFAULTS[source.modality].ops))
    some = source.test.targets[:2]
    f1(some, some, source.classes)


def check_counts(lowest: int, **counts: int) -> None:
    """Checks that no number is below `lowest`.

    Raises:
        AdaptAugError: one is.
    """
    for name, value in counts.items():
        if value < lowest:
            raise AdaptAugError(f"{name} must be at least {lowest}, got {value}")


def check_numbers(**numbers: float | None) -> None:
    """Checks that numbers are finite and not negative; None stands for a default.

    Raises:
        AdaptAugError: one is infinite, NaN or negative.
    """
    for name, value in numbers.items():
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise AdaptAugError(f"{name} must be a number of at least 0, got {value}")


def check_seed(seed: int) -> None:
    """Checks that NumPy and torch accept a seed.

    Raises:
        AdaptAugError: it is out of range.
    """
    if not 0 <= seed < 2**32:
        raise AdaptAugError(f"seed must lie in 0..{2**32 - 1}, got {seed}")


def check_device(device: str) -> None:
    """Checks that torch can use a device.

    Raises:
        AdaptAugError: it cannot.
    """
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        raise AdaptAugError(
            f"device must be one that torch can use on this machine, got {device!r}"
        ) from None


def program() -> str:
    """The command that runs this script, without arguments: "python -m experiments.compare"."""
    return f"python -m experiments.{Path(sys.argv[0]).stem}"


def command() -> str:
    """The command that runs this script again, with its arguments."""
    return shlex.join([*program().split(), *sys.argv[1:]])


@contextmanager
def quiet_broken_pipe() -> Iterator[None]:
    """Ends the process without a traceback if nobody reads its output, as in `--help | head`."""
    handler = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        yield
    finally:
        sys.stdout.flush()
        signal.signal(signal.SIGPIPE, handler)


def main(options: type[Options], run: Callable[[Options], int], description: str | None) -> None:
    """Parses the command line, runs the script and exits.

    A user's mistake prints one sentence and exits with code 2. SIGTERM, which a cluster's scheduler
    sends, has the same effect as Ctrl-C: exit code 130.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    with quiet_broken_pipe():
        parsed = tyro.cli(options, prog=program(), description=description)
    try:
        code = run(parsed)
    except AdaptAugError as error:
        print(f"error: {error}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 130
    raise SystemExit(code)
