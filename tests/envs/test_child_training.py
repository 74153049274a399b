"""The environment of one child: Gymnasium's contract, seeds, rewards, errors, splits."""

import json
import math
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env as check_for_gymnasium
from stable_baselines3.common.env_checker import check_env as check_for_sb3

from adaptaug.controllers import Constant
from adaptaug.data import Examples, load, preload
from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.train_child import Arm, train_child
from adaptaug.policy.cost import CostTable
from adaptaug.policy.observation import GLOBAL_FEATURES, LIMIT, OP_FEATURES
from adaptaug.training.task import TaskRange
from agents.objective import Objective
from envs import ENV_ID, ChildTrainingEnv
from envs.child_training import potential

TASK = {"steps": 12, "n_train": 40, "n_validation": 50, "batch_size": 8, "width": 2, "decisions": 3}
KWARGS: dict[str, Any] = {"tasks": [TASK], "ops": ["rotate", "hue", "noise"]}
WORDS = TASK | {"dataset": "opinions", "child": "bilstm", "lexicon": "opinions"}
TEXT: dict[str, Any] = {"tasks": [WORDS], "ops": ["synonym", "deletion", "masking"]}
TAGS = TASK | {"dataset": "mentions", "child": "tagger"}
TAGGING: dict[str, Any] = {"tasks": [TAGS], "ops": ["labelwise", "mention", "masking"]}
Step = tuple[list[float], float, bool, bool, dict[str, Any]]


def episode(
    kwargs: dict[str, Any], seed: int = 0, actions: Sequence[float] = (0.3, 0.5, -0.2)
) -> tuple[list[float], dict[str, Any], list[Step]]:
    """First observation, first info and all steps of an episode, as plain data."""
    env = ChildTrainingEnv(**kwargs)
    first, info = env.reset(seed=seed)
    steps: list[Step] = []
    while not (steps and (steps[-1][2] or steps[-1][3])):
        observation, *rest = env.step(np.array(actions, np.float32))
        steps.append((observation.tolist(), *rest))
    return first.tolist(), info, steps


