"""Sentences: ids padded with 0, their vocabulary, and synonyms for the op that needs them."""

import torch
import torch.nn.functional as F
from torch import nn

from adaptaug import Augmenter, Constant
from adaptaug.data import load

torch.manual_seed(0)
source = load("opinions")  # made-up reviews; your own come from `from_texts`
ids, labels = source.train.inputs[:300], source.train.targets[:300]  # (300, L) and (300,)
ids_val, y_val = source.train.inputs[300:600], source.train.targets[300:600]
vocabulary = source.vocabulary

model = nn.Sequential(nn.EmbeddingBag(len(vocabulary), 64, padding_idx=0), nn.Linear(64, 2))
steps = 100
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
augmenter = Augmenter(
    Constant([0.5, 0.3, 0.3]),  # or a policy's folder, "runs/words/policy", and then no `ops`
    model,
    held_out=(ids_val, y_val),
    ops=("synonym", "swap", "masking"),
    vocabulary=vocabulary,
    lexicon="opinions",  # or a file of synonyms, or "wordnet"
    total_steps=steps,
    n_train=len(ids),
)

for _ in range(steps):
    rows = torch.randint(len(ids), (32,))
    x, y = augmenter(ids[rows], labels[rows])
    logits = model(x)
    loss = F.cross_entropy(logits, y)
    loss.backward()
    optimizer.step()
    scheduler.step()
    optimizer.zero_grad()
    augmenter.record(loss, (logits.argmax(1) == y).float().mean())

print("before:", " ".join(vocabulary.words[i] for i in ids[rows[0]] if i))
print("after: ", " ".join(vocabulary.words[i] for i in x[0] if i))
right = model(source.test.inputs).argmax(1) == source.test.targets
print(f"{right.float().mean():.1%} of {len(right)} test sentences")
