"""Watch a run in TensorBoard: magnitudes, held-out scores, images before and after."""

import torch
from torch import nn

from adaptaug import Augmenter
from adaptaug.tensorboard import Board

torch.manual_seed(0)
images, labels = torch.rand(200, 3, 16, 16), torch.randint(10, (200,))
held_out = images[100:], labels[100:]
model = nn.Sequential(nn.Flatten(), nn.Linear(768, 10))

with Board("runs/mine") as board:  # then: tensorboard --logdir runs
    augmenter = Augmenter(
        "digits", model, held_out, total_steps=80, n_train=100, batch_size=32, board=board
    )
    for step in range(80):
        rows = torch.randint(100, (32,))
        x, targets = augmenter(images[rows], labels[rows])
        loss = nn.functional.cross_entropy(model(x), targets)  # and a step, as ever
        augmenter.record(loss, 0.1)
        board.scalars({"loss": loss.item()}, step)
print("magnitudes now:", {name: round(value, 2) for name, value in augmenter.magnitudes.items()})
