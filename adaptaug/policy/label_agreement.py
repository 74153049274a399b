"""Which ops keep the labels of some data, and which may help: measured before any training.

For each op alone, from labelled examples:

1. *Label agreement.* Do the nearest clean neighbours of an op's output have its label? Digits that
   are mirrored lie among others; photographs do not.
2. *Agreement among outputs.* The same, with the op's other outputs as neighbours too. Outputs that
   are only unlike clean examples then agree; those whose labels were swapped still do not.
3. *Gain.* By how much better does a kernel ridge regression, a model with a closed form, predict
   examples left out if the op's outputs join its training examples? This tells apart ops that keep
   all labels: a mirrored photograph teaches something, a slight change of its colours nothing.

The first two are related to what Gontijo-Lopes et al. (2021) call affinity, but need no model.

* Agreement is Cohen's kappa: (observed - chance) / (full - chance). Observed: the mean weight that
  an output's target gives to its neighbours' classes. Chance: to those of all examples. Full: to
  neighbours in the proportions of the target, which is 1 for a class. So mixed examples are
  compared with their mixed targets, and generated ones with the class they were generated for.
* All is cross-validated: examples are in ten folds, an op acts on one fold at a time, and neither
  neighbours nor training examples are of the same fold. So no output meets its own example or,
  if it was mixed, its partner.
* An op that acts by chance always acts here: what it does to labels counts, not how often.
* Outputs that equal their example are not asked. An op that changes nothing, or does not apply,
  keeps all labels.
* In tagging one token stands for each sentence, drawn such that all tags are about equally likely.
"""

import math
from copy import copy
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional

from adaptaug.data.batches import to_float
from adaptaug.data.examples import Examples, check_labels
from adaptaug.data.splitting import stratified_order
from adaptaug.data.vocabulary import IGNORED
from adaptaug.errors import AdaptAugError
from adaptaug.ops import OpSpace
from adaptaug.policy.kernel_ridge import cross_validated_r2
from adaptaug.policy.similarity import Reference, Similarity, windows

DATA_FEATURES = (
    "label_agreement",  # kappa of the op's outputs / of clean examples; [0, 1.5]
    "agreement_among_outputs",  # the same, the op's other outputs being neighbours, too; [0, 1.5]
    "gain",  # (R² with the op - R² without) / (R² (1 - R²) + 0.05); [-1, 1]
)
"""The features of each op, in this order, each with its definition and its range.

* R²: of cross-validated predictions of the classes of clean examples; not below 0 in the divisor.
* As far as the kappa of clean examples may be chance, the ratios are shrunk to 1 and the gain to 0:
  see `LabelAgreement.trust`.
"""

MAX_EXAMPLES = 400
"""Examples that are used, at most; of more, as many are drawn."""

_FOLDS = 10
_NEIGHBOURS = 5
_UPPER = 1.5
"""Upper bound of both agreements."""
_LARGEST_SIDE = 32
"""Larger images are averaged to this many pixels a side before the ops."""
_SHARPNESS = 4.0
"""The kernel of the regression is exp(_SHARPNESS * (similarity - 1))."""
_RIDGES = (0.03, 0.1, 0.3, 1.0, 3.0)
"""Regularisations, of which the one that suits clean examples best is used: else any op would help
as a regulariser."""


@dataclass(frozen=True)
class LabelAgreement:
    """What the examples say about each op."""

    ops: np.ndarray
    """float32 (n_ops, len(DATA_FEATURES)); (1, 1, 0) for an op of which nothing is known."""
    clean: float
    """Kappa of clean examples, in [-1, 1]: how well neighbours tell the classes apart."""
    trust: float
    """How far the features can be trusted, in [0, 1]: k² / (k² + 9 e²), where k is `clean`, not
    below 0, and e its standard error if labels were random. It is 0.5 at three standard errors, and
    0 if there are fewer than two examples or classes."""


class _Rows(NamedTuple):
    """What is compared: images, sentences, or one token of each sentence."""

    inputs: Tensor
    """Images (N, C, H, W), or ids (N, L)."""
    targets: Tensor
    """float32 (N, K): the weights of the classes."""


