"""Episodes: one child training, decision by decision, without the test split."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from adaptaug.data import Examples, load, preload
from adaptaug.errors import AdaptAugError
from adaptaug.ops import OpSpace
from adaptaug.policy.cost import CostTable
from adaptaug.policy.observation import GLOBAL_FEATURES
from adaptaug.training.episode import Episode
from adaptaug.training.task import Task

TASK = Task(steps=12, n_train=40, n_validation=50, batch_size=8, width=2, decisions=3)
SPACE = OpSpace(["rotate", "hue", "noise"])
COSTS = CostTable({"geometry": 0.5, "noise": 0.25}, observe=3.0, validate=0.5)


def walk(task: Task = TASK, magnitudes: Sequence[float] = (0.5, 0.0, 0.5)) -> list[np.ndarray]:
    """Every observation of an episode."""
    episode = Episode(task, 0, SPACE, COSTS)
    observations = [episode.observe().flat()]
    while not episode.finished:
        episode.advance(magnitudes)
        observations.append(episode.observe().flat())
    return observations


def test_episode_stops_at_every_decision_and_then_ends() -> None:
    episode = Episode(TASK.but(decision_interval=5), 0, SPACE, COSTS)
    steps = []
    while not episode.finished:
        episode.advance([0, 0, 0])
        steps.append(episode.run.step)
    assert steps == [5, 10, 12]


def test_cost_matches_hand_computation() -> None:
    episode = Episode(TASK, 0, SPACE, COSTS)
    assert episode.cost == 0
    episode.observe()
    assert episode.cost == pytest.approx(3 / 12)
    episode.advance([0.5, 0, 0])
    assert episode.cost == pytest.approx((3 + 4 * 0.5) / 12)
    episode.advance([0.5, 0, 0.1])
    assert episode.cost == pytest.approx((3 + 4 * 0.5 + 4 * 0.75) / 12)
    assert episode.observe().run[-1] == pytest.approx(11 / 12)


def test_observation_without_probes_costs_less() -> None:
    episode = Episode(TASK, 0, SPACE, COSTS)
    episode.advance([0, 0, 0])
    assert np.isnan(episode.observe(GLOBAL_FEATURES).ops).all()
    assert episode.cost == pytest.approx(0.5 / 12)
    assert np.any(episode.observe().ops[:, :3] != 0)
    assert episode.cost == pytest.approx(3.5 / 12)


def test_ops_that_do_not_apply_are_neither_used_nor_charged() -> None:
    episode = Episode(TASK, 0, SPACE, COSTS)
    assert episode.advance([0.0, 1.0, 0.0]) == [0, 0, 0]  # hue, on grayscale
    assert episode.cost == 0
    assert episode.advance([0.5, 1.0, 0.25]) == [0.5, 0, 0.25]
    assert episode.observe().ops[:, 3].tolist() == [0.5, 0, 0.25]


def test_observation_has_progress_and_learning_rate() -> None:
    seen = np.stack(walk())
    assert seen[:, 0].tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert seen[:, 3].tolist() == pytest.approx(
        [0.04, 0.5 * (1 + np.cos(np.pi / 21)), 0.5 * (1 + np.cos(np.pi * 11 / 21)), 0], abs=1e-6
    )


def test_one_seed_gives_one_episode() -> None:
    assert np.array_equal(walk(), walk())
    assert not np.array_equal(walk(), walk(magnitudes=(0.4, 0.0, 0.5)))


def test_episode_does_not_depend_on_the_test_split() -> None:
    source = load("digits")
    spoilt = Examples(source.test.inputs.flip(0), source.test.targets.roll(7))
    preload(replace(source, name="digits with a spoilt test split", test=spoilt))
    assert np.array_equal(walk(), walk(TASK.but(dataset="digits with a spoilt test split")))
    episode = Episode(TASK, 0, SPACE, COSTS)
    held = {len(vars(episode.run)[name]) for name in ("train", "validation")}
    assert held == {40, 50}


def test_patience_ends_the_episode_early() -> None:
    task = TASK.but(steps=400, decision_interval=1, patience=2, peak_learning_rate=0.3)
    episode = Episode(task, 0, SPACE, COSTS)
    while not episode.finished:
        episode.advance([0, 0, 0])
    assert episode.run.stopped
    assert episode.run.step < 400


def test_task_larger_than_the_pool_is_refused() -> None:
    with pytest.raises(AdaptAugError, match="fit in the pool of 1200 rows"):
        Episode(TASK.but(n_train=1200), 0, SPACE, COSTS)
