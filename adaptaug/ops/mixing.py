"""Ops that mix the image and the label of each sample with those of a partner in its batch.

Functions of (images, targets, amount, generator): images float32 (B, C, H, W) in [0, 1], targets
float32 (B, K) label distributions, amount float32 (B,). Arguments are not modified.

Both papers draw one weight per batch from a beta distribution. Here every sample draws its own
weight, uniform from 0 to the limit that the magnitude sets, as for all other ops.
"""

import torch
from torch import Generator, Tensor

from adaptaug.ops.pixel import rectangles


def _partners(count: int, generator: Generator) -> Tensor:
    """A random permutation of the batch; a sample may be its own partner."""
    return torch.randperm(count, generator=generator, device=generator.device)


def mixup(
    images: Tensor, targets: Tensor, amount: Tensor, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Mixup (Zhang et al., 2018): the partner's weight is amount, in image and label."""
    partner = _partners(len(images), generator)
    mixed = torch.lerp(images, images[partner], amount[:, None, None, None])
    return mixed, torch.lerp(targets, targets[partner], amount[:, None])


def cutmix(
    images: Tensor, targets: Tensor, amount: Tensor, generator: Generator
) -> tuple[Tensor, Tensor]:
    """CutMix (Yun et al., 2019): pastes a rectangle of the partner that covers a share amount.

    The partner's label weight is the share of pixels pasted, after rounding. The rectangle has the
    image's aspect ratio and lies wholly inside the image; the paper's is clipped at the border.
    """
    partner = _partners(len(images), generator)
    mask = rectangles(amount, 0.0, (images.shape[2], images.shape[3]), generator)
    weight = mask.to(images.dtype)
    mixed = torch.lerp(images, images[partner], weight)  # exact at weights 0 and 1
    return mixed, torch.lerp(targets, targets[partner], weight.mean(dim=(1, 2, 3))[:, None])
