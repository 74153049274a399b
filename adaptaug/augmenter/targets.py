"""The form of the targets: classes, or label distributions."""

from torch import Tensor
from torch.nn.functional import one_hot

from adaptaug.data.vocabulary import IGNORED


def soften(targets: Tensor, num_classes: int) -> Tensor:
    """Classes (B,) as label distributions, float32 (B, K); distributions unchanged.

    The row of an ignored label is all zeros, which adds nothing to a cross-entropy.
    """
    if targets.is_floating_point():
        return targets
    known = targets != IGNORED
    return one_hot(targets.where(known, 0), num_classes).float() * known[:, None]
