"""Tags in BIO form: 'B-PER' begins an entity of type PER, 'I-PER' continues it, 'O' is outside."""

from collections.abc import Sequence

import torch
from torch import Tensor

from adaptaug.errors import AdaptAugError


def tag_parts(tag: str, place: str = "the classes") -> tuple[str, str]:
    """The kind of a tag, "B", "I" or "O", and its type, empty for "O".

    Args:
        tag: such as "B-PER".
        place: where it stands, for error messages.

    Raises:
        AdaptAugError: the tag is none of "O", "B-TYPE", "I-TYPE".
    """
    kind, dash, entity = tag.partition("-")
    if tag != "O" and not (kind in ("B", "I") and dash and entity):
        raise AdaptAugError(
            f"a tag must be 'O', 'B-TYPE' or 'I-TYPE' (BIO form), got '{tag}' in {place}"
        )
    return kind, entity


def tag_names(types: Sequence[str]) -> tuple[str, ...]:
    """The tags for some types of entities, "O" first."""
    return ("O", *(f"{kind}-{entity}" for entity in types for kind in "BI"))


def may_follow(classes: Sequence[str], place: str = "the classes") -> Tensor:
    """Which tag (column) may follow which (row): bool (K + 1, K), row K for a sentence's start.

    Only "I-X" is restricted: it may only follow "B-X" or "I-X".
    """
    parts = [tag_parts(tag, place) for tag in classes]
    before = [*(("" if kind == "O" else entity) for kind, entity in parts), ""]
    return torch.tensor(
        [[kind != "I" or entity == last for kind, entity in parts] for last in before]
    )


def check_bio(targets: Tensor, classes: Sequence[str], place: str) -> None:
    """Raises AdaptAugError at the first tag that may not follow the tag before it.

    Args:
        targets: int64 (N, L) in 0..K-1, negative at padding.
        classes: the K tags.
        place: where they are, for error messages.
    """
    start = len(classes)
    before = torch.nn.functional.pad(targets[:, :-1], (1, 0), value=start)
    padding = targets < 0
    allowed = may_follow(classes, f"the classes of {place}").to(targets.device)
    wrong = (
        ~allowed[before.where(~padding, start), targets.where(~padding, 0)] & ~padding
    ).nonzero()
    if len(wrong):
        row, token = wrong[0].tolist()
        tag = classes[int(targets[row, token])]
        last = f"after '{classes[int(before[row, token])]}'" if token else "at the start"
        raise AdaptAugError(
            f"tags must be in BIO form, where '{tag}' only follows 'B{tag[1:]}' or '{tag}', "
            f"got it {last} in row {row}, token {token} of {place} "
            "(this looks like IOB1: convert it to BIO)"
        )
