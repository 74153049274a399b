"""The properties of an object that can be the label of a made-up image task.

What the property is settles which image ops keep labels, whatever else is drawn for a task. Of the
rest see `adaptaug.data.toy.nuisances`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from adaptaug.data.toy.drawing import Pose


@dataclass(frozen=True)
class Objects:
    """What is to be drawn in each of N images."""

    which: Tensor
    """int64 (N,): the prototype."""
    pose: Pose
    """(N,)."""
    hue: Tensor | None = None
    """float (N,), turns; None leaves the prototype's colours."""


@dataclass(frozen=True)
class Classes:
    """The classes of a task."""

    count: int
    """Number of classes K."""
    modes: int
    """Prototypes of each class, if the shape is the label; else of all classes together."""
    spacing: float
    """Distance from a class to the next one, in the factor's unit."""
    jitter: float
    """Half the range of a class, in spacings, below 1/2."""

    @property
    def middle(self) -> float:
        """The middle of all labels."""
        return (self.count - 1) / 2


Apply = Callable[[Objects, Tensor, Tensor, Classes], Objects]


@dataclass(frozen=True)
class Factor:
    """The property of an object that is its label."""

    apply: Apply
    """Gives objects the property: (objects, labels (N,), labels with jitter (N,), classes)."""
    groups: Callable[[int], int] = lambda _: 1
    """From the number of classes to the groups of prototypes, of `Classes.modes` each."""
    spacing: tuple[float, float] = (0, 0)
    """Least and largest distance between neighbouring classes."""
    reach: float = math.inf
    """Largest distance from the first class to the last, or all around where they form a circle."""
    closed: bool = False
    """Whether they do."""
    keeps: frozenset[str] = frozenset()
    """Image ops that do not touch the property."""
    breaks: frozenset[str] = frozenset()
    """Image ops that at magnitude 1 turn it into that of another class, or of none."""
    forbids: frozenset[str] = frozenset()
    """Nuisances that a task must not have, for the same reason, or as they would blur classes."""


def _shape(objects: Objects, labels: Tensor, _: Tensor, classes: Classes) -> Objects:
    return replace(objects, which=objects.which + labels * classes.modes)


def _chirality(objects: Objects, labels: Tensor, _: Tensor, classes: Classes) -> Objects:
    side = objects.pose.side * (1 - 2 * (labels % 2))
    which = objects.which + labels // 2 * classes.modes
    return replace(objects, which=which, pose=replace(objects.pose, side=side))


def _angle(objects: Objects, _: Tensor, value: Tensor, classes: Classes) -> Objects:
    angle = (value - classes.middle) * (classes.spacing * math.pi / 180)
    return replace(objects, pose=replace(objects.pose, angle=objects.pose.angle + angle))


def _scale(objects: Objects, _: Tensor, value: Tensor, classes: Classes) -> Objects:
    log_scale = objects.pose.log_scale + (value - classes.middle) * classes.spacing
    return replace(objects, pose=replace(objects.pose, log_scale=log_scale))


def _position(objects: Objects, _: Tensor, value: Tensor, classes: Classes) -> Objects:
    step = 2 * math.pi / classes.count
    angle = (value + 0.5) * step
    radius = classes.spacing / math.sin(step / 2)  # half sides, where the spacing is in sides
    x, y = angle.sin() * radius, angle.cos() * -radius
    return replace(objects, pose=replace(objects.pose, x=x, y=y))


def _hue(objects: Objects, _: Tensor, value: Tensor, classes: Classes) -> Objects:
    return replace(objects, hue=value * classes.spacing)


_LIGHT = frozenset({"brightness", "contrast"})
_COLOUR = _LIGHT | {"saturation", "hue"}

SHAPE = Factor(_shape, lambda count: count, keeps=_COLOUR)
"""Which prototype it is. Geometric ops are a matter of degree, unless a nuisance covers them."""
SCENE = Factor(_shape, lambda count: count, keeps=_LIGHT)
"""The same where colours help to tell prototypes apart."""
CHIRALITY = Factor(
    _chirality,
    lambda count: count // 2,
    keeps=_COLOUR,
    breaks=frozenset({"hflip"}),
    forbids=frozenset({"mirror", "flip"}),
)
"""Class 2k + 1 is the mirror image of class 2k: flips swap them."""
ANGLE = Factor(
    _angle,
    spacing=(18, 32),  # degrees; the op turns by up to 30
    reach=180,
    closed=True,
    keeps=_COLOUR | {"translate", "crop", "zoom"},
    breaks=frozenset({"rotate", "hflip", "vflip"}),
    forbids=frozenset({"rotate", "spin", "slant", "mirror", "flip", "elastic"}),
)
"""The direction of waves. The classes lie symmetrically about upright: flips swap them too."""
SCALE = Factor(
    _scale,
    spacing=(0.2, 0.36),  # log of the factor; the op zooms by up to 0.405
    reach=math.log(4),
    keeps=_COLOUR | {"rotate", "hflip", "vflip"},
    breaks=frozenset({"zoom"}),
    forbids=frozenset({"scale", "slant", "elastic"}),
)
"""The size, or the length of waves."""
POSITION = Factor(
    _position,
    spacing=(0.12, 0.2),  # sides; the op shifts by up to 0.25 along both
    reach=math.inf,
    keeps=_COLOUR | {"zoom"},
    breaks=frozenset({"translate", "hflip"}),
    forbids=frozenset({"shift", "rotate", "spin", "mirror", "flip", "slant", "elastic"}),
)
"""The place on a circle around the centre: class k mirrors class K - 1 - k."""
HUE = Factor(
    _hue,
    spacing=(0.06, 0.1),  # turns; the op turns by up to 0.1
    reach=1,
    closed=True,
    keeps=_LIGHT | {"rotate", "translate", "crop", "zoom", "shear", "hflip", "vflip"},
    breaks=frozenset({"hue", "solarize"}),
    forbids=frozenset({"cast", "inverted", "paint"}),
)
"""The colour, in shapes that say nothing."""
