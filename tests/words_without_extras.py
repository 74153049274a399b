"""Augments sentences, then tagged sentences, with policies that it saves and reads again.

`test_wheel.py` runs it where nothing but the core dependencies is installed: FILE FOLDER.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from adaptaug import Augmenter, Policy, load_policy, save_policy
from adaptaug.data import build_vocabulary
from adaptaug.policy.network import PolicyNetwork

STEPS = 4
SENTENCES = ["ada met grace in london", "grace left paris at noon"] * 8
SYNONYMS = {"met": ("left",), "left": ("met",), "london": ("paris",), "paris": ("london",)}
LABELS = torch.tensor([0, 1] * 8)
TAGS = torch.tensor([[1, 0, 1, 0, 1], [1, 0, 1, 0, 0]] * 8)
VOCABULARY = build_vocabulary(SENTENCES)
IDS = VOCABULARY.encode(SENTENCES)


class Child(nn.Module):
    """Logits of ids (B, L): (B, 2), or (B, L, 2) of a tagger."""

    def __init__(self, tagger: bool) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(len(VOCABULARY), 8), nn.Linear(8, 2)
        self.tagger = tagger

    def forward(self, ids: Tensor) -> Tensor:
        features = self.embedding(ids)  # (B, L, 8)
        return self.head(features if self.tagger else features.mean(1))


def train(folder: Path, ops: tuple[str, ...], targets: Tensor, **words: Any) -> None:
    """A run whose batches must change, under an untrained policy."""
    save_policy(folder, Policy(PolicyNetwork(len(ops)), ops, decisions=2))
    assert load_policy(folder).ops == ops
    augmenter = Augmenter(
        folder, Child(targets.ndim == 2), (IDS, targets),
        total_steps=STEPS, n_train=len(IDS), vocabulary=VOCABULARY, **words,
    )  # fmt: skip
    batches = []
    for _ in range(STEPS):
        batches.append(augmenter(IDS, targets)[0])
        augmenter.record(torch.tensor(1.0), torch.tensor(0.5))
    assert any(not torch.equal(batch, IDS) for batch in batches)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    train(folder / "text", ("synonym", "swap", "deletion", "masking"), LABELS, lexicon=SYNONYMS)
    ops = ("labelwise", "mention", "segments", "masking")
    train(folder / "tagging", ops, TAGS, train=(IDS, TAGS), classes=("O", "B-NAME"))
