"""Search a policy on your own tensors."""

from pathlib import Path

import torch

from adaptaug import load_policy
from adaptaug.data import from_tensors, preload
from agents.config import SearchConfig
from agents.search import search

torch.manual_seed(0)
images = torch.randint(256, (600, 1, 12, 12), dtype=torch.uint8)  # or float in [0, 1]
labels = images[:, 0, :, :6].float().mean((1, 2)).ge(127.5).long()  # is the left half bright?
test_images, test_labels = images[:100], labels[:100]

if __name__ == "__main__":  # worker processes import this file
    preload(from_tensors(images[100:], labels[100:], test_images, test_labels, name="mine"))
    tasks = [{"dataset": "mine", "n_train": (50, 200), "n_validation": 100, "steps": (4, 16)}]
    ops = ("rotate", "translate", "zoom", "noise", "mixup")
    tiny = {"episodes": 18, "groups": 1, "processes": 0}  # a real search takes the defaults
    folder = Path("runs/mine")
    folder.mkdir(parents=True, exist_ok=True)
    search(SearchConfig(tasks, ops, **tiny), folder)
    print(f"{folder / 'policy'} acts on {', '.join(load_policy(folder / 'policy').ops)}")
