"""What a controller sees of a training run: one implementation for search and for use.

Every feature is scale-free (losses over the logarithm of the number of classes, accuracies above
chance, times as fractions, budgets as logarithms) and clipped, so that a policy can move to
another data set, child and budget.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from adaptaug.data import IGNORED, Examples
from adaptaug.data.batches import flat, hard, to_float
from adaptaug.errors import AdaptAugError
from adaptaug.metrics import Metrics, Scorer, evaluate, predict
from adaptaug.ops import OpSpace

OBSERVATION_VERSION = 1
"""Changes whenever a feature does; a policy reads only the version that it was searched on."""

LIMIT = 4.0
"""Features are clipped to [-LIMIT, LIMIT]."""

PROBE_SIZE = 100
"""Most held-out examples that the ops are tried on."""

PROBE_MAGNITUDE = 0.5
"""Magnitude at which each op is tried alone."""

GLOBAL_FEATURES = (
    "progress",  # fraction of the run done
    "log_passes",  # of the whole run over the training data; see `log_passes`
    "log_passes_left",  # the same of the passes still to come
    "learning_rate",  # fraction of its peak
    "batch_loss",  # augmented batches of the last interval, over log(classes)
    "batch_accuracy",  # the same, above chance
    "train_loss",  # clean training examples, over log(classes)
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "loss_gap",  # validation minus clean training
    "accuracy_gap",  # clean training minus validation
    "train_loss_change",  # since the last decision
    "validation_loss_change",
    "validation_accuracy_change",
    "cost",  # spent on augmenting and observing so far, over plain training of the whole run
)
OP_FEATURES = (
    "probe_loss",  # change in held-out loss that this op alone causes, over log(classes)
    "probe_accuracy",  # the same for accuracy
    "probe_loss_change",  # since the last decision; the whole of it after the first probe
    "magnitude",  # last decision's
    "mean_magnitude",  # over the run so far
    "applies",  # 1 if the op makes sense for these data, else 0
)


@dataclass(frozen=True)
class Observation:
    """One observation, split into what concerns the run and what concerns each op."""

    run: np.ndarray
    """float32 (len(GLOBAL_FEATURES),) in [-LIMIT, LIMIT]."""
    ops: np.ndarray
    """float32 (n_ops, len(OP_FEATURES)) in [-LIMIT, LIMIT]."""

    def feature(self, name: str) -> float:
        """What one of the GLOBAL_FEATURES is, by its name.

        Raises:
            AdaptAugError: there is no such feature.
        """
        if name not in GLOBAL_FEATURES:
            raise AdaptAugError(f"a feature must be one of {GLOBAL_FEATURES}, got {name!r}")
        return float(self.run[GLOBAL_FEATURES.index(name)])

    def flat(self) -> np.ndarray:
        """The whole as float32 (observation_size(n_ops),): the run first, then op by op."""
        return np.concatenate([self.run, self.ops.ravel()])


def observation_size(n_ops: int) -> int:
    """Length of the flat observation of an op space of `n_ops` ops."""
    return len(GLOBAL_FEATURES) + n_ops * len(OP_FEATURES)


def log_passes(passes: float) -> float:
    """A number of passes over the training data as a feature: log2(1 + passes) / 4."""
    return math.log2(1 + passes) / 4


@dataclass(frozen=True)
class Situation:
    """Where the run stands: what only the training loop knows."""

    progress: float
    """Fraction of the run done, in [0, 1]."""
    passes: float
    """Passes over the training data in the whole run."""
    learning_rate: float
    """Fraction of its peak, in [0, 1]."""
    batches: Metrics | None
    """Loss and accuracy on the last interval's augmented batches; None before the first."""
    cost: float
    """Cost of augmenting and observing so far, as a fraction of plain training of the run."""


