"""What a controller observes of a training run: one implementation for search and for use.

Every feature is scale-free and clipped, so that a policy can transfer to another data set, child
and budget: losses are divided by the logarithm of the number of classes, scores are taken above
chance, times are fractions of the run, and budgets are logarithms.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from adaptaug.data import IGNORED, Examples
from adaptaug.data.batches import flat, hard, representative, to_float
from adaptaug.errors import AdaptAugError
from adaptaug.metrics import Metrics, Scorer, evaluate, measure, predict
from adaptaug.ops import OpSpace

OBSERVATION_VERSION = 1
"""Changes whenever a feature changes; a policy reads only the version that it was searched with."""

LIMIT = 4.0
"""Features are clipped to [-LIMIT, LIMIT]."""

PROBE_SIZE = 100
"""Number of validation examples that probes use, and of training examples, at most."""

PROBE_MAGNITUDE = 0.5
"""Magnitude at which a probe applies one op alone."""

GLOBAL_FEATURES = (
    "progress",  # batches done / batches of the whole run; [0, 1]
    "log_epochs",  # log2(1 + E) / 4; [0, 4]
    "log_epochs_left",  # log2(1 + E * (1 - progress)) / 4; [0, 4]
    "learning_rate",  # learning rate of the next batch / its peak in the run; [0, 1]
    "batch_loss",  # mean loss on the last interval's augmented batches / ln K; [0, 4]
    "batch_accuracy",  # accuracy on these batches, above chance; [-1, 1]
    "train_loss",  # mean loss on the training examples / ln K; [0, 4]
    "train_score",  # score on the training examples, above chance; [-1, 1]
    "validation_loss",  # mean loss on the validation examples / ln K; [0, 4]
    "validation_score",  # score on the validation examples, above chance; [-1, 1]
    "loss_gap",  # (validation loss - training loss) / ln K; [-4, 4]
    "score_gap",  # training score - validation score, both in [0, 1]; [-1, 1]
    "train_loss_change",  # train_loss now - at the last observation; [-4, 4]
    "validation_loss_change",  # validation_loss now - at the last observation; [-4, 4]
    "validation_score_change",  # validation_score now - at the last observation; [-2, 2]
    "cost",  # cost of augmenting and observing so far / of plain training of the run; [0, 4]
)
"""Features of the run, in this order, each with its definition and its range after clipping.

* E: epochs in the whole run, steps * batch size / training examples.
* K: number of classes or tags.
* Loss: cross-entropy in nats. Score: accuracy or F1 in [0, 1], see `Observer.scorer`.
* Above chance: (s - 1/K) / (1 - 1/K) for a score s; 0 at a guess's accuracy 1/K, 1 at s = 1.
* Training examples: up to PROBE_SIZE, not augmented. Validation examples: all.
* batch_loss and batch_accuracy are train_loss and train_score if `Situation.batches` is None.
* The changes are 0 at the first observation. They are differences of unclipped values.
* cost includes the observation that it is part of.
* NaN and infinite values, as of a diverged child, become LIMIT (minus infinity -LIMIT).
* Features that are not asked for are NaN, and what they need is not measured.
* A run without validation examples has NaN in the features that need them, `HELD_OUT_FEATURES`;
  at progress 0 the training examples, which the child has not seen yet, take their place.
"""

OP_FEATURES = (
    "probe_loss",  # (mean loss with the op - without) / ln K; [-4, 4]
    "probe_accuracy",  # accuracy with the op - without; [-1, 1]
    "probe_loss_change",  # probe_loss now - at the last observation; [-4, 4]
    "magnitude",  # magnitude since the last decision; [0, 1]
    "mean_magnitude",  # mean of the magnitudes at all decisions so far; [0, 1]
    "applies",  # 1 if the op makes sense for these data, else 0
)
"""Features of each op, in this order, each with its definition and its range after clipping.

* A probe applies this op alone, at PROBE_MAGNITUDE, to up to PROBE_SIZE validation examples, in
  which each class has its share; see `representative`.
* probe_loss and probe_accuracy are 0 without a probe: at progress 0, when an untrained child cannot
  tell ops apart; at progress 1, when no decision follows; and for ops that do not apply.
* So after the first probe probe_loss_change equals probe_loss, and at progress 1 it is the negative
  of the last probe_loss.
