"""The bare loop does the same work as the environment, bit for bit."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from adaptaug.children import SmallCNN
from adaptaug.data import load, split
from adaptaug.metrics import predict
from adaptaug.ops import OpSpace
from adaptaug.policy.observation import GLOBAL_FEATURES, PROBE_SIZE, Observer, Situation
from adaptaug.utils.seeding import one_thread
from experiments.benchmarks.bare_loop import probe
from experiments.benchmarks.contests import episodes


def images_seen(work: Callable[[], object]) -> int:
    """Number of images that pass through children during the call."""
    seen = 0

    def count(module: nn.Module, inputs: tuple[torch.Tensor, ...], _output: object) -> None:
        nonlocal seen
        seen += len(inputs[0]) if isinstance(module, SmallCNN) else 0

    hook = register_module_forward_hook(count)
    work()
    hook.remove()
    return seen


@pytest.mark.parametrize("steps", [8, 50])
def test_bare_loop_and_environment_process_equally_many_images(steps: int) -> None:
    episode, bare = episodes(steps)
    # Batches of 32; nine evaluations of the first training images and all 500 validation images;
    # seven times the probes of nine ops.
    expected = 32 * steps + 9 * (PROBE_SIZE + 500) + 7 * 9 * PROBE_SIZE
    assert images_seen(episode) == images_seen(bare) == expected


def test_bare_loop_has_the_environments_final_metrics() -> None:
    episode, bare = episodes(50)
    with one_thread():
        last, observation = bare(), episode()
    seen = dict(zip(GLOBAL_FEATURES, observation, strict=False))
    assert seen["validation_loss"] == np.float32(last.loss / math.log(10))  # bit for bit
    assert seen["validation_score"] == np.float32((last.score - 0.1) / 0.9)


def test_bare_probes_equal_those_of_the_observer() -> None:
    op_space, parts = OpSpace(["rotate", "noise", "mixup"]), split(load("digits"), 100, 200, seed=0)
    observer = Observer(op_space, parts.train, parts.validation, 10, seed=3)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = SmallCNN(1, (8, 8), 10, width=4)
    observed = observer.observe(model, Situation(0.5, 10.0, 1.0, None, 0.0))
    losses = probe(model, parts.validation, op_space, 3, predict(model, parts.validation.inputs))
    change = (losses[1:] - losses[0]) / math.log(10)
    assert observed.ops[:, 0] == pytest.approx(change.numpy(), abs=1e-6)