def label_agreement(
    op_space: OpSpace, examples: Examples, num_classes: int, seed: int, magnitude: float = 1.0
) -> LabelAgreement:
    """Measures the `DATA_FEATURES` of every op; takes 0.3 to 1.5 s for 400 examples.

    Args:
        op_space: the ops; for sentences bound to their tables, with source ops fitted.
        examples: labelled examples, at least one. Of more than `MAX_EXAMPLES`, some are drawn.
        num_classes: number of classes or tags, K.
        seed: seeds the draws; the same arguments give the same numbers.
        magnitude: magnitude of each op, alone, in [0, 1]; any above 0 is 1 for one that acts by
            chance.

    Raises:
        AdaptAugError: there is no example, a label is outside 0..K-1, or `OpSpace.apply` refuses
            the examples, the ops or the magnitude.
    """
    if len(examples) == 0:
        raise AdaptAugError("label agreement needs at least one labelled example, got 0")
    check_labels(examples.targets, num_classes, "the examples")
    generator = Generator(examples.inputs.device).manual_seed(seed)
    folds = _folds(examples, generator)
    inputs, targets = (torch.cat(part) for part in zip(*folds, strict=True))
    n_ops = len(op_space)
    result = np.tile(np.array([1, 1, 0], np.float32), (n_ops, 1))
    if len(folds) < 2:
        return LabelAgreement(result, 0.0, 0.0)
    measure = _Measure(_rows(inputs, targets, num_classes, generator), len(folds))
    always = copy(op_space)
    always.ops = tuple(replace(op, high=1.0) if op.chance else op for op in op_space.ops)
    for index, op in enumerate(always.ops):
        generator.manual_seed(seed)  # what other ops there are makes no difference
        alone = [0.0] * n_ops
        alone[index] = math.ceil(magnitude) if op.chance else magnitude
        augmented = [always.apply(*fold, alone, generator, num_classes) for fold in folds]
        outputs, labels = (torch.cat(part) for part in zip(*augmented, strict=True))
        changed = (outputs != inputs).flatten(1).any(1)
        if measure.trust > 0 and changed.any():
            result[index] = measure(_rows(outputs, labels, num_classes, generator), changed)
    return LabelAgreement(result, measure.clean, measure.trust)


