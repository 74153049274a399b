"""Tagged tokens: tags move with their tokens, so the loss is that of the new tags."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adaptaug import Augmenter, Constant
from adaptaug.data import load


class Tagger(nn.Module):
    """Ids (B, L) to logits (B, L, K)."""

    def __init__(self, words: int, tags: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, 32, padding_idx=0)
        self.recurrent = nn.GRU(32, 32, batch_first=True, bidirectional=True)
        self.output = nn.Linear(64, tags)

    def forward(self, ids: Tensor) -> Tensor:
        return self.output(self.recurrent(self.embedding(ids))[0])


torch.manual_seed(0)
source = load("mentions")  # made-up sentences; your own come from `from_tagged`
ids, tags = source.train.inputs[:200], source.train.targets[:200]  # (200, L) both
ids_val, tags_val = source.train.inputs[200:400], source.train.targets[200:400]

model = Tagger(len(source.vocabulary), len(source.classes))
steps = 60
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
augmenter = Augmenter(
    Constant([0.3, 0.3, 0.3]),  # or a policy's folder, "runs/ner/policy", and then no `ops`
    model,
    held_out=(ids_val, tags_val),
    ops=("labelwise", "mention", "masking"),
    vocabulary=source.vocabulary,
    train=(ids, tags),  # new tokens and mentions are taken from here
    classes=source.classes,  # "O", "B-PER", "I-PER", ...
    total_steps=steps,
    n_train=len(ids),
)

for _ in range(steps):
    rows = torch.randint(len(ids), (32,))
    x, targets = augmenter(ids[rows], tags[rows])
    logits = model(x)
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())  # skips -100, at padding
    loss.backward()
    optimizer.step()
    scheduler.step()
    optimizer.zero_grad()
    augmenter.record(loss, (logits.argmax(-1) == targets)[targets != -100].float().mean())

right = model(source.test.inputs).argmax(-1) == source.test.targets
print(f"{right[source.test.targets != -100].float().mean():.1%} of the test tokens")
