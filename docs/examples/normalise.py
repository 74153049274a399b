"""Batches that a pipeline normalises: undone, augmented and normalised again."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from adaptaug import Augmenter

torch.manual_seed(0)
mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]  # ImageNet's
pixels, labels = torch.rand(300, 3, 16, 16), torch.randint(10, (300,))
images = (pixels - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
train = TensorDataset(images[:200], labels[:200])
held_out = TensorDataset(images[200:], labels[200:])

model = nn.Sequential(nn.Flatten(), nn.Linear(768, 10))
loader = DataLoader(train, batch_size=32, shuffle=True)
epochs = 15
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=epochs * len(loader))
augmenter = Augmenter(
    "digits", model, held_out, loader=loader, epochs=epochs, scheduler=scheduler, mean=mean, std=std
)

for _ in range(epochs):
    for x, y in loader:  # normalised
        x, targets = augmenter(x, y)  # augmented, and normalised again
        logits = model(x)
        loss = F.cross_entropy(logits, targets)
        loss.backward()
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        augmenter.record(loss, (logits.argmax(1) == y).float().mean())
print({name: round(value, 2) for name, value in augmenter.magnitudes.items()})
