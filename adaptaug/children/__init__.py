"""Child models, whose training is augmented. A child is one file and one line in `CHILDREN`."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from adaptaug.children.bert import Bert, pretrained_bert, small_bert
from adaptaug.children.bilstm import BiLSTM
from adaptaug.children.cnn import SmallCNN
from adaptaug.children.tagger import Tagger
from adaptaug.children.torchvision_models import NETWORKS, VisionNet
from adaptaug.data.vocabulary import Vocabulary
from adaptaug.errors import AdaptAugError
from adaptaug.utils.types import Modality


@dataclass(frozen=True, eq=False)
class ChildShape:
    """What a child is built for: its data, its width and the weights that it starts from."""

    modality: Modality
    """Kind of the training data; it decides which of the fields below apply."""
    num_classes: int
    """Number of classes, or of tags, K."""
    width: int
    """Width of the layers; each child's docstring says which layers have which multiple of it."""
    channels: int = 0
    """Image channels, 1 or 3."""
    size: tuple[int, int] = (0, 0)
    """Image height and width in pixels."""
    vocabulary_size: int = 0
    """Number of ids V, the special ones included."""
    vectors: Tensor | None = None
    """Pretrained word vectors, float32 (V, D), that initialise the embedding."""
    vocabulary: Vocabulary | None = None
    """The vocabulary of the ids."""
    pretrained: str | None = None
    """Hub id or folder of a model of `transformers` that initialises the child."""


@dataclass(frozen=True)
class Child:
    """A row of the table of children."""

    modality: Modality
    """Kind of data that the child can be trained on."""
    build: Callable[[ChildShape], nn.Module]
    """Builds the child; initial weights are drawn from torch's global generator."""
    takes: tuple[str, ...] = ()
    """Which of `vectors` and `pretrained` can initialise the child."""


def _vision(name: str) -> Child:
    return Child("image", lambda s: VisionNet(name, s.channels, s.size, s.num_classes))


def _bert(shape: ChildShape) -> Bert:
    if shape.pretrained is None:
        return small_bert(shape.vocabulary_size, shape.num_classes, shape.width)
    assert shape.vocabulary is not None
    return pretrained_bert(shape.pretrained, shape.vocabulary, shape.num_classes)


CHILDREN: dict[str, Child] = {
    "cnn": Child("image", lambda s: SmallCNN(s.channels, s.size, s.num_classes, s.width)),
    **{name: _vision(name) for name in NETWORKS},
    "bilstm": Child(
        "text",
        lambda s: BiLSTM(s.vocabulary_size, s.num_classes, s.width, s.vectors),
        takes=("vectors",),
    ),
    "bert": Child("text", _bert, takes=("pretrained",)),
    "tagger": Child(
        "tagging",
        lambda s: Tagger(s.vocabulary_size, s.num_classes, s.width, s.vectors),
        takes=("vectors",),
    ),
}


def build_child(name: str, shape: ChildShape) -> nn.Module:
    """Builds a child for K classes.

    Inputs and outputs by modality:

    ========  ========================================  =================
    image     float images (B, C, H, W) in [0, 1]       logits (B, K)
    text      ids, int64 (B, L) in 0..V-1, 0 is padding logits (B, K)
    tagging   the same                                  logits (B, L, K)
    ========  ========================================  =================

    Raises:
        AdaptAugError: the name is unknown, or the child is for another modality, cannot be
            initialised with `vectors` or `pretrained`, does not fit the data, or needs a package
            that is not installed.
    """
    if name not in CHILDREN:
        raise AdaptAugError(f"child must be one of {sorted(CHILDREN)}, got {name!r}")
    child = CHILDREN[name]
    if child.modality != shape.modality:
        fitting = sorted(key for key, row in CHILDREN.items() if row.modality == shape.modality)
        raise AdaptAugError(
            f"a child for {shape.modality} data must be one of {fitting}, "
            f"got {name!r}, which is for {child.modality} data"
        )
    for what in ("vectors", "pretrained"):
        if getattr(shape, what) is not None and what not in child.takes:
            fitting = sorted(key for key, row in CHILDREN.items() if what in row.takes)
            raise AdaptAugError(f"{what} must go with one of the children {fitting}, got {name!r}")
    return child.build(shape)


__all__ = [
    "CHILDREN",
    "Bert",
    "BiLSTM",
    "Child",
    "ChildShape",
    "SmallCNN",
    "Tagger",
    "VisionNet",
    "build_child",
]
