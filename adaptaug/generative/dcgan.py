"""A class-conditional DCGAN, which generates labelled images.

After Radford et al. (2016), "Unsupervised representation learning with deep convolutional
generative adversarial networks": strided convolutions with batch normalisation, ReLU in the
generator, leaky ReLU in the discriminator, Adam with beta1 0.5. It is conditional as in Mirza and
Osindero (2014): both networks receive the class. The differences below let a small network learn
distinct digits of the right class in a thousand steps on a CPU. Without the first, all samples of a
class were the same image; without the second, half of them showed another class.

- The generator receives the class through the scales and shifts of its batch normalisation
  (Dumoulin et al., 2017). With the class beside the noise, it ignored the noise.
- The discriminator holds one vector per class. Its product with the image's features is added to
  the logit of being real (Miyato and Koyama, 2018). It is also the logit of that class in an
  auxiliary classifier (Odena et al., 2017), whose loss trains the generator too.
- The target for real images is `smoothing` (one-sided label smoothing, Salimans et al., 2016).
- Samples come from a running average of the generator's weights (Yazici et al., 2019).
- Height and width are any of 8 to 64 pixels: images are cut from the size that doubling gives.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from adaptaug.data.batches import to_float
from adaptaug.data.examples import Examples
from adaptaug.errors import AdaptAugError
from adaptaug.generative.bank import DivergedError, banked, labels_like
from adaptaug.ops.bank import Bank, FitData
from adaptaug.utils.seeding import RandomStream

SMALLEST, LARGEST = 8, 64
"""Smallest and largest side of an image, in pixels."""
_CHECKED = 50
"""Steps between checks that the loss is finite; each check makes the host wait for a GPU."""


@dataclass(frozen=True)
class DCGAN:
    """The settings of a DCGAN; calling them on training data trains one and returns its bank.

    The defaults are for a CPU; `DCGAN.full()` has the settings of the AugNet study.
    """

    width: int = 16
    """Channels of both networks next to the image; each halving of the sides doubles them."""
    noise: int = 64
    """Dimensions of the noise vector."""
    steps: int = 1000
    """Updates of both networks, if `epochs` is None."""
    epochs: int | None = None
    """Epochs over the training images, instead of `steps`."""
    batch_size: int = 64
    """Real images per update; as many are generated."""
    learning_rate: float = 1e-3
    """Learning rate of Adam, for both networks."""
    decay: bool = True
    """Whether the learning rate falls linearly to 0 over the second half."""
    smoothing: float = 0.9
    """The discriminator's target for real images; 1 in the paper."""
    samples: int = 4096
    """Images kept in the bank."""

    @classmethod
    def full(cls) -> "DCGAN":
        """The study's settings, for a GPU: Adam 2e-4, batch 128, 100 epochs, 100 noise numbers."""
        return cls(
            width=64, noise=100, epochs=100, batch_size=128, learning_rate=2e-4, decay=False,
            smoothing=1.0, samples=16384,
        )  # fmt: skip

    def __call__(self, data: FitData) -> Bank:
        """Trains a DCGAN on these examples alone and returns a bank of its samples; see `banked`.

        Raises:
            AdaptAugError: images with sides outside 8 to 64 pixels, or a setting below 1.
        """
        height, width = data.train.inputs.shape[2:]
        if not SMALLEST <= min(height, width) <= max(height, width) <= LARGEST:
            raise AdaptAugError(
                f"a DCGAN makes images of {SMALLEST} to {LARGEST} pixels a side, "
                f"got {height}x{width}"
            )
        for name in ("width", "noise", "batch_size", "samples"):
            if getattr(self, name) < 1:
                raise AdaptAugError(f"{name} must be at least 1, got {getattr(self, name)}")
        return banked(self, data)

    def make(self, data: FitData) -> Examples:
        """Trains a DCGAN and draws samples from it, as uint8.

        Raises:
            DivergedError: a loss is not finite.
        """
        generator = self._trained(data)
        draws = torch.Generator(data.train.inputs.device).manual_seed(data.seed + 1)
        labels = labels_like(data.train.targets, self.samples)
        with torch.no_grad():
            parts = [
                (generator(self._noise(part, draws), part) * 255).round().to(torch.uint8)
                for part in labels.split(256)
            ]
        return Examples(torch.cat(parts), labels)

    def _trained(self, data: FitData) -> nn.Module:
        """Trains a DCGAN; returns the averaged `ImageGenerator`, in evaluation mode."""
        device, size = data.train.inputs.device, len(data.train)
        channels, height, width = data.train.inputs.shape[1:]
        shape = (channels, height, width)
        with RandomStream(data.seed, device).active():
            generator = ImageGenerator(shape, data.num_classes, self.width, self.noise).to(device)
            discriminator = Discriminator(shape, data.num_classes, self.width).to(device)
        average = AveragedModel(
            generator, multi_avg_fn=get_ema_multi_avg_fn(0.99), use_buffers=True
        )
        optimizers = [
            torch.optim.Adam(part.parameters(), betas=(0.5, 0.999), fused=True)
            for part in (generator, discriminator)
        ]
        draws = torch.Generator(device).manual_seed(data.seed)
        batch = min(self.batch_size, size)
        per_epoch = size // batch  # images that do not fill a batch are left out
        steps = self.steps if self.epochs is None else self.epochs * per_epoch
        order = torch.empty(0, dtype=torch.int64, device=device)
        for step in range(steps):
            if step % per_epoch == 0:
                order = torch.randperm(size, generator=draws, device=device)
            for optimizer in optimizers:
                falling = min(1.0, 2 * (1 - step / steps)) if self.decay else 1.0
                optimizer.param_groups[0]["lr"] = self.learning_rate * falling
            rows = order[step % per_epoch * batch :][:batch]
            images, labels = to_float(data.train.inputs[rows]), data.train.targets[rows]
            fake = generator(self._noise(labels, draws), labels)
            loss = self._discriminator_step(
                discriminator, optimizers[1], (images, fake.detach()), labels
            )
            loss = loss + _generator_step(discriminator, optimizers[0], fake, labels)
            average.update_parameters(generator)
            last = step == steps - 1
            if (step % _CHECKED == _CHECKED - 1 or last) and not math.isfinite(float(loss)):
                raise DivergedError(f"diverged: its loss was not finite after {step + 1} steps")
        return average.module.eval()

    def _discriminator_step(
        self,
        discriminator: nn.Module,
        optimizer: torch.optim.Optimizer,
        images: tuple[Tensor, Tensor],
        labels: Tensor,
    ) -> Tensor:
        """One update: classify images as real or generated, and real ones by class."""
        # Separate forward passes, as joint batch statistics would tell real from generated images.
        (real, guessed), (fake, _) = (discriminator(part, labels) for part in images)
        loss = _verdict_loss(real, self.smoothing) + _verdict_loss(fake, 0.0)
        return _update(optimizer, loss + functional.cross_entropy(guessed, labels))

    def _noise(self, labels: Tensor, draws: Generator) -> Tensor:
        return torch.randn(len(labels), self.noise, generator=draws, device=labels.device)


