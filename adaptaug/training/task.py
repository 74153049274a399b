"""The description of a child training: data, child, budget, optimizer; and ranges of budgets."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from numbers import Integral, Real
from typing import Any, Self

import numpy as np

from adaptaug.data.vocabulary import MAX_TOKENS
from adaptaug.errors import AdaptAugError
from adaptaug.policy.schedules import DECISIONS, decision_boundaries


@dataclass(frozen=True)
class Task:
    """One child training, fully described except for its seed."""

    dataset: str = "digits"
    """'digits' or another built-in data set, a hub id, or a folder for `datasets.load_dataset`."""
    n_train: int = 100
    """Number of training examples; the seed draws them."""
    steps: int = 400
    """Batches in the whole run; the learning-rate schedule spans exactly these."""
    n_validation: int = 500
    """Number of reward-validation examples, on which observation and reward are computed."""
    batch_size: int = 32
    """Examples in a batch."""
    child: str = "cnn"
    """Name of the child in `adaptaug.children`."""
    width: int = 16
    """Width of the child's layers; each child documents what it scales. 32 is study 4's CNN.
    torchvision's models and a pretrained BERT have a fixed width and do not read it."""
    peak_learning_rate: float = 1e-2
    """Highest learning rate of the schedule."""
    max_tokens: int | None = None
    """Tokens kept of every sentence; None keeps all that the data set was loaded with."""
    lexicon: str | None = None
    """Synonyms, as `adaptaug.data.lexicon` loads them; with None the ops that need synonyms do not
    apply."""
    vectors: str | None = None
    """File of word vectors, in GloVe's text format, that initialise the embedding."""
    metric: str = "accuracy"
    """Validation score in observation and reward: 'accuracy' or 'f1'."""
    schedule: str = "one_cycle"
    """Learning-rate schedule: 'one_cycle', 'cosine', 'linear' (BERT's) or 'constant'."""
    optimizer: str = "adam"
    """'adam' or 'adamw'."""
    weight_decay: float = 0.0
    """Weight decay, at least 0. Adam adds it times the weights to the gradient (L2); AdamW shrinks
    the weights by it times the learning rate (decoupled)."""
    precision: str = "float32"
    """'float32', or 'bfloat16': the child's layers compute in bfloat16, while weights, logits and
    loss stay float32. This is faster on hardware with bfloat16, above all for large children."""
    pretrained: str | None = None
    """Hub id or folder of the BERT model that initialises child 'bert'; None initialises a small
    BERT at random."""
    decisions: int = DECISIONS
    """Decisions in a run; read only if `decision_interval` is None."""
    decision_interval: int | None = None
    """Batches between decisions, at least 1; None divides the run into `decisions` parts."""
    patience: int | None = None
    """Early stopping: after this many decisions without a better validation loss the run ends and
    the best weights are restored. None trains to the end and keeps the last weights."""
    rows: tuple[int, int] | None = None
    """Slice of the data set's shuffled training rows to draw from; None draws from all rows."""
    n_test: int | None = None
    """Number of final test examples; None takes the whole test split."""

    def __post_init__(self) -> None:
        for name in ("n_train", "steps", "n_validation", "batch_size", "width", "decisions"):
            _require_kind(Integral, name, getattr(self, name))
            _require(getattr(self, name) >= 1, f"{name} must be at least 1", getattr(self, name))
        for name in ("decision_interval", "patience", "max_tokens", "n_test"):
            if getattr(self, name) is not None:
                _require_kind(Integral, name, getattr(self, name))
        for name in ("peak_learning_rate", "weight_decay"):
            _require_kind(Real, name, getattr(self, name))
        if self.decision_interval is not None:
            _require(
                1 <= self.decision_interval <= self.steps,
                f"decision_interval must lie between 1 and the run's {self.steps} steps",
                self.decision_interval,
            )
        for name in ("patience", "max_tokens"):
            value = getattr(self, name)
            _require(value is None or value >= 1, f"{name} must be at least 1", value)
        _require(
            self.max_tokens is None or self.max_tokens <= MAX_TOKENS,
            f"max_tokens must be at most {MAX_TOKENS}, as sentences are cut when read",
            self.max_tokens,
        )
        _require(
            math.isfinite(self.peak_learning_rate) and self.peak_learning_rate > 0,
            "peak_learning_rate must be a positive number",
            self.peak_learning_rate,
        )
        _require(
            math.isfinite(self.weight_decay) and self.weight_decay >= 0,
            "weight_decay must be a number of at least 0",
            self.weight_decay,
        )

    @property
    def epochs(self) -> float:
        """Epochs in the whole run: steps x batch size / training examples."""
        return self.steps * self.batch_size / self.n_train

    def boundaries(self) -> list[int]:
        """Steps at which the decision intervals end, ascending; the last one is `steps`."""
        return decision_boundaries(self.steps, self.decisions, self.decision_interval)

    def but(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """The task as plain data, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class TaskRange:
    """A task whose budget is drawn log-uniformly for each episode, both ends included.

    Its data set may be drawn too, from a family of made-up ones: "shapes?seed=0-79" stands for 80
    data sets, "shapes?seed=0" to "shapes?seed=79".
    """

    task: Task
    """The fields that stay the same."""
    steps: tuple[int, int]
    """Lowest and highest number of batches in a run."""
    n_train: tuple[int, int]
    """Lowest and highest number of training examples."""
    seeds: tuple[int, int] | None = None
    """First and last seed of a family of made-up data sets, from which each draw takes one; `task`
    has the first. None if there is one data set."""

    def __post_init__(self) -> None:
        for name in ("steps", "n_train"):
            low, high = getattr(self, name)
            _require(
                1 <= low <= high,
                f"{name} must be a range of ascending positive numbers",
                (low, high),
            )
        self.task.but(steps=self.steps[0])  # the shortest run too must fit the other fields

    def draw(self, random: np.random.Generator) -> Task:
        """Draws a task with one budget and one data set."""
        steps, n_train = (_log_uniform(random, *ends) for ends in (self.steps, self.n_train))
        dataset = self.task.dataset
        if self.seeds is not None:
            first, last = self.seeds
            dataset = _with_seed(dataset, random.integers(first, last, endpoint=True))
        return self.task.but(steps=steps, n_train=n_train, dataset=dataset)

    def to_dict(self) -> dict[str, Any]:
        """The range as plain data: a task whose `steps` and `n_train` are pairs."""
        dataset = self.task.dataset
        if self.seeds is not None:
            dataset = _with_seed(dataset, "{}-{}".format(*self.seeds))
        return self.task.to_dict() | {
            "dataset": dataset, "steps": list(self.steps), "n_train": list(self.n_train),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Reads plain data in which `steps` and `n_train` may be one number or a pair.

        Raises:
            AdaptAugError: a key is unknown or a value is out of its range.
        """
        _require(isinstance(data, Mapping), "a task must be a mapping of its fields", data)
        unknown = sorted(set(data) - {field.name for field in fields(Task)})
        _require(not unknown, f"a task's fields are {[f.name for f in fields(Task)]}", unknown)
        ranges = {name: _pair(data.get(name, getattr(Task, name))) for name in ("steps", "n_train")}
        rows, dataset = data.get("rows"), data.get("dataset", Task.dataset)
        _require(isinstance(dataset, str), "dataset must be a name", dataset)
        rest = {key: value for key, value in data.items() if key not in ranges}
        rest["rows"] = None if rows is None else _pair(rows)
        family, seeds = _SEEDS.fullmatch(dataset), None
        if family is not None:
            seeds = int(family[1]), int(family[2])
            _require(seeds[0] <= seeds[1], "a range of seeds must ascend", dataset)
            rest["dataset"] = _with_seed(dataset, seeds[0])
        task = Task(steps=ranges["steps"][1], n_train=ranges["n_train"][1], **rest)
        return cls(task, **ranges, seeds=seeds)


_SEEDS = re.compile(r".*\?seed=(\d+)-(\d+)")
"""Form of the name of a family of data sets."""


def _with_seed(dataset: str, seed: object) -> str:
    """The name of a made-up data set with another seed."""
    return f"{dataset.rpartition('=')[0]}={seed}"


def _require(condition: bool, rule: str, value: object) -> None:
    if not condition:
        raise AdaptAugError(f"{rule}, got {value!r}")


def _require_kind(kind: type[Integral] | type[Real], name: str, value: object) -> None:
    what = "a whole number" if kind is Integral else "a number"
    _require(isinstance(value, kind), f"{name} must be {what}", value)


def _pair(value: Any) -> tuple[int, int]:
    ends = (value, value) if isinstance(value, Integral) else value
    _require(
        isinstance(ends, Sequence)
        and len(ends) == 2
        and all(isinstance(end, Integral) for end in ends),
        "steps, n_train and rows must be a whole number or a pair of them",
        value,
    )
    return int(ends[0]), int(ends[1])


def _log_uniform(random: np.random.Generator, low: int, high: int) -> int:
    return round(math.exp(random.uniform(math.log(low), math.log(high))))
