"""What is trained, and under which ops, where a user does not say: one row for each modality."""

from collections.abc import Mapping
from dataclasses import dataclass

from adaptaug.data import Source
from adaptaug.modality import Modality
from adaptaug.ops import OpSpace


@dataclass(frozen=True)
class Defaults:
    """The settings of one modality."""

    child: str
    """Child model."""
    width: int
    """Its width."""
    peak_learning_rate: float
    """Adam's learning rate at the top of the schedule."""
    ops: tuple[str, ...]
    """The op space of a search."""
    hand_set: Mapping[str, float]
    """A moderate constant that a person would set, labels preserved."""


DEFAULTS: dict[Modality, Defaults] = {
    "image": Defaults(
        "cnn", 16, 1e-2,
        ("rotate", "translate", "zoom", "shear", "hflip", "brightness", "contrast", "noise",
         "erasing", "mixup", "cutmix"),
        dict.fromkeys(("rotate", "translate", "zoom", "shear", "noise", "erasing"), 0.35),
    ),
    # The constant changes 40% of the words to synonyms, on average, hides and swaps 20% each and
    # deletes 10%.
    "text": Defaults(
        "bilstm", 64, 3e-3,
        ("synonym", "insertion", "swap", "deletion", "masking"),
        {"synonym": 0.8, "swap": 0.5, "deletion": 0.4, "masking": 0.5},
    ),
    "tagging": Defaults(
        "tagger", 64, 1e-2,
        ("labelwise", "synonym_outside", "mention", "segments", "masking"),
        dict.fromkeys(("labelwise", "synonym_outside", "mention", "segments", "masking"), 0.35),
    ),
}  # fmt: skip
"""By modality."""


def default_ops(source: Source, lexicon: str | None) -> tuple[str, ...]:
    """The op space of a search on a data set; says which ops are left out for want of a lexicon."""
    ops = DEFAULTS[source.modality].ops
    usable = OpSpace(ops).applies(source.modality, lexicon=lexicon is not None)
    missing = [op for op, applies in zip(ops, usable, strict=True) if not applies]
    if missing:
        print(f"left out, as they need synonyms (--training.lexicon): {', '.join(missing)}")
    return tuple(op for op in ops if op not in missing)
