"""Stop a run and resume it, bit for bit; and tell the policy a learning rate of your own."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adaptaug import Augmenter

torch.manual_seed(0)
images, labels = torch.rand(200, 1, 8, 8), torch.randint(10, (200,))
steps = 160  # of 20 examples each: 16 epochs over the first 100, which are trained on


class Run:
    """Model, optimiser, schedule and augmenter of one training run."""

    def __init__(self) -> None:
        torch.manual_seed(1)
        self.model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
        self.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, steps)
        self.augmenter = Augmenter(
            "digits",
            self.model,
            held_out=(images[100:], labels[100:]),
            total_steps=steps,
            n_train=100,
            learning_rate=self.optimizer,  # the schedule is not one-cycle, so let it be read
        )

    def step(self, x: Tensor, y: Tensor) -> None:
        x, targets = self.augmenter(x, y)
        logits = self.model(x)
        loss = F.cross_entropy(logits, targets)
        loss.backward()
        self.optimizer.step()
        self.scheduler.step()
        self.optimizer.zero_grad()
        self.augmenter.record(loss, (logits.argmax(1) == y).float().mean())


def train(run: Run, first: int, last: int) -> None:
    for step in range(first, last):
        rows = torch.arange(20 * step, 20 * step + 20) % 100
        run.step(images[rows], labels[rows])


whole = Run()
train(whole, 0, steps)

stopped = Run()
train(stopped, 0, 90)
names = ("model", "optimizer", "scheduler", "augmenter")
torch.save({name: getattr(stopped, name).state_dict() for name in names}, "checkpoint.pt")

resumed = Run()
for name, state in torch.load("checkpoint.pt").items():
    getattr(resumed, name).load_state_dict(state)
train(resumed, 90, steps)
same = torch.equal(whole.model[1].weight, resumed.model[1].weight)
print("the same weights as without a stop:", same)
