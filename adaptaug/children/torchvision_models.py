"""Torchvision's networks as children, with random initial weights, adapted to small images.

Differences from torchvision:

- The first layer accepts as many channels as the images have.
- The first layers keep the resolution of images of up to `SMALL` pixels, as in He et al. (2016) on
  CIFAR-10: a ResNet's first convolution is 3x3 with stride 1, and no pooling follows; the first
  convolution of EfficientNet has stride 1. In all, ResNets divide the sides by 8 and EfficientNet
  by 16, instead of by 32.
- VGG-16 has batch normalisation (torchvision's `vgg16_bn`), without which it hardly trains from
  random weights: on 16 images, 20 steps of Adam at 1e-3, the AugNet study's learning rate, reached
  a loss of 0.01 with it, and of 2.1 without it (2.3 is chance).
- For small images, the head of VGG-16 is one hidden layer of 512 units on the mean of the last
  feature map, instead of two of 4,096 units on 7x7 positions of it.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from adaptaug.errors import AdaptAugError
from adaptaug.utils.optional import needs

SMALL = 64
"""Largest height and width, in pixels, of images that count as small."""


class VisionNet(nn.Module):
    """A network of torchvision for images in [0, 1]."""

    def __init__(self, name: str, channels: int, size: tuple[int, int], num_classes: int) -> None:
        """Builds the network; initial weights are drawn from torch's global generator.

        Args:
            name: a key of `NETWORKS`.
            channels: 1 or 3.
            size: height and width in pixels.
            num_classes: number of classes K.

        Raises:
            AdaptAugError: the images are smaller than the network accepts, or torchvision is not
                installed.
        """
        super().__init__()
        smallest, build = NETWORKS[name]
        if min(size) < smallest:
            raise AdaptAugError(
                f"child '{name}' needs images of at least {smallest}x{smallest} pixels, "
                f"got {size[0]}x{size[1]}"
            )
        with needs("search", f"child '{name}'"):
            self.network: nn.Module = build(name, channels, max(size) <= SMALL, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Maps images (B, C, H, W) in [0, 1], rescaled to about unit variance, to logits (B, K)."""
        logits: Tensor = self.network(4 * (images - 0.5))
        return logits


def _resnet(name: str, channels: int, small: bool, num_classes: int) -> Any:
    """He et al. (2016)."""
    network = _torchvision(name, num_classes)
    if small:
        network.conv1 = _first(network.conv1, channels, kernel_size=3, stride=1, padding=1)
        network.maxpool = nn.Identity()
    else:
        network.conv1 = _first(network.conv1, channels)
    return network


def _vgg(name: str, channels: int, small: bool, num_classes: int) -> Any:
    """Simonyan and Zisserman (2015), batch-normalised."""
    if not small:
        network = _torchvision(f"{name}_bn", num_classes)
        network.features[0] = _first(network.features[0], channels)
        return network
    from torchvision.models import vgg

    features = vgg.make_layers(vgg.cfgs["D"], batch_norm=True)
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            _draw(layer)
    features[0] = _first(features[0], channels)
    head = (nn.Linear(512, 512), nn.ReLU(inplace=True), nn.Dropout(0.5))
    return nn.Sequential(
        features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), *head, nn.Linear(512, num_classes)
    )


def _efficientnet(name: str, channels: int, small: bool, num_classes: int) -> Any:
    """Tan and Le (2019)."""
    network = _torchvision(name, num_classes)
    stem = network.features[0]
    stem[0] = _first(stem[0], channels, **({"stride": 1} if small else {}))
    return network


NETWORKS: dict[str, tuple[int, Callable[[str, int, bool, int], Any]]] = {
    "resnet18": (8, _resnet),
    "resnet50": (8, _resnet),
    "vgg16": (32, _vgg),
    "efficientnet_b0": (8, _efficientnet),
}
"""By name: smallest side in pixels, and the builder (name, channels, small images, classes)."""


def _torchvision(name: str, num_classes: int) -> Any:
    from torchvision import models  # imported late: takes two seconds

    return models.get_model(name, weights=None, num_classes=num_classes)


def _first(old: nn.Conv2d, channels: int, **changes: int) -> nn.Conv2d:
    """A new convolution like `old`, with other input channels and with the `changes`."""
    new = nn.Conv2d(
        channels,
        old.out_channels,
        **{name: getattr(old, name) for name in ("kernel_size", "stride", "padding")} | changes,
        bias=old.bias is not None,
    )
    _draw(new)
    return new


def _draw(layer: nn.Conv2d) -> None:
    """Draws initial weights (He et al. 2015) as torchvision does."""
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