@pytest.mark.parametrize(
    "kwargs",
    [
        KWARGS,
        {**KWARGS, "tasks": [TASK | {"steps": (5, 12), "n_train": (20, 60)}, TASK]},
        {**KWARGS, "tasks": [TASK | {"decision_interval": 1, "steps": 4, "patience": 1}]},
        TEXT,
        TAGGING,
    ],
    ids=["one task", "ranges", "a decision per batch", "text", "tagging"],
)
def test_checkers_of_gymnasium_and_sb3_pass_without_a_warning(kwargs: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_for_gymnasium(gymnasium.make(ENV_ID, **kwargs).unwrapped)
        check_for_sb3(ChildTrainingEnv(**kwargs))


def test_gymnasium_makes_the_environment_from_plain_data() -> None:
    kwargs = json.loads(json.dumps({**KWARGS, "costs": [{"stages": {}, "observe": 1.0}]}))
    env = gymnasium.make(ENV_ID, **kwargs)
    observation, _ = env.reset(seed=0)
    assert observation.shape == (16 + 6 * 3,)
    steps = 0
    terminated = truncated = False
    while not terminated:
        assert env.action_space.shape == (3,)
        *_, terminated, truncated, info = env.step(np.zeros(3, np.float32))
        assert not truncated
        steps += 1
    assert steps == 3
    assert info["steps"] == 12
    env.close()


RANGES = {"steps": (5, 40), "n_train": (20, 60)}


@pytest.mark.parametrize(
    "ranges",
    [
        {**KWARGS, "tasks": [TASK | RANGES, TASK]},
        {**TEXT, "tasks": [WORDS | RANGES, WORDS]},
        {**TAGGING, "tasks": [TAGS | RANGES, TAGS]},
    ],
    ids=["image", "text", "tagging"],
)
def test_seed_fixes_the_episode_in_this_process_and_in_a_worker(ranges: dict[str, Any]) -> None:
    here = [episode(ranges, seed) for seed in (0, 1)]
    random = torch.get_rng_state()
    assert [episode(ranges, seed) for seed in (0, 1)] == here
    assert torch.equal(torch.get_rng_state(), random)
    assert here[0] != here[1]
    context = torch.multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as worker:
        there = list(worker.map(episode, [ranges] * 2, [0, 1]))
    assert there == here


def test_seed_fixes_the_child_whatever_the_actions() -> None:
    first, second = episode(KWARGS, 5), episode(KWARGS, 5, actions=(1, 1, 1))
    assert first[:2] == second[:2]
    assert first[2] != second[2]


def test_reset_without_a_seed_draws_another_child() -> None:
    env = ChildTrainingEnv(**KWARGS)
    seeds = [env.reset(seed=0)[1]["child_seed"], *(env.reset()[1]["child_seed"] for _ in range(3))]
    assert len(set(seeds)) == 4


def test_rewards_sum_to_the_change_of_the_potential_less_the_cost_of_the_run() -> None:
    env = ChildTrainingEnv(**KWARGS, cost_weight=0.5)
    first, _ = env.reset(seed=0)
    total = gains = costs = 0.0
    terminated = False
    while not terminated:
        observation, reward, terminated, _, info = env.step(np.zeros(3, np.float32))
        total, gains, costs = total + reward, gains + info["gain"], costs + info["cost"]
        assert reward == pytest.approx(info["gain"] - 0.5 * info["cost"])

    def potential_of(features: np.ndarray) -> float:
        score = 0.1 + 0.9 * features[9]  # from the score above chance
        return potential(float(features[8]) * math.log(10), float(score), 10)

    assert gains == pytest.approx(potential_of(observation) - potential_of(first), abs=1e-4)
    assert costs == pytest.approx(observation[15] - first[15], abs=1e-6)
    assert total == pytest.approx(gains - 0.5 * costs)
    assert info["score"] == pytest.approx(0.1 + 0.9 * observation[9], abs=1e-6)


def test_potential_matches_hand_computation() -> None:
    assert potential(1.5, 0.5, 10) == pytest.approx(3.5)
    assert potential(1e9, 0.5, 10) == pytest.approx(5 - math.log(10))
    for loss in (math.inf, math.nan):  # diverged
        assert potential(loss, 0.5, 10) == pytest.approx(-math.log(10))


def test_actions_are_mapped_to_magnitudes() -> None:
    env = ChildTrainingEnv(**{**KWARGS, "ops": ["rotate", "noise", "zoom", "shear"]})
    env.reset(seed=0)
    *_, info = env.step(np.array([-1, -0.9, 0.05, 1], np.float32))
    assert info["magnitudes"] == pytest.approx([0, 0, 0.5, 1], abs=1e-6)


@pytest.mark.parametrize("decision_interval", [None, 1])
def test_divergence_ends_the_episode_with_the_lowest_potential(
    decision_interval: int | None,
) -> None:
    task = TASK | {"peak_learning_rate": 1e30, "decision_interval": decision_interval}
    _, _, steps = episode({**KWARGS, "tasks": [task]})
    observations = np.array([step[0] for step in steps])
    rewards = np.array([step[1] for step in steps])
    assert np.isfinite(rewards).all()
    assert np.isfinite(observations).all()
    assert np.abs(observations).max() <= LIMIT
    gains = sum(step[4]["gain"] for step in steps)
    first = episode({**KWARGS, "tasks": [task]})[0]  # loss and score of the untrained child
    before = potential(first[8] * math.log(10), 0.1 + 0.9 * first[9], 10)
    assert before + gains == pytest.approx(-math.log(10), abs=1e-4)
    assert steps[-1][2]
    assert not steps[-1][3]
    assert steps[-1][4]["steps"] < 12 or decision_interval is None


@pytest.mark.parametrize("rate", [1e30, 1e-2], ids=["diverged", "trained"])
@pytest.mark.parametrize("steps", [12, 1])
def test_child_scores_the_same_in_and_outside_of_the_environment(rate: float, steps: int) -> None:
    item = TaskRange.from_dict(TASK | {"peak_learning_rate": rate, "steps": steps})
    objective = Objective([item], [CostTable()], cost_weight=0.0, seed=0)
    env = ChildTrainingEnv([item.to_dict()], KWARGS["ops"], cost_weight=0.0)
    _, start = env.reset(seed=0)
    initial, total, terminated = env._potential, 0.0, False
    while not terminated:
        _, reward, terminated, _, _ = env.step(np.full(3, -1.0, np.float32))
        total += reward
    (job,) = objective.jobs(Arm("none", KWARGS["ops"], Constant([0.0] * 3)), [0])
    record = train_child(replace(job, seed=start["child_seed"]))
    assert record["diverged"] == (rate > 1)
    assert initial + total == pytest.approx(objective.score(record), abs=1e-5)


def test_step_before_reset_or_after_the_end_is_refused() -> None:
    env = ChildTrainingEnv(**KWARGS)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(np.zeros(3, np.float32))
    env.reset(seed=0)
    for _ in range(3):
        env.step(np.zeros(3, np.float32))
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(np.zeros(3, np.float32))


def test_test_split_does_not_affect_an_episode() -> None:
    source = load("digits")
    scrambled = Examples(source.test.inputs.flip(0), source.test.targets.roll(3))
    preload(replace(source, name="digits with a scrambled test split", test=scrambled))
    first, _, steps = episode({**KWARGS, "tasks": [TASK | {"dataset": source.name}]})
    other = TASK | {"dataset": "digits with a scrambled test split"}
    other_first, _, other_steps = episode({**KWARGS, "tasks": [other]})
    assert (other_first, other_steps) == (first, steps)


def test_decision_interval_of_1_decides_before_every_batch() -> None:
    env = ChildTrainingEnv(**{**KWARGS, "tasks": [TASK | {"decision_interval": 1}]})
    env.reset(seed=0)
    steps = []
    terminated = False
    while not terminated:
        *_, terminated, _, info = env.step(np.zeros(3, np.float32))
        steps.append(info["steps"])
    assert steps == list(range(1, 13))


def test_budgets_are_drawn_from_their_ranges_and_observed() -> None:
    ranges = TASK | {"steps": (5, 40), "n_train": (20, 60), "n_validation": 30}
    env = ChildTrainingEnv(**{**KWARGS, "tasks": [ranges]})
    drawn = []
    for seed in range(12):
        observation, info = env.reset(seed=seed)
        task = info["task"]
        assert 5 <= task["steps"] <= 40
        assert 20 <= task["n_train"] <= 60
        epochs = task["steps"] * 8 / task["n_train"]
        assert observation[1] == pytest.approx(math.log2(1 + epochs) / 4, rel=1e-5)
        drawn.append((task["steps"], task["n_train"]))
    assert len(set(drawn)) == 12


def test_cost_is_read_from_the_table_of_the_task_that_was_drawn() -> None:
    costs = [{"observe": 0.0, "default": 0.0}, {"observe": 6.0, "default": 0.0}]
    env = ChildTrainingEnv(**{**KWARGS, "tasks": [TASK, TASK | {"n_train": 41}], "costs": costs})
    observed = {}
    for seed in range(8):
        observation, info = env.reset(seed=seed)
        observed[info["task"]["n_train"]] = float(observation[15])
    assert observed == {40: 0.0, 41: 0.5}


def test_features_that_are_not_observed_are_0_cost_nothing_and_change_no_gain() -> None:
    features = ["progress", "train_loss", "magnitude"]
    first, _, steps = episode(KWARGS)
    few_first, _, few_steps = episode(KWARGS | {"features": features})
    names = [*GLOBAL_FEATURES, *OP_FEATURES * 3]
    for all_of_them, few in zip([first, *(s[0] for s in steps)],
                                [few_first, *(s[0] for s in few_steps)], strict=True):  # fmt: skip
        assert few == [
            v if name in features else 0 for name, v in zip(names, all_of_them, strict=True)
        ]
    gains, few_gains = ([step[4]["gain"] for step in each] for each in (steps, few_steps))
    assert gains == few_gains
    free = KWARGS | {"features": ["progress", "magnitude"], "costs": [{"default": 0.0}]}
    assert [step[4]["cost"] for step in episode(free)[2]] == [0, 0, 0]
    assert steps[-1][0][names.index("validation_loss")] != 0


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"ops": ["rotate", "melt"]}, "unknown op 'melt'"),
        ({"ops": []}, "at least one op"),
        ({"tasks": [{"budget": 3}]}, r"got \['budget'\]"),
        ({"tasks": [{"steps": 0}]}, "steps must be at least 1, got 0"),
        ({"tasks": [{"steps": (9, 3)}]}, "ascending positive numbers"),
        ({"tasks": []}, "got 0 tasks"),
        ({"costs": [{}, {}]}, "got 1 tasks and 2 tables"),
        ({"costs": [{"foo": 1}]}, "a cost table must be as to_dict returns it: .*'foo'"),
        ({"costs": [{"observe": "dear"}]}, "a cost table must be as to_dict returns it: .*'dear'"),
        ({"tasks": [7]}, "a task must be a mapping of its fields, got 7"),
        ({"tasks": [{"batch_size": 8.0}]}, r"batch_size must be a whole number, got 8\.0"),
        ({"cost_weight": float("nan")}, "cost_weight must be a number of at least 0, got nan"),
        ({"features": ["progress", "mood"]}, "a feature must be one of .*, got 'mood'"),
        ({"features": ["cost"]}, r"features must include 'progress', got \('cost',\)"),
    ],
)
def test_invalid_argument_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(AdaptAugError, match=sentence):
        gymnasium.make(ENV_ID, **(KWARGS | changes))


def test_action_of_nan_is_refused() -> None:
    env = ChildTrainingEnv(**KWARGS)
    env.reset(seed=0)
    with pytest.raises(AdaptAugError, match="magnitude must lie in"):
        env.step(np.full(3, np.nan, np.float32))


@pytest.mark.parametrize("metric", ["accuracy", "f1"])
def test_score_is_the_metric_of_the_task(metric: str) -> None:
    """A tagger that finds no entity has a high accuracy and an F1 of 0."""
    env = ChildTrainingEnv(**{**TAGGING, "tasks": [TAGS | {"metric": metric}]})
    env.reset(seed=0)
    assert env._episode is not None
    layer = env._episode.run.model.layers[1]
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.copy_(torch.tensor([100.0, *[0.0] * (len(layer.bias) - 1)]))
    env._episode.run.task = env._episode.run.task.but(peak_learning_rate=1e-9)
    *_, info = env.step(-np.ones(3, np.float32))
    assert info["score"] > 0.5 if metric == "accuracy" else info["score"] == 0
