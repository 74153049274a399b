"""The Augmenter on sentences with one label, and on sentences with one tag per token."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from adaptaug import Augmenter, Constant, Policy
from adaptaug.policy.network import PolicyNetwork
from adaptaug.training.episode import Episode


@pytest.mark.parametrize(
    ("modality", "metric"), [("text", "accuracy"), ("tagging", "accuracy"), ("tagging", "f1")]
)
def test_observations_and_magnitudes_equal_an_episodes(
    episode_of: Callable[..., Episode],
    beside: Callable[..., Augmenter],
    watch: Any,
    modality: str,
    metric: str,
) -> None:
    watched, episode = watch(), episode_of(modality, metric)
    using = beside(modality, episode, watched)
    train = episode.run.train
    while not episode.finished:
        expected = episode.observe()
        for step in range(4):
            using(train.inputs, train.targets)
            if step == 0:
                assert np.array_equal(watched.seen[-1].flat(), expected.flat())
        used = episode.advance(watched.network.magnitudes(expected.flat()))
        assert list(using.magnitudes.values()) == used
        assert used[1] == 0  # rotate, on words
        assert used[0] > 0
        assert episode.batches is not None
        using.record(episode.batches.loss, episode.batches.score)


class Board:
    """Keeps the held-out scores that are written to it."""

    def __init__(self) -> None:
        self.scores: list[float] = []

    def magnitudes(self, names: Any, values: Any, step: int) -> None:
        pass

    def child_curves(self, history: Any, step: int) -> None:
        self.scores += history["held_out_score"]


@pytest.mark.parametrize("metric", ["accuracy", "f1"])
def test_score_is_the_metric_of_the_policys_search(
    episode_of: Callable[..., Episode], beside: Callable[..., Augmenter], metric: str
) -> None:
    episode, board = episode_of("tagging", metric), Board()
    ops = episode.run.op_space.names
    policy = Policy(PolicyNetwork(len(ops)), ops, 3, provenance={"tasks": [{"metric": metric}]})
    using = beside("tagging", episode, policy, ops=None, decisions=None, metric=None, board=board)
    using(episode.run.train.inputs, episode.run.train.targets)
    assert board.scores == [pytest.approx(episode.observe().validation.score)]


@pytest.mark.parametrize("modality", ["text", "tagging"])
def test_sentences_keep_their_length_and_tags_their_padding(
    episode_of: Callable[..., Episode], beside: Callable[..., Augmenter], modality: str
) -> None:
    episode = episode_of(modality)
    using = beside(modality, episode, Constant([0.8] * 4))
    train, changed = episode.run.train, False
    for step, length in enumerate((7, 12, 7, 30)):
        rows = torch.arange(8) + step
        ids = train.inputs[rows][:, :length]
        targets = train.targets[rows]
        targets = targets[:, :length] if modality == "tagging" else targets
        out, labels = using(ids.int(), targets.int())
        assert out.dtype == labels.dtype == torch.int64
        assert out.shape == ids.shape
        assert labels.shape == targets.shape
        assert torch.equal(labels == -100, out == 0) or modality == "text"
        changed |= not torch.equal(out, ids)
    assert changed
