"""Any torchvision v2 transform as an op, applied to each sample with the magnitude's probability.

torchvision's transforms draw once for a whole batch (pytorch/vision#8484) and from the global
generator. So they are called sample by sample, in a loop that costs what torchvision costs, and
inside a fork of the global random state that is seeded from the op's own generator.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from adaptaug.errors import AdaptAugError
from adaptaug.ops.op import Op


@dataclass(frozen=True)
class Wrapped:
    """A pixel op's function around a transform of single images; pickles if the transform does."""

    transform: Callable[[Tensor], Tensor]
    """From an image (C, H, W) to one of the same shape."""
    name: str
    """The op's name, for errors."""
    dtype: torch.dtype
    """What the transform is given: uint8 in 0 to 255, or float32 in [0, 1]."""

    def __call__(self, images: Tensor, amount: Tensor, generator: Generator) -> Tensor:
        """Applies the transform to the samples whose amount is above 0.

        Args:
            images: float32 (B, C, H, W) in [0, 1]; not modified.
            amount: float32 (B,), 0 or 1.
            generator: seeds what the transform draws.

        Returns:
            New images (B, C, H, W) in [0, 1]; the samples at 0 are exact copies.

        Raises:
            AdaptAugError: the transform changed an image's shape, or made no tensor of it.
        """
        chosen = amount.nonzero()[:, 0]
        result = images.clone()
        if len(chosen) == 0:
            return result
        seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
        picked = images[chosen]
        if self.dtype == torch.uint8:
            picked = (picked * 255).round_().to(torch.uint8)
        with torch.random.fork_rng([images.device] if images.is_cuda else []):
            _seed(seed, images.device)
            outputs = [self._transformed(image) for image in picked]
        result[chosen] = torch.stack(outputs)
        return result

    def _transformed(self, image: Tensor) -> Tensor:
        """One image through the transform and back to float32 in [0, 1]."""
        output = self.transform(image)
        if not isinstance(output, Tensor) or output.shape != image.shape:
            got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise AdaptAugError(
                f"a wrapped transform must keep the shape {tuple(image.shape)}, "
                f"got {got} from op {self.name!r}"
            )
        return output.float().div_(255) if output.dtype == torch.uint8 else output.clamp(0, 1)


def _seed(seed: int, device: torch.device) -> None:
    """Seeds the generators that were forked; torch.manual_seed would seed every device's."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


def wrap(
    transform: Callable[[Tensor], Tensor],
    name: str | None = None,
    *,
    dtype: torch.dtype = torch.uint8,
    grayscale: bool = True,
) -> Op:
    """Makes an op of a `torchvision.transforms.v2` transform, or of any function of one image.

    Args:
        transform: from an image tensor (C, H, W) to one of the same shape, drawing from torch's
            global generator, if at all.
        name: the op's name; by default the transform's class or function name.
        dtype: what the transform takes. uint8, the default, suits nearly all of torchvision,
            RandAugment and TrivialAugmentWide among them; GaussianNoise needs float32.
        grayscale: whether it makes sense for images that are not RGB.

    Returns:
        A pixel op that applies the transform to each sample with probability magnitude.

    Raises:
        AdaptAugError: another dtype.
    """
    if dtype not in (torch.uint8, torch.float32):
        raise AdaptAugError(f"dtype must be torch.uint8 or torch.float32, got {dtype}")
    name = name or str(getattr(transform, "__name__", type(transform).__name__))
    function = Wrapped(transform, name, dtype)
    return Op(name, "pixel", 1, "probability", function, chance=True, grayscale=grayscale)
