"""Normalisation as the model's first layer, after augmentation."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from adaptaug import Augmenter

torch.manual_seed(0)
images, labels = torch.rand(300, 3, 16, 16), torch.randint(10, (300,))
train = TensorDataset(images[:200], labels[:200])
held_out = TensorDataset(images[200:], labels[200:])


class Normalise(nn.Module):
    """Shifts and scales each channel of images (B, 3, H, W) in [0, 1]."""

    def __init__(self, mean: list[float], std: list[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("std", torch.tensor(std)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std


model = nn.Sequential(
    Normalise(mean=[0.5, 0.5, 0.5], std=[0.25, 0.25, 0.25]),
    nn.Flatten(),
    nn.Linear(768, 10),
)
loader = DataLoader(train, batch_size=32, shuffle=True)
epochs = 15
steps = epochs * len(loader)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=steps)
augmenter = Augmenter("digits", model, held_out, total_steps=steps, n_train=len(train))

for _ in range(epochs):
    for x, y in loader:  # images in [0, 1]
        x, targets = augmenter(x, y)  # still in [0, 1]
        logits = model(x)
        loss = F.cross_entropy(logits, targets)
        loss.backward()
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        augmenter.record(loss, (logits.argmax(1) == y).float().mean())
print({name: round(value, 2) for name, value in augmenter.magnitudes.items()})