@dataclass
class Observer:
    """Watches one training run: validates, probes the ops, remembers for the slopes."""

    op_space: OpSpace
    """Ops to probe."""
    train: Examples
    """Some clean training examples; the first PROBE_SIZE are used. May be replaced by others."""
    validation: Examples
    """Held-out examples: all for loss and accuracy, the first PROBE_SIZE to try the ops on."""
    num_classes: int
    """Classes of the data set."""
    seed: int
    """Seeds the draws of the probes."""
    scorer: Scorer = field(default_factory=Scorer)
    """What stands for the accuracy on clean examples; probes and batches keep the accuracy."""
    validated: Metrics | None = field(default=None, init=False)
    """Loss and accuracy on `validation` at the last observation."""
    _last: dict[str, float] = field(default_factory=dict, init=False)
    _last_probe: np.ndarray | None = field(default=None, init=False)
    _magnitudes: list[Sequence[float]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        """Cuts the probe batches and lays out their labels, once."""
        self.train = Examples(self.train.inputs[:PROBE_SIZE], self.train.targets[:PROBE_SIZE])
        self.applies = applicable(self.op_space, self.validation)
        self._probe_inputs = to_float(self.validation.inputs[:PROBE_SIZE])
        self._probe_targets = self.validation.targets[:PROBE_SIZE]

    def observe(self, model: nn.Module, situation: Situation, *, probe: bool = True) -> Observation:
        """Evaluates the model and returns what a controller may know.

        The model is left in the mode and the random state that it was in.

        Args:
            model: the child.
            situation: where its run stands.
            probe: whether the ops are tried; otherwise the features of that are 0.
        """
        scale = math.log(self.num_classes)
        train = evaluate(model, self.train, self.scorer)
        self.validated = validation = evaluate(model, self.validation, self.scorer)
        batches = situation.batches or train
        features = {
            "progress": situation.progress,
            "log_passes": log_passes(situation.passes),
            "log_passes_left": log_passes(situation.passes * (1 - situation.progress)),
            "learning_rate": situation.learning_rate,
            "batch_loss": batches.loss / scale,
            "batch_accuracy": self._above_chance(batches.accuracy),
            "train_loss": train.loss / scale,
            "train_accuracy": self._above_chance(train.accuracy),
            "validation_loss": validation.loss / scale,
            "validation_accuracy": self._above_chance(validation.accuracy),
            "loss_gap": (validation.loss - train.loss) / scale,
            "accuracy_gap": train.accuracy - validation.accuracy,
            "cost": situation.cost,
        }
        for name in ("train_loss", "validation_loss", "validation_accuracy"):
            features[f"{name}_change"] = features[name] - self._last.get(name, features[name])
        self._last = features
        run = np.array([features[name] for name in GLOBAL_FEATURES])
        n_ops = len(self.op_space)
        probed = self._probe_features(model, situation, scale) if probe else np.zeros((n_ops, 3))
        chosen = np.array(self._magnitudes or [[0.0] * n_ops])
        ops = np.column_stack([probed, chosen[-1], chosen.mean(0), self.applies])
        return Observation(_clip(run), _clip(ops))

    def remember(self, magnitudes: Sequence[float]) -> None:
        """Notes what the controller chose."""
        self._magnitudes.append(magnitudes)

    def state_dict(self) -> dict[str, Any]:
        """What the next observation depends on besides the model: tensors and plain data."""
        probe = self._last_probe
        return {
            "last": dict(self._last),
            "last_probe": None if probe is None else torch.from_numpy(probe.copy()),
            "magnitudes": [list(magnitudes) for magnitudes in self._magnitudes],
            "inputs": self.train.inputs,
            "targets": self.train.targets,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes back to a `state_dict`."""
        probe = state["last_probe"]
        self._last = dict(state["last"])
        self._last_probe = None if probe is None else probe.cpu().numpy().copy()
        self._magnitudes = [list(magnitudes) for magnitudes in state["magnitudes"]]
        train = Examples(state["inputs"], state["targets"])
        self.train = train.to(self.validation.inputs.device)

    def _probe_features(self, model: nn.Module, situation: Situation, scale: float) -> np.ndarray:
        """Features (n_ops, 3) of what each op alone does, the last its change."""
        # An untrained child says nothing about an op, and after the last decision none is needed.
        needed = 0 < situation.progress < 1
        probe = self._probe(model, scale) if needed else np.zeros((len(self.op_space), 2))
        last = probe if self._last_probe is None else self._last_probe
        self._last_probe = probe
        with np.errstate(invalid="ignore"):  # a diverged child's losses
            change = probe[:, 0] - last[:, 0]
        return np.column_stack([probe, change])

    @torch.no_grad()
    def _probe(self, model: nn.Module, scale: float) -> np.ndarray:
        """Change in loss and accuracy (n_ops, 2) that each op alone causes on the probe batch."""
        n_ops = len(self.op_space)
        generator = torch.Generator(self._probe_inputs.device).manual_seed(self.seed)
        tried = [index for index in range(n_ops) if self.applies[index]]
        batches, labels = [self._probe_inputs], [self._probe_targets]
        for index in tried:
            magnitudes = [PROBE_MAGNITUDE * (index == other) for other in range(n_ops)]
            inputs, targets = self.op_space.apply(
                self._probe_inputs, self._probe_targets, magnitudes, generator, self.num_classes
            )
            batches.append(inputs)
            labels.append(hard(targets))
        logits, targets = flat(predict(model, torch.cat(batches)), torch.cat(labels))
        known = (targets != IGNORED).view(len(batches), -1).sum(1)
        loss = functional.cross_entropy(logits, targets, reduction="none")
        loss = loss.view(len(batches), -1).sum(1) / known
        hits = (logits.argmax(1) == targets).view(len(batches), -1).sum(1) / known
        result = np.zeros((n_ops, 2))
        result[tried, 0] = ((loss[1:] - loss[0]) / scale).cpu().numpy()
        result[tried, 1] = (hits[1:] - hits[0]).cpu().numpy()
        return result

    def _above_chance(self, accuracy: float) -> float:
        return (accuracy - 1 / self.num_classes) / (1 - 1 / self.num_classes)


def applicable(op_space: OpSpace, examples: Examples) -> tuple[bool, ...]:
    """Which ops of a space make sense for such examples, with the tables that it is bound to."""
    modality, tables = examples.modality, op_space.tables
    channels = examples.inputs.shape[1] if modality == "image" else 3
    lexicon = tables is not None and tables.synonyms is not None
    return op_space.applies(modality, channels, lexicon=lexicon)


def _clip(features: np.ndarray) -> np.ndarray:
    finite = np.nan_to_num(features, nan=LIMIT, posinf=LIMIT, neginf=-LIMIT)
    clipped: np.ndarray = np.clip(finite, -LIMIT, LIMIT).astype(np.float32)
    return clipped