def _folds(examples: Examples, generator: Generator) -> list[tuple[Tensor, Tensor]]:
    """At most MAX_EXAMPLES examples, as float images or ids, in folds of one size, stratified."""
    targets = examples.targets
    # Tagged sentences are stratified by whether they hold an entity.
    strata = targets if targets.ndim == 1 else (targets > 0).any(1).long()
    host = Generator().manual_seed(generator.initial_seed())
    order = stratified_order(strata.cpu(), host)[:MAX_EXAMPLES]
    count = min(_FOLDS, len(order))
    order = order[: len(order) // count * count].view(-1, count).T.to(targets.device)
    return [(_shrunk(to_float(examples.inputs[fold])), targets[fold]) for fold in order]


def _shrunk(inputs: Tensor) -> Tensor:
    """Images of at most _LARGEST_SIDE pixels a side; ids unchanged."""
    if inputs.ndim == 2 or max(inputs.shape[2:]) <= _LARGEST_SIDE:
        return inputs
    height, width = (min(side, _LARGEST_SIDE) for side in inputs.shape[2:])
    return functional.adaptive_avg_pool2d(inputs, (height, width))


def _rows(inputs: Tensor, targets: Tensor, num_classes: int, generator: Generator) -> _Rows:
    """What is compared of some examples; `targets` are classes, label distributions or tags."""
    if targets.is_floating_point():
        return _Rows(inputs, targets)
    if targets.ndim == 2:
        counts = targets[targets != IGNORED].bincount(minlength=num_classes)
        rarity = (1 / counts)[targets.clamp(min=0)].where(targets != IGNORED, 0.0)
        at = torch.multinomial(rarity, 1, generator=generator)
        inputs, targets = windows(inputs, at[:, 0]), targets.gather(1, at)[:, 0]
    return _Rows(inputs, functional.one_hot(targets, num_classes).float())


class _Measure:
    """Compares an op's outputs with clean examples, row by row."""

    def __init__(self, clean: _Rows, folds: int) -> None:
        """Takes the clean examples, in at least two folds of consecutive rows, equally many."""
        self._targets, self._folds = clean.targets, folds
        self._frequencies = clean.targets.mean(0)
        fold = torch.arange(folds).repeat_interleave(len(clean.targets) // folds)
        self._others = (fold[:, None] != fold).to(clean.targets.device)
        self._reference = Reference(clean.inputs)
        found = self._reference.compare(clean.inputs)
        self.clean = self._kappa(found.tolerant, clean.targets, self._others.any(1))
        self.trust = _trust(self.clean, float(self._frequencies.square().sum()), len(fold))
        self._kernel = _kernel(found.strict)
        scores = {ridge: self._predicted(self._kernel, clean.targets, ridge) for ridge in _RIDGES}
        self._ridge = max(_RIDGES, key=scores.__getitem__)
        self._r2 = scores[self._ridge]

    def __call__(self, outputs: _Rows, changed: Tensor) -> tuple[float, float, float]:
        """The `DATA_FEATURES` of an op whose outputs differ from their examples where `changed`."""
        found = self._reference.compare(outputs.inputs)
        everyone = torch.cat([found.tolerant, found.among], 1)
        kappas = [self._kappa(s, outputs.targets, changed) for s in (found.tolerant, everyone)]
        alone, among = (1 + self.trust * (kappa / self.clean - 1) for kappa in kappas)
        gain = self.trust * self._gain(found, outputs.targets)
        return min(max(alone, 0.0), _UPPER), min(max(among, 0.0), _UPPER), gain

    def _kappa(self, similarity: Tensor, targets: Tensor, counted: Tensor) -> float:
        """Kappa of the neighbours of rows, of those that are `counted`.

        Args:
            similarity: of the rows to the clean examples (N, N), or to these and the rows (N, 2N).
            targets: float32 (N, K) of the rows.
            counted: bool (N,).
        """
        copies = similarity.shape[1] // len(targets)
        agree = targets @ torch.cat([self._targets, targets])[: similarity.shape[1]].T
        others = self._others.repeat(1, copies)
        allowed = others.sum(1)
        nearest = similarity.where(others, -2.0).topk(min(_NEIGHBOURS, int(allowed.min())), 1)
        observed = agree.gather(1, nearest.indices).mean(1)
        chance = agree.where(others, 0.0).sum(1) / allowed
        full = targets.square().sum(1)
        above, most = ((value - chance)[counted].sum() for value in (observed, full))
        return float(above / most) if most > 1e-3 else 0.0

    def _gain(self, found: Similarity, targets: Tensor) -> float:
        """The feature "gain", before it is shrunk."""
        across, among = _kernel(found.strict), _kernel(found.among)
        joined = [torch.cat([self._kernel, across.T], 1), torch.cat([across, among], 1)]
        everyone = torch.cat([self._targets, targets])
        r2 = self._predicted(torch.cat(joined), everyone, self._ridge)
        before = max(self._r2, 0.0)
        return min(max((r2 - self._r2) / (before * (1 - before) + 0.05), -1.0), 1.0)

    def _predicted(self, kernel: Tensor, targets: Tensor, ridge: float) -> float:
        """R² of cross-validated predictions of the clean examples, the first rows."""
        centred = targets - self._frequencies
        return cross_validated_r2(kernel, centred, len(self._targets), self._folds, ridge)


def _kernel(similarity: Tensor) -> Tensor:
    return torch.exp(_SHARPNESS * (similarity - 1))


def _trust(clean: float, chance: float, count: int) -> float:
    """See `LabelAgreement.trust`; `chance` is the share of neighbours that agree by chance."""
    # If labels are random, whether a pair has one label is independent of other pairs. Of the
    # count * _NEIGHBOURS pairs of neighbours each may occur twice, from either side: e² is
    # 2 / (count * _NEIGHBOURS) times the variance chance (1 - chance) / (1 - chance)² of one.
    signal = max(clean, 0.0) ** 2 * (1 - chance) * count * _NEIGHBOURS / 2
    return signal / (signal + 9 * chance) if signal > 0 else 0.0