* Both magnitudes are 0 before the first decision.
* In a run without validation examples the three probe features are NaN after progress 0.
"""

FEATURES = GLOBAL_FEATURES + OP_FEATURES
"""The names of all features."""

BATCH_FEATURES = ("batch_loss", "batch_accuracy")
"""The features that are those of the training examples before the first batch."""

TRAIN_FEATURES = ("train_loss", "train_score", "train_loss_change", "loss_gap", "score_gap")
"""The features that need an evaluation of the training examples."""

PROBE_FEATURES = ("probe_loss", "probe_accuracy", "probe_loss_change")
"""The features that need a probe of every op."""

HELD_OUT_FEATURES = (
    "validation_loss",
    "validation_score",
    "loss_gap",
    "score_gap",
    "validation_loss_change",
    "validation_score_change",
    *PROBE_FEATURES,
)
"""The features that need validation examples. Without any they are unknown once training has begun,
and NaN stands for that.

A policy network puts the mean of its search in the place of NaN; see
`adaptaug.policy.network.Standardise`. A search always has validation examples, so that its
environment never returns NaN.
"""

MEASURED_FEATURES = frozenset((*TRAIN_FEATURES, *HELD_OUT_FEATURES))
"""The features that need an evaluation of the model, which has a cost."""

FREE_FEATURES = tuple(name for name in FEATURES if name not in MEASURED_FEATURES)
"""All other features: what a training loop knows anyway."""


@dataclass(frozen=True)
class Observation:
    """One observation: the features of the run and the features of each op."""

    run: np.ndarray
    """float32 (len(GLOBAL_FEATURES),) in [-LIMIT, LIMIT], NaN where unknown."""
    ops: np.ndarray
    """float32 (n_ops, len(OP_FEATURES)) in [-LIMIT, LIMIT], NaN where unknown."""
    validation: Metrics
    """Loss and score on the validation examples, neither scaled nor clipped; without any those on
    the training examples at progress 0, and NaN afterwards. NaN if no feature needs them."""

    def feature(self, name: str) -> float:
        """Value of one of the GLOBAL_FEATURES, by its name; NaN if it is unknown.

        Raises:
            AdaptAugError: there is no such feature.
        """
        if name not in GLOBAL_FEATURES:
            raise AdaptAugError(f"a feature must be one of {GLOBAL_FEATURES}, got {name!r}")
        return float(self.run[GLOBAL_FEATURES.index(name)])

    def flat(self) -> np.ndarray:
        """All features as float32 (observation_size(n_ops),): of the run, then op by op."""
        return np.concatenate([self.run, self.ops.ravel()])


def observation_size(n_ops: int) -> int:
    """Length of the flat observation of an op space of `n_ops` ops."""
    return len(GLOBAL_FEATURES) + n_ops * len(OP_FEATURES)


def check_features(features: Sequence[str]) -> tuple[str, ...]:
    """Returns the names of features, if all are known and "progress" is one of them.

    Raises:
        AdaptAugError: a name is unknown, or "progress" is missing.
    """
    for name in features:
        if name not in FEATURES:
            raise AdaptAugError(f"a feature must be one of {FEATURES}, got {name!r}")
    if "progress" not in features:
        raise AdaptAugError(f"features must include 'progress', got {tuple(features)}")
    return tuple(features)


def log_epochs(epochs: float) -> float:
    """A number of epochs as a feature: log2(1 + epochs) / 4."""
    return math.log2(1 + epochs) / 4


@dataclass(frozen=True)
class Situation:
    """The state of the run that only the training loop knows."""

    progress: float
    """Fraction of the run that is done, in [0, 1]."""
    epochs: float
    """Epochs in the whole run."""
    learning_rate: float
    """Learning rate of the next batch as a fraction of its peak, in [0, 1]."""
    batches: Metrics | None
    """Loss and accuracy on the last interval's augmented batches; None before the first batch."""
    cost: float = 0.0
    """Cost of augmenting and observing so far, as a fraction of plain training of the run."""


