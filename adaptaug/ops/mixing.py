"""Ops that mix each sample with a partner of its batch, image and label alike.

Functions of (images, targets, amount, generator): images float32 (B, C, H, W) in [0, 1], targets
float32 (B, K) label distributions, amount float32 (B,). Nothing given is modified.

Both papers draw one weight a batch, from a beta distribution; here every sample draws its own,
uniform up to what the magnitude allows, so that a magnitude means the same for every op.
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
    """CutMix (Yun et al., 2019): pastes the partner's rectangle of area amount, in images.

    The partner's label weight is the share of pixels really pasted. The rectangle lies wholly
    inside the image and has its shape; the paper's is cut off at the border.
    """
    partner = _partners(len(images), generator)
    mask = rectangles(amount, 0.0, (images.shape[2], images.shape[3]), generator)
    weight = mask.to(images.dtype)
    mixed = torch.lerp(images, images[partner], weight)  # exact at weights 0 and 1
    return mixed, torch.lerp(targets, targets[partner], weight.mean(dim=(1, 2, 3))[:, None])
