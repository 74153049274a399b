"""Audit of a data set: which ops keep its labels, and at which strength. Nothing is trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from adaptaug.data.from_user import Array, to_examples
from adaptaug.errors import AdaptAugError
from adaptaug.ops import IMAGE_OPS, OpSpace
from adaptaug.policy.label_agreement import DATA_FEATURES, label_agreement
from adaptaug.policy.observation import applicable

Verdict = Literal["keeps", "doubtful", "breaks"]

MAGNITUDES = (0.25, 0.5, 1.0)
"""Default strengths at which ops are audited."""
KEEPS, BREAKS = 0.85, 0.4
"""An op keeps labels from the first agreement on, and breaks them below the second.

Chosen between what 400 examples gave at magnitude 1. Broken: flips of digits and of MNIST 0.21 to
0.28, vertical flips of sketches 0.28 and of traffic signs 0.32. Doubtful: horizontal flips of
traffic signs, which turn 8 of 43 classes into others, 0.67; vertical flips of CIFAR-10 0.57 and of
Imagenette 0.65. Kept: horizontal flips of sketches 0.96, CIFAR-10 0.91 and Imagenette 1.03, any
flip or rotation of blood cells 0.97 to 1.08, and colours, noise, blur and shear of all these, 0.88
to 1.02. On CIFAR-10, whose classes are hard to tell apart, another 400 examples move an agreement
by about 0.1.
"""
MIN_TRUST = 0.5
"""Below this trust, all that is not broken is doubtful, since neighbours say little."""


@dataclass(frozen=True)
class AuditRow:
    """One op, alone, at one magnitude."""

    op: str
    """Name of the op."""
    magnitude: float
    """In [0, 1]. That of an op which acts by chance says only how often, and so makes no
    difference."""
    agreement: float
    """How far neighbours of the op's outputs have their labels, in [0, 1.5]: 1 if as often as those
    of unchanged examples, 0 if no more often than by chance."""
    verdict: Verdict
    """"keeps", "doubtful" or "breaks"; see `KEEPS` and `MIN_TRUST`."""


@dataclass(frozen=True)
class Audit:
    """What is known about the ops that apply to a data set."""

    rows: tuple[AuditRow, ...]
    """One for each op and magnitude, op by op."""
    clean: float
    """How far neighbours among unchanged examples have one label, in [-1, 1]; 0 is chance."""
    trust: float
    """How surely that is more than chance, in [0, 1]; see `LabelAgreement.trust`."""

    @property
    def unsure(self) -> bool:
        """Whether neighbours of unchanged examples say too little about labels."""
        return self.trust < MIN_TRUST

    @property
    def worst(self) -> str:
        """The op with the lowest agreement."""
        return min(self.rows, key=lambda row: row.agreement).op


def audit(
    inputs: Array,
    labels: Array,
    *,
    op_space: OpSpace | None = None,
    num_classes: int | None = None,
    magnitudes: Sequence[float] = MAGNITUDES,
    seed: int = 0,
) -> Audit:
    """Measures for every op whether the labels of some data survive it; takes seconds.

    Args:
        inputs: images (N, C, H, W), uint8 or floating point in [0, 1], or sentences as ids (N, L).
        labels: their classes (N,), or tags (N, L). Up to 400 examples are used.
        op_space: the ops, by default all that AdaptAug has for images; for sentences, bound to
            their tables.
        num_classes: number of classes or tags. By default the largest label plus 1.
        magnitudes: strengths at which each op is measured, in (0, 1].
        seed: seeds the draws.

    Raises:
        AdaptAugError: the examples break a rule of `Examples`, there is no example or magnitude, or
            no op applies to such data.
    """
    examples = to_examples((inputs, labels), "the data to audit")
    op_space = OpSpace(IMAGE_OPS) if op_space is None else op_space
    applies = applicable(op_space, examples)
    if not any(applies) or not magnitudes:
        names = ", ".join(op_space.names)
        raise AdaptAugError(
            f"an audit needs a magnitude and an op that suits {examples.modality} data, "
            f"got magnitudes {tuple(magnitudes)} and ops {names}"
        )
    num_classes = int(examples.targets.max()) + 1 if num_classes is None else num_classes
    found = [label_agreement(op_space, examples, num_classes, seed, m) for m in magnitudes]
    column = DATA_FEATURES.index("label_agreement")
    rows = [
        _row(name, magnitude, float(one.ops[index, column]), one.trust)
        for index, name in enumerate(op_space.names)
        if applies[index]
        for magnitude, one in zip(magnitudes, found, strict=True)
    ]
    return Audit(tuple(rows), found[0].clean, found[0].trust)


def _row(op: str, magnitude: float, agreement: float, trust: float) -> AuditRow:
    verdict: Verdict = "doubtful"
    if agreement < BREAKS:
        verdict = "breaks"
    elif agreement >= KEEPS and trust >= MIN_TRUST:
        verdict = "keeps"
    return AuditRow(op, magnitude, round(agreement, 4), verdict)
