"""Child models: what the policy trains. A child is one file and one line in `CHILDREN`."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from adaptaug.children.cnn import SmallCNN
from adaptaug.errors import AdaptAugError


@dataclass(frozen=True)
class ChildShape:
    """What a child must fit."""

    channels: int
    """Image channels, 1 or 3."""
    size: tuple[int, int]
    """Image height and width in pixels."""
    num_classes: int
    """Number of classes."""
    width: int
    """Width multiplier, in the child's own sense."""


CHILDREN: dict[str, Callable[[ChildShape], nn.Module]] = {
    "cnn": lambda shape: SmallCNN(shape.channels, shape.size, shape.num_classes, shape.width),
}


def build_child(name: str, shape: ChildShape) -> nn.Module:
    """Builds a child that maps float images (B, C, H, W) in [0, 1] to logits (B, num_classes).

    Raises:
        AdaptAugError: no child has this name.
    """
    if name not in CHILDREN:
        raise AdaptAugError(f"child must be one of {sorted(CHILDREN)}, got {name!r}")
    return CHILDREN[name](shape)


__all__ = ["CHILDREN", "ChildShape", "SmallCNN", "build_child"]
