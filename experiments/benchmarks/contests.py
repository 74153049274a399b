"""Contests on images: the environment, the ops, and what AdaptAug adds to a training step."""

from collections.abc import Callable, Sequence

import gymnasium
import numpy as np
import torch

from adaptaug.controllers import Learned
from adaptaug.data import Examples
from adaptaug.data.batches import to_float
from adaptaug.metrics import Metrics
from adaptaug.ops import IMAGE_OPS, OpSpace
from adaptaug.policy.network import PolicyNetwork, to_actions, to_magnitudes
from adaptaug.policy.observation import Observer, Situation
from adaptaug.training.child_run import ChildRun
from adaptaug.training.task import Task
from envs import ENV_ID
from experiments.benchmarks.bare_loop import train_bare
from experiments.benchmarks.libraries import LIBRARIES, NINE_OPS, Augment, randaugment
from experiments.benchmarks.timing import Race, Ratio, Work, race

GOALS = {"torchvision": 5.0, "kornia": 1.5, "albumentations": 4.0}
"""Goal for the nine ops: how many times as fast as each library they should be."""

BATCH = 64
"""Images of 3x32x32 in a batch, for the ops and for study 4's CNN."""

CHUNK = 10
"""Batches that one call trains that CNN on, or augments."""

INTERVAL = 50
"""Training steps that an observation is compared with: a decision interval."""


def environment(rounds: int, steps: int) -> tuple[Race, list[Ratio]]:
    """Whole episodes of `steps` batches on digits with the default child, against a bare loop."""
    episode, bare = episodes(steps)
    result = race({"environment": episode, "bare loop": bare}, rounds, "environment")
    values = result.ratio("environment", "bare loop")
    return result, [Ratio("env_step_over_bare_loop", values, at_most=1.05)]


def episodes(steps: int) -> tuple[Callable[[], np.ndarray], Callable[[], Metrics]]:
    """The same child training in the environment and in a bare loop.

    Returns:
        Two functions: one returns the last observation, one the last validation metrics.
    """
    action = to_actions(np.full(len(NINE_OPS), 0.25)).astype(np.float32)
    env = gymnasium.make(ENV_ID, tasks=[{"steps": steps}], ops=NINE_OPS)
    _, start = env.reset(seed=0)
    task, seed, op_space = Task(**start["task"]), start["child_seed"], OpSpace(NINE_OPS)
    magnitudes = to_magnitudes(action.astype(np.float64)).tolist()

    def episode() -> np.ndarray:
        observation: np.ndarray = env.reset(seed=0)[0]
        done = False
        while not done:
            observation, _, done, _, _ = env.step(action)
        return observation

    return episode, lambda: train_bare(task, seed, op_space, magnitudes)


@torch.no_grad()
def image_op_contest(rounds: int) -> tuple[Race, list[Ratio]]:
    """AdaptAug's nine ops against those of the other libraries that are installed."""
    images = random_examples(BATCH).inputs
    contestants: dict[str, Work] = dict(installed(images))
    contestants["randaugment"] = randaugment(images)
    result = race(contestants, rounds, "ops")
    ratios = [
        Ratio(f"image_ops_vs_{name}", result.ratio(name, "adaptaug"), at_least=GOALS.get(name))
        for name in contestants
        if name != "adaptaug"
    ]
    return result, ratios


def installed(images: torch.Tensor) -> dict[str, Augment]:
    """Each library's nine ops at magnitude 0.5; prints which libraries are missing."""
    half = dict.fromkeys(NINE_OPS, 0.5)
    works = {}
    for name, library in LIBRARIES.items():
        try:
            works[name] = library(images, half)
        except ImportError as error:
            print(
                f"image_ops_vs_{name} is left out, since {name} cannot be imported ({error}); "
                "pip install -e '.[bench]' installs it"
            )
    return works


def step_contest(rounds: int) -> tuple[Race, list[Ratio]]:
    """A decision, an observation and the ops of every stage against training steps of the CNN."""
    op_space = OpSpace(IMAGE_OPS)
    off = [0.0] * len(op_space)
    task = Task(n_train=1000, batch_size=BATCH, width=32, steps=10**9, decision_interval=1)
    train, held_out = random_examples(task.n_train), random_examples(task.n_validation)
    run = ChildRun(task, train, held_out, 10, op_space, seed=0)
    observer = Observer(OpSpace(NINE_OPS), train, held_out, 10, seed=0)
    situation = Situation(0.5, 30.0, 1.0, None, 0.0)
    observation = observer.observe(run.model, situation)
    policy = Learned(PolicyNetwork(len(NINE_OPS)))
    contestants: dict[str, Work] = {
        "training": lambda: run.train_batches(CHUNK, off),
        "decision": lambda: policy.decide(0.5, observation),
        "observation": lambda: observer.observe(run.model, situation),
    }
    stages = stage_works(op_space)
    result = race(contestants | stages, rounds, "steps")
    decision = result.ratio("decision", "training", CHUNK)
    observe = result.ratio("observation", "training", CHUNK / INTERVAL)
    return result, [
        Ratio("controller_share_of_step", decision, at_most=0.01),
        Ratio("observe_share_of_interval", observe),
        *(Ratio(f"cost_{stage}", result.ratio(stage, "training")) for stage in stages),
    ]


def stage_works(op_space: OpSpace) -> dict[str, Work]:
    """Augmenting `CHUNK` batches with all ops of one stage at magnitude 0.5, by stage."""
    examples = random_examples(BATCH * CHUNK)
    images, generator = to_float(examples.inputs), torch.Generator().manual_seed(0)

    def work(on: Sequence[float]) -> Work:
        return lambda: op_space.apply(images, examples.targets, on, generator, 10)

    stages = op_space.stages
    return {stage: work([0.5 * (s == stage) for s in stages]) for stage in dict.fromkeys(stages)}


def random_examples(count: int, shape: tuple[int, int, int] = (3, 32, 32)) -> Examples:
    """Random images (count, *shape) of ten classes; shape is (C, H, W)."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randint(256, (count, *shape), dtype=torch.uint8, generator=generator)
    return Examples(inputs, torch.arange(count) % 10)