@dataclass
class Observer:
    """Observes one training run: validates, probes the ops, and keeps what the changes need."""

    op_space: OpSpace
    """Ops to probe."""
    train: Examples
    """Training examples, not augmented; the first PROBE_SIZE are used. May be replaced by others,
    at most PROBE_SIZE."""
    validation: Examples
    """Held-out examples: loss and score are measured on all, probes use PROBE_SIZE of them.
    Without any (N = 0) the `HELD_OUT_FEATURES` are NaN after progress 0."""
    num_classes: int
    """Number of classes or tags, K."""
    seed: int
    """Seeds the draw of the probe batch, and the draws of the probes."""
    scorer: Scorer = field(default_factory=Scorer)
    """Metric of train_score and validation_score; batch_accuracy and probe_accuracy are always
    accuracies."""
    _last: dict[str, float] = field(default_factory=dict, init=False)
    _last_probe: np.ndarray | None = field(default=None, init=False)
    _magnitudes: list[Sequence[float]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        """Selects the training examples and the probe batch, and finds which ops apply."""
        self.train = Examples(self.train.inputs[:PROBE_SIZE], self.train.targets[:PROBE_SIZE])
        self.applies = applicable(self.op_space, self.validation)
        self._probed = representative(self.validation.targets, PROBE_SIZE, self.seed)
        self._probe_targets = self.validation.targets[self._probed]

    @property
    def validates(self) -> bool:
        """Whether there are validation examples."""
        return len(self.validation) > 0

    def observe(
        self, model: nn.Module, situation: Situation, features: Collection[str] = FEATURES
    ) -> Observation:
        """Evaluates the model, as far as the features need it, and returns the observation.

        The model's mode and all random state are as before afterwards.

        Args:
            model: the child.
            situation: the state of its run.
            features: names of the features that are asked for; all others are NaN.
        """
        scale, asked = math.log(self.num_classes), {*features}
        untrained, unknown = situation.progress == 0, Metrics(math.nan, math.nan)
        # Before training the training examples are as unseen as any.
        in_place = untrained and not self.validates
        from_train = {*TRAIN_FEATURES}
        if situation.batches is None:
            from_train |= {*BATCH_FEATURES}
        if in_place:
            from_train |= {*HELD_OUT_FEATURES}
        train = evaluate(model, self.train, self.scorer) if asked & from_train else unknown
        validation = train if in_place else unknown
        logits = torch.empty(0)
        if self.validates and asked & {*HELD_OUT_FEATURES}:
            logits = predict(model, self.validation.inputs)
            validation = measure(logits, self.validation.targets, self.scorer)
        batches = situation.batches or train
        values = {
            "progress": situation.progress,
            "log_epochs": log_epochs(situation.epochs),
            "log_epochs_left": log_epochs(situation.epochs * (1 - situation.progress)),
            "learning_rate": situation.learning_rate,
            "batch_loss": batches.loss / scale,
            "batch_accuracy": self._above_chance(batches.score),
            "train_loss": train.loss / scale,
            "train_score": self._above_chance(train.score),
            "validation_loss": validation.loss / scale,
            "validation_score": self._above_chance(validation.score),
            "loss_gap": (validation.loss - train.loss) / scale,
            "score_gap": train.score - validation.score,
            "cost": situation.cost,
        }
        for name in ("train_loss", "validation_loss", "validation_score"):
            values[f"{name}_change"] = values[name] - self._last.get(name, values[name])
        self._last = values
        run = np.array([values[name] for name in GLOBAL_FEATURES])
        n_ops = len(self.op_space)
        probed = np.zeros((n_ops, 3))
        if self.validates and asked & {*PROBE_FEATURES}:
            probed = self._probe_features(model, situation, scale, logits[self._probed])
        chosen = np.array(self._magnitudes or [[0.0] * n_ops])
        ops = np.column_stack([probed, chosen[-1], chosen.mean(0), self.applies])
        known = asked if self.validates or untrained else asked - {*HELD_OUT_FEATURES}
        run, ops = (
            np.where([name in known for name in names], _clip(part), np.float32(np.nan))
            for names, part in ((GLOBAL_FEATURES, run), (OP_FEATURES, ops))
        )
        return Observation(run, ops, validation)

    def remember(self, magnitudes: Sequence[float]) -> None:
        """Records the magnitudes of a decision, one per op in [0, 1]."""
        self._magnitudes.append(magnitudes)

    def state_dict(self) -> dict[str, Any]:
        """All that the next observation depends on besides the model, as tensors and plain data."""
        probe = self._last_probe
        return {
            "last": dict(self._last),
            "last_probe": None if probe is None else torch.from_numpy(probe.copy()),
            "magnitudes": [list(magnitudes) for magnitudes in self._magnitudes],
            "inputs": self.train.inputs,
            "targets": self.train.targets,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores a `state_dict`."""
        probe = state["last_probe"]
        self._last = dict(state["last"])
        self._last_probe = None if probe is None else probe.cpu().numpy().copy()
        self._magnitudes = [list(magnitudes) for magnitudes in state["magnitudes"]]
        train = Examples(state["inputs"], state["targets"])
        self.train = train.to(self.validation.inputs.device)

    def _probe_features(
        self, model: nn.Module, situation: Situation, scale: float, clean: torch.Tensor
    ) -> np.ndarray:
        """The features probe_loss, probe_accuracy and probe_loss_change, (n_ops, 3).

        `clean` are the model's logits of the probe batch without any op.
        """
        # An untrained child cannot tell ops apart, and at the end no decision follows.
        needed = 0 < situation.progress < 1
        probe = self._probe(model, scale, clean) if needed else np.zeros((len(self.op_space), 2))
        last = probe if self._last_probe is None else self._last_probe
        self._last_probe = probe
        with np.errstate(invalid="ignore"):  # a diverged child's losses are infinite
            change = probe[:, 0] - last[:, 0]
        return np.column_stack([probe, change])

    @torch.no_grad()
    def _probe(self, model: nn.Module, scale: float, clean: torch.Tensor) -> np.ndarray:
        """The features probe_loss and probe_accuracy, (n_ops, 2); 0 for ops that do not apply."""
        n_ops = len(self.op_space)
        tried = [index for index in range(n_ops) if self.applies[index]]
        result = np.zeros((n_ops, 2))
        if not tried:
            return result
        labels = [self._probe_targets]
        probed = self._outputs(tried, labels)
        # Images are predicted op by op, so that few are held at a time; sentences are small, and
        # are sorted by length all together.
        images = self.validation.modality == "image"
        inputs = probed if images else torch.cat(list(probed))
        predicted = torch.cat([clean, predict(model, inputs)])
        logits, targets = flat(predicted, torch.cat(labels))
        known = (targets != IGNORED).view(len(labels), -1).sum(1)
        loss = functional.cross_entropy(logits, targets, reduction="none")
        loss = loss.view(len(labels), -1).sum(1) / known
        hits = (logits.argmax(1) == targets).view(len(labels), -1).sum(1) / known
        result[tried, 0] = ((loss[1:] - loss[0]) / scale).cpu().numpy()
        result[tried, 1] = (hits[1:] - hits[0]).cpu().numpy()
        return result

    def _outputs(self, tried: Sequence[int], labels: list[torch.Tensor]) -> Iterator[torch.Tensor]:
        """The probe batch under each of these ops; appends its targets to `labels`."""
        inputs = to_float(self.validation.inputs[self._probed])
        generator = torch.Generator(inputs.device).manual_seed(self.seed)
        for index in tried:
            magnitudes = [PROBE_MAGNITUDE * (index == o) for o in range(len(self.op_space))]
            with torch.autocast(inputs.device.type, enabled=False):  # half precision blurs warps
                output, targets = self.op_space.apply(
                    inputs, self._probe_targets, magnitudes, generator, self.num_classes
                )
            labels.append(hard(targets))
            yield output
            del output  # while the next is computed

    def _above_chance(self, score: float) -> float:
        return (score - 1 / self.num_classes) / (1 - 1 / self.num_classes)


def applicable(op_space: OpSpace, examples: Examples) -> tuple[bool, ...]:
    """Which ops of a space make sense for such examples, one truth value per op.

    Ops that need synonyms apply only if the space is bound to tables with synonyms.
    """
    modality, tables = examples.modality, op_space.tables
    channels = examples.inputs.shape[1] if modality == "image" else 3
    lexicon = tables is not None and tables.synonyms is not None
    return op_space.applies(modality, channels, lexicon=lexicon)


def _clip(features: np.ndarray) -> np.ndarray:
    finite = np.nan_to_num(features, nan=LIMIT, posinf=LIMIT, neginf=-LIMIT)
    clipped: np.ndarray = np.clip(finite, -LIMIT, LIMIT).astype(np.float32)
    return clipped
