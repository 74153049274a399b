"""An op of your own: a table row with a function of whole batches."""

import torch
from torch import Generator, Tensor

from adaptaug import Op, OpSpace, register, wrap
from adaptaug.ops.testing import check_op


def darken(images: Tensor, amount: Tensor, generator: Generator) -> Tensor:
    """Images (B, C, H, W) in [0, 1]; amount (B,), an own draw for every image."""
    return images * (1 - amount[:, None, None, None])


def mirrored(image: Tensor) -> Tensor:
    """One image (C, H, W), turned left to right."""
    return image.flip(-1)


op = register(Op("darken", "pixel", high=0.8, unit="share of the brightness", function=darken))
check_op(op)  # the identity at 0, range and shape kept, draws from the given generator only

# A function of one image is an op as well, and so is any transform of torchvision.transforms.v2:
# the magnitude is the share of the images that it is applied to.
register(wrap(mirrored))

images, labels = torch.ones(3, 1, 8, 8), torch.tensor([0, 1, 2])
space, generator = OpSpace(("darken", "mirrored")), torch.Generator().manual_seed(0)
augmented, _ = space.apply(images, labels, [0.5, 0.5], generator, num_classes=3)
print("brightness of three images:", augmented.mean((1, 2, 3)))
