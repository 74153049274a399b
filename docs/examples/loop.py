"""The loop of plain_loop.py with the bundled policy 'digits'."""

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

from adaptaug import Augmenter

torch.manual_seed(0)
digits = load_digits()
images = torch.tensor(digits.images / 16, dtype=torch.float32)[:, None]  # (N, 1, 8, 8) in [0, 1]
data = TensorDataset(images, torch.tensor(digits.target))
train, test = random_split(data, [100, 1697])
loader = DataLoader(train, batch_size=32, shuffle=True, drop_last=True)

model = nn.Sequential(
    nn.Conv2d(1, 32, 3, padding=1),
    nn.BatchNorm2d(32),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(32, 64, 3, padding=1),
    nn.BatchNorm2d(64),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(256, 10),
)
epochs = 130
steps = epochs * len(loader)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
augmenter = Augmenter("digits", model, total_steps=steps, n_train=len(train))

for _ in range(epochs):
    for x, y in loader:
        x, targets = augmenter(x, y)
        logits = model(x)
        loss = F.cross_entropy(logits, targets)
        loss.backward()
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        augmenter.record(loss, (logits.argmax(1) == y).float().mean())

model.eval()
x, y = data[test.indices]
print(f"{(model(x).argmax(1) == y).float().mean():.1%} of {len(test)} test images")
