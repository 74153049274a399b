"""Runs of 12 batches for the Augmenter: on digits with a small CNN, and on made-up sentences."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from adaptaug import Augmenter, Controller, Policy
from adaptaug.children import SmallCNN
from adaptaug.controllers import Learned
from adaptaug.data import load, split
from adaptaug.data.examples import Split
from adaptaug.ops import OpSpace
from adaptaug.policy.cost import CostTable
from adaptaug.policy.network import PolicyNetwork
from adaptaug.policy.observation import Observation
from adaptaug.training.episode import Episode
from adaptaug.training.task import Task
from adaptaug.utils.seeding import RandomStream

OPS = ("rotate", "hue", "noise", "mixup")
COSTS = CostTable({"geometry": 0.5, "noise": 0.25}, observe=3.0)
SENTENCES = {
    "text": ("opinions", "bilstm", ("synonym", "rotate", "deletion", "masking")),
    "tagging": ("mentions", "tagger", ("labelwise", "rotate", "mention", "masking")),
}
"""By modality: data set, child and ops, of which "rotate" is for images alone."""


def _network(seed: int = 0) -> PolicyNetwork:
    made = PolicyNetwork(len(OPS))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in made.actor.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) / 8)
    return made


class Watched(Learned):
    """A learned policy that keeps what it observes."""

    def __init__(self) -> None:
        super().__init__(_network())
        self.seen: list[Observation] = []
        self.progress: list[float] = []

    def decide(self, progress: float, observation: Observation | None) -> Any:
        assert observation is not None
        self.seen.append(observation)
        self.progress.append(progress)
        return super().decide(progress, observation)


@pytest.fixture(scope="session")
def digits() -> Split:
    """100 training, 200 validation and 597 test examples."""
    return split(load("digits"), 100, 200, 0)


@pytest.fixture
def batch(digits: Split) -> Callable[..., tuple[Tensor, Tensor]]:
    """Makes the batch of an index, of 16 training examples in their order."""

    def make(index: int, size: int = 16) -> tuple[Tensor, Tensor]:
        picked = torch.arange(index * size, (index + 1) * size) % len(digits.train)
        return digits.train.inputs[picked], digits.train.targets[picked]

    return make


@pytest.fixture
def child() -> Callable[..., SmallCNN]:
    """Makes a CNN for digits from a seed."""

    def make(seed: int = 0) -> SmallCNN:
        with RandomStream(seed).active():
            return SmallCNN(1, (8, 8), 10, 8)

    return make


@pytest.fixture
def network() -> PolicyNetwork:
    """A policy network whose magnitudes depend on the observation."""
    return _network()


@pytest.fixture
def policy(network: PolicyNetwork) -> Callable[..., Policy]:
    """Makes a policy of four decisions; keyword arguments change its fields."""

    def make(**changes: Any) -> Policy:
        return Policy(
            **({"network": network, "ops": OPS, "decisions": 4, "costs": COSTS} | changes)
        )

    return make


@pytest.fixture
def watch() -> Callable[[], Watched]:
    """Makes a controller that keeps what it observes in `seen`, and when in `progress`."""
    return Watched


@pytest.fixture
def augmenter(
    digits: Split, child: Callable[..., nn.Module], policy: Callable[..., Policy]
) -> Callable[..., Augmenter]:
    """Makes an Augmenter for 12 batches of 16 digits; a controller acts on four ops by default."""

    def make(chosen: Any = None, model: nn.Module | None = None, **settings: Any) -> Augmenter:
        budget: dict[str, Any] = {
            "total_steps": 12, "n_train": 100, "batch_size": 16, "seed": 0,
        }  # fmt: skip
        if isinstance(chosen, Controller):
            budget["ops"] = OPS
        settings = budget | settings
        held_out = settings.pop("held_out", digits.validation)
        return Augmenter(
            chosen or policy(), child() if model is None else model, held_out, **settings
        )

    return make


@pytest.fixture
def episode_of() -> Callable[..., Episode]:
    """Makes the search's episode on sentences of a modality: 12 batches, three decisions."""

    def make(modality: str, metric: str = "accuracy") -> Episode:
        dataset, name, ops = SENTENCES[modality]
        task = Task(
            dataset=dataset, child=name, lexicon="opinions" if modality == "text" else None,
            metric=metric, steps=12, n_train=40, n_validation=50, batch_size=40, width=4,
            decisions=3,
        )  # fmt: skip
        return Episode(task, 5, OpSpace(ops), CostTable())

    return make


@pytest.fixture
def beside() -> Callable[..., Augmenter]:
    """Makes an Augmenter as a user would for an episode's sentences and child."""

    def make(modality: str, episode: Episode, chosen: Any, **changes: Any) -> Augmenter:
        dataset, _, ops = SENTENCES[modality]
        source, run = load(dataset), episode.run
        settings: dict[str, Any] = {
            "ops": ops, "total_steps": 12, "n_train": 40, "decisions": 3, "seed": 5,
            "vocabulary": source.vocabulary, "metric": episode.task.metric,
        }  # fmt: skip
        if modality == "text":
            settings |= {"lexicon": "opinions"}
        else:
            settings |= {"train": (run.train.inputs, run.train.targets), "classes": source.classes}
        held_out = run.validation.inputs, run.validation.targets
        settings = {"held_out": held_out} | settings | changes
        return Augmenter(chosen, run.model, **settings)

    return make
