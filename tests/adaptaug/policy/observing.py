"""A model by brightness, data of two colours, and an observer of both, for tests."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from adaptaug.data import Examples
from adaptaug.ops import Op, OpSpace
from adaptaug.policy.observation import (
    GLOBAL_FEATURES,
    OP_FEATURES,
    Observation,
    Observer,
    Situation,
)

MIDDLE = Situation(progress=0.5, epochs=3.0, learning_rate=0.7, batches=None, cost=0.25)


class Brightness(nn.Module):
    """Two logits, apart by twice `scale` times the brightness above one half."""

    def __init__(self, scale: float = 2.0) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))
        self.dropout = nn.Dropout(0.5)

    def forward(self, images: Tensor) -> Tensor:
        logit = self.scale * (images.mean((1, 2, 3)) - 0.5)
        logits: Tensor = self.dropout(torch.stack([-logit, logit], 1))
        return logits


class Uniform(nn.Module):
    """Every class alike."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes

    def forward(self, images: Tensor) -> Tensor:
        return torch.zeros(len(images), self.num_classes)


def black_and_white(count: int = 4, channels: int = 1) -> Examples:
    """Black images of class 0 and white ones of class 1, in turn."""
    inputs = torch.zeros(count, channels, 4, 4, dtype=torch.uint8)
    inputs[1::2] = 255
    return Examples(inputs, torch.arange(count) % 2)


def flipped(examples: Examples) -> Examples:
    return replace(examples, targets=1 - examples.targets)


IDENTITY = Op("identity", "pixel", 1.0, "", lambda images, amount, generator: images)
INVERT = Op("invert", "pixel", 1.0, "", lambda images, amount, generator: 1 - images)
OPS: tuple[str | Op, ...] = (IDENTITY, INVERT, "noise")


def observer(
    train: Examples | None = None, validation: Examples | None = None, ops: tuple = OPS
) -> Observer:
    train = train or black_and_white()
    validation = black_and_white() if validation is None else validation
    return Observer(OpSpace(ops), train, validation, 2, seed=0)


def run_features(observation: Observation) -> dict[str, float]:
    return dict(zip(GLOBAL_FEATURES, observation.run.tolist(), strict=True))


def op_features(observation: Observation, index: int) -> dict[str, float]:
    return dict(zip(OP_FEATURES, observation.ops[index].tolist(), strict=True))
