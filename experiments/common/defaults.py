"""Default child, ops, magnitudes and learning rate: one row for each modality."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adaptaug.data import Source
from adaptaug.errors import AdaptAugError
from adaptaug.ops import OpSpace
from adaptaug.utils.types import Modality


@dataclass(frozen=True)
class Defaults:
    """The default settings of one modality."""

    child: str
    """Child model."""
    width: int
    """Its width."""
    ops: tuple[str, ...]
    """The op space of a search."""
    hand_set: Mapping[str, float]
    """Moderate hand-set magnitudes that preserve labels, by op."""
    warm_start_magnitude: float
    """Magnitude around which the warm start of a search tries the ops."""


DEFAULTS: dict[Modality, Defaults] = {
    # One of Mixup and CutMix is enough; on digits Mixup is the better one.
    "image": Defaults(
        "cnn", 16,
        ("rotate", "translate", "zoom", "shear", "hflip", "brightness", "contrast", "noise",
         "erasing", "mixup"),
        dict.fromkeys(("rotate", "translate", "zoom", "shear", "noise", "erasing"), 0.35),
        0.3,
    ),
    # On average the hand-set constant replaces 40% of the words by synonyms, masks 20%, swaps 20%
    # and deletes 10%.
    "text": Defaults(
        "bilstm", 64,
        ("synonym", "insertion", "swap", "deletion", "masking"),
        {"synonym": 0.8, "swap": 0.5, "deletion": 0.4, "masking": 0.5},
        0.5,
    ),
    "tagging": Defaults(
        "tagger", 64,
        ("labelwise", "synonym_outside", "mention", "segments", "masking"),
        dict.fromkeys(("labelwise", "synonym_outside", "mention", "segments", "masking"), 0.35),
        0.3,
    ),
}  # fmt: skip
"""The default settings by modality."""

PEAK_LEARNING_RATES = {
    "cnn": 1e-2,
    "resnet18": 1e-3,
    "resnet50": 1e-3,
    "vgg16": 1e-3,
    "efficientnet_b0": 1e-3,
    "bilstm": 3e-3,
    "bert": 5e-4,
    "tagger": 1e-2,
}
"""Peak learning rate of Adam for a child that starts from random weights, by child."""

FINE_TUNING_RATE = 2e-5
"""Peak learning rate of a child that starts from pretrained weights (Devlin et al. 2019)."""


def peak_learning_rate(child: str, pretrained: str | None) -> float:
    """The default peak learning rate of a child; that of the CNN if the child is unknown."""
    if pretrained is not None:
        return FINE_TUNING_RATE
    return PEAK_LEARNING_RATES.get(child, PEAK_LEARNING_RATES["cnn"])


def default_ops(source: Source, lexicon: str | None) -> tuple[str, ...]:
    """The default op space of a search on a data set; see `suiting`."""
    return suiting(DEFAULTS[source.modality].ops, source, lexicon)


def lacking(ops: Sequence[str], source: Source, lexicon: str | None) -> list[str]:
    """The ops that would suit a data set if there were a lexicon."""
    if lexicon is not None:
        return []
    needy = (op for op in OpSpace(ops).ops if op.needs_lexicon)
    return [op.name for op in needy if source.modality in op.modalities]


def suiting(ops: Sequence[str], source: Source, lexicon: str | None) -> tuple[str, ...]:
    """The ops that suit a data set; prints those that are left out without a lexicon.

    Raises:
        AdaptAugError: an op is unknown, or no op suits the data.
    """
    channels = source.channels if source.modality == "image" else 3
    suit = OpSpace(ops).applies(source.modality, channels)
    missing = lacking(ops, source, lexicon)
    kept = [op for op, suits in zip(ops, suit, strict=True) if suits and op not in missing]
    if missing:
        if source.modality == "text":
            print("the baseline EDA needs synonyms too (--training.lexicon)")
        print(f"left out, as they need synonyms (--training.lexicon): {', '.join(missing)}")
    if not kept:
        raise AdaptAugError(
            f"some op must suit {source.modality} data, got {', '.join(ops)} "
            f"for data set '{source.name}'"
        )
    return tuple(kept)
