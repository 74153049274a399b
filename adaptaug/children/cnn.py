"""The small CNN of the AugNet study, parameterised in width, input size and channels."""

import torch
from torch import nn

from adaptaug.errors import AdaptAugError


class SmallCNN(nn.Module):
    """Two 3x3 convolutions with pooling, a dense layer, dropout 0.5 and a linear classifier.

    The convolutions have `width` and 2 `width` channels, each with 2x2 pooling and ReLU. The dense
    layer has 4 `width` units and ReLU. At width 32 it is the study's PrimaryNet (32, 64, 128).
    """

    def __init__(
        self, channels: int, size: tuple[int, int], num_classes: int, width: int = 32
    ) -> None:
        """Builds the layers for images (B, channels, *size) in [0, 1].

        Raises:
            AdaptAugError: the images are smaller than 4x4 pixels.
        """
        super().__init__()
        height, breadth = size
        if min(size) < 4:
            raise AdaptAugError(f"child 'cnn' needs images of at least 4x4 pixels, got {size}")
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.MaxPool2d(2),  # before ReLU, with which it commutes: fewer values to clip
            nn.ReLU(inplace=True),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
            nn.Flatten(),
            nn.Linear(2 * width * (height // 4) * (breadth // 4), 4 * width),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(4 * width, num_classes),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps images (B, C, H, W) in [0, 1] to logits (B, num_classes)."""
        logits: torch.Tensor = self.layers(images - 0.5)
        return logits