def _generator_step(
    discriminator: nn.Module, optimizer: torch.optim.Optimizer, fake: Tensor, labels: Tensor
) -> Tensor:
    """One update: make images that are classified as real and as the right class."""
    verdict, guessed = discriminator(fake, labels)
    loss = _verdict_loss(verdict, 1.0) + functional.cross_entropy(guessed, labels)
    return _update(optimizer, loss)


def _verdict_loss(verdict: Tensor, wanted: float) -> Tensor:
    return functional.binary_cross_entropy_with_logits(verdict, torch.full_like(verdict, wanted))


def _update(optimizer: torch.optim.Optimizer, loss: Tensor) -> Tensor:
    """One step; gradients that it adds to the other network are cleared before that one's step."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


class _ClassNorm(nn.Module):
    """Batch normalisation with a scale and a shift for every class, then ReLU."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.scale = nn.Embedding(num_classes, channels)
        self.shift = nn.Embedding(num_classes, channels)
        # Wide enough for classes to differ from the start, not so wide as to drown the noise.
        nn.init.normal_(self.scale.weight, 1, 0.5)
        nn.init.normal_(self.shift.weight, 0, 0.5)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        scale, shift = self.scale(labels)[..., None, None], self.shift(labels)[..., None, None]
        return functional.relu(self.norm(images) * scale + shift)


class ImageGenerator(nn.Module):
    """Maps noise (B, noise) and classes (B,) to images (B, C, H, W) in [0, 1]."""

    def __init__(
        self, shape: tuple[int, int, int], num_classes: int, width: int, noise: int
    ) -> None:
        """Builds it for images of shape (C, H, W)."""
        super().__init__()
        channels, *self.size = shape
        count = _doublings(shape)
        self.start = [math.ceil(side / 2**count) for side in self.size]
        planes = [width * 2**level for level in range(count, 0, -1)]
        self.first = nn.Linear(noise, planes[0] * math.prod(self.start), bias=False)
        self.norms = nn.ModuleList(_ClassNorm(plane, num_classes) for plane in planes)
        self.layers = nn.ModuleList(
            nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)
            for before, after in zip(planes, [*planes[1:], channels], strict=True)
        )
        self.apply(_initialise)

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        """See the class."""
        images = self.first(noise).view(len(noise), -1, *self.start)
        for norm, layer in zip(self.norms, self.layers, strict=True):
            images = layer(norm(images, labels))
        return torch.sigmoid(images[..., : self.size[0], : self.size[1]])


class Discriminator(nn.Module):
    """Maps images (B, C, H, W) in [0, 1] and classes (B,) to verdicts (B,) and class logits (B, K).

    A verdict is the logit that the image is a real image of its class.
    """

    def __init__(self, shape: tuple[int, int, int], num_classes: int, width: int) -> None:
        """Builds it for images of shape (C, H, W)."""
        super().__init__()
        planes = [shape[0], *(width * 2**level for level in range(_doublings(shape)))]
        layers: list[nn.Module] = []
        for before, after in pairwise(planes):
            layers.append(nn.Conv2d(before, after, 4, stride=2, padding=1))
            if len(layers) > 1:  # no normalisation next to the image, as in the paper
                layers.append(nn.BatchNorm2d(after))
            layers.append(nn.LeakyReLU(0.2))
        self.layers = nn.Sequential(*layers, nn.Flatten())
        features = planes[-1] * math.prod(side // 2 ** _doublings(shape) for side in shape[1:])
        self.verdict = nn.Linear(features, 1)
        self.classes = nn.Linear(features, num_classes, bias=False)
        self.apply(_initialise)

    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        features = self.layers(images * 2 - 1)
        guessed = self.classes(features)
        verdict = self.verdict(features)[:, 0] + guessed.gather(1, labels[:, None])[:, 0]
        return verdict, guessed


def _doublings(shape: tuple[int, int, int]) -> int:
    """How often the smallest grid, with a shorter side of 4 to 8 pixels, is doubled."""
    return int(math.log2(min(shape[1:]) / 4))


def _initialise(part: nn.Module) -> None:
    """Draws weights as in the paper: normal, mean 0, standard deviation 0.02."""
    if isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(part.weight, 0, 0.02)
