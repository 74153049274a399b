"""What holds for every child of the registry."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from adaptaug.children import CHILDREN, ChildShape, build_child
from adaptaug.errors import AdaptAugError
from adaptaug.metrics import predict
from adaptaug.ops import OpSpace
from adaptaug.training.setup import set_up
from adaptaug.training.task import Task
from adaptaug.utils.types import Modality

SHAPES: dict[Modality, ChildShape] = {
    "image": ChildShape("image", 3, 4, channels=1, size=(32, 32)),
    "text": ChildShape("text", 3, 4, vocabulary_size=50),
    "tagging": ChildShape("tagging", 3, 4, vocabulary_size=50),
}
DATA: dict[Modality, str] = {
    "image": "digits?size=32",
    "text": "opinions",
    "tagging": "mentions",
}
OPS = OpSpace(["noise", "masking"])


@pytest.mark.parametrize("name", CHILDREN)
def test_child_is_built_for_its_own_modality_alone(name: str) -> None:
    for modality, shape in SHAPES.items():
        if CHILDREN[name].modality == modality:
            with torch.random.fork_rng():
                assert isinstance(build_child(name, shape), nn.Module)
        else:
            with pytest.raises(AdaptAugError, match=f"a child for {modality} data .* got '{name}'"):
                build_child(name, shape)


SLOW = {"resnet50": pytest.mark.slow}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=SLOW.get(name, ())) for name in CHILDREN]
)
def test_training_repeats_bit_for_bit_and_keeps_the_global_random_state(name: str) -> None:
    modality = CHILDREN[name].modality
    task = Task(
        dataset=DATA[modality], child=name, width=4, steps=2, n_train=40, n_validation=10,
        batch_size=4, peak_learning_rate=1e-3, schedule="constant",
    )  # fmt: skip
    before = torch.get_rng_state()
    runs = [set_up(task, 0, OPS)[0] for _ in range(2)]
    torch.rand(7)  # the global generator does not matter
    torch.set_rng_state(before)
    results = [run.train_batches(2, [0.3, 0.3]) for run in runs]
    assert results[0] == results[1]
    states = [run.model.state_dict() for run in runs]
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())
    assert torch.equal(torch.get_rng_state(), before)
    logits = predict(runs[0].model, runs[0].validation.inputs)
    assert logits.shape == (*runs[0].validation.targets.shape, runs[0].num_classes)


FOREIGN = [
    (name, what)
    for name, child in CHILDREN.items()
    for what in ("vectors", "pretrained")
    if what not in child.takes
]


@pytest.mark.parametrize(("name", "what"), FOREIGN)
def test_vectors_or_pretrained_weights_that_a_child_cannot_take_are_refused(
    name: str, what: str
) -> None:
    given: dict[str, Any] = {"vectors": torch.ones(50, 8), "pretrained": "some/model"}
    shape = replace(SHAPES[CHILDREN[name].modality], **{what: given[what]})
    with pytest.raises(AdaptAugError, match=f"{what} must go with one of .*, got '{name}'"):
        build_child(name, shape)
