"""Networks of torchvision: adapted to small images, unchanged by observations, and learning."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from adaptaug.children.torchvision_models import NETWORKS, VisionNet
from adaptaug.errors import AdaptAugError
from adaptaug.ops import OpSpace
from adaptaug.policy.observation import Situation
from adaptaug.training.setup import set_up
from adaptaug.training.task import Task


def network(name: str, channels: int = 1, side: int = 32, classes: int = 3) -> VisionNet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return VisionNet(name, channels, (side, side), classes)


def random_images(count: int, channels: int, side: int) -> Tensor:
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(0))


def last_map(model: VisionNet, side: int, channels: int = 1) -> int:
    """The side of the feature map that the network averages over."""
    seen: list[Tensor] = []
    pools = [part for part in model.network.children() if isinstance(part, nn.AdaptiveAvgPool2d)]
    pools[0].register_forward_hook(lambda module, given, result: seen.append(given[0]))
    model.eval()(random_images(1, channels, side))
    return seen[0].shape[-1]


@pytest.mark.parametrize(
    ("name", "side", "expected"),
    [
        ("resnet18", 32, 4),  # divided by 8
        ("resnet18", 64, 8),
        ("resnet18", 96, 3),  # by 32
        ("resnet50", 28, 4),
        ("vgg16", 64, 2),
        ("efficientnet_b0", 32, 2),  # by 16
        ("efficientnet_b0", 96, 3),
    ],
)
def test_feature_map_of_small_images_is_not_reduced_at_the_first_layers(
    name: str, side: int, expected: int
) -> None:
    assert last_map(network(name, side=side), side) == expected


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_logits_have_one_column_per_class(name: str, channels: int) -> None:
    model = network(name, channels, classes=7)
    logits = model(random_images(2, channels, 32))
    assert logits.shape == (2, 7)
    logits.sum().backward()
    assert all(weight.grad is not None for weight in model.parameters())


def test_large_images_get_torchvisions_own_network() -> None:
    from torchvision.models import resnet18

    ours, theirs = network("resnet18", 3, 96), resnet18(num_classes=3)
    theirs.load_state_dict(ours.network.state_dict())
    images = random_images(2, 3, 96)
    given = theirs.eval()(4 * (images - 0.5))
    assert torch.equal(ours.eval()(images), given)


@pytest.mark.parametrize(("name", "smallest"), [("resnet18", 8), ("vgg16", 32)])
def test_images_that_are_too_small_are_refused(name: str, smallest: int) -> None:
    sentence = f"child '{name}' needs images of at least {smallest}x{smallest} pixels, got 40x7"
    with pytest.raises(AdaptAugError, match=f"^{sentence}$"):
        VisionNet(name, 1, (40, 7), 3)
    assert network(name, side=smallest)(random_images(2, 1, smallest)).shape == (2, 3)


def test_observing_does_not_change_running_statistics() -> None:
    task = Task(child="resnet18", steps=4, n_train=40, n_validation=40, batch_size=4)
    run, observer = set_up(task, 0, OpSpace(["rotate", "noise"]))
    run.train_batches(1, [0.0, 0.0])
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    assert any("running_mean" in name and value.any() for name, value in before.items())
    observer.observe(run.model, Situation(0.5, task.epochs, 1.0, None, 0.0))
    after = run.model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_resnet_overfits_four_images() -> None:
    model, images = network("resnet18", side=16), random_images(4, 1, 16)
    labels = torch.tensor([0, 1, 2, 0])
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    losses = []
    for _ in range(8):
        loss = cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]
