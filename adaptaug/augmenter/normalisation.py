"""Normalised images of a user's pipeline: undone before the ops, which need pixels, and redone."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

import torch
from torch import Tensor

from adaptaug.errors import AdaptAugError

PerChannel = float | Sequence[float] | Tensor
"""One number for all channels, or one for each."""

_TOLERANCE = 0.02
"""How far pixels may lie outside [0, 1] after undoing: half precision rounds by 0.005."""


@dataclass(frozen=True)
class Normalisation:
    """What a pipeline does to pixels in [0, 1]: (pixels - mean) / std for each channel."""

    mean: Tensor
    """float32 (C, 1, 1) or (1, 1, 1), on the model's device."""
    std: Tensor
    """The same shape, above 0."""

    def redone(self, pixels: Tensor) -> Tensor:
        """Normalised images of pixels (B, C, H, W) in [0, 1]."""
        return (pixels - self.mean) / self.std

    def undone(self, images: Tensor, place: str, *, read: bool = True) -> Tensor:
        """The pixels of normalised images.

        Args:
            images: (B, C, H, W); integers are pixels already, and are returned as they are.
            place: where they are, for error messages.
            read: whether values are checked, for which a GPU is synchronised.

        Returns:
            float32 (B, C, H, W), clamped to [0, 1].

        Raises:
            AdaptAugError: the number of channels differs, or a pixel lies outside [0, 1].
        """
        if images.ndim != 4 or not images.is_floating_point():
            return images
        if len(self.mean) not in (1, images.shape[1]):
            raise AdaptAugError(
                f"mean and std must have one number or one for each of {images.shape[1]} channels, "
                f"got {len(self.mean)} for {place}"
            )
        mean, std = self.mean.to(images.device), self.std.to(images.device)
        pixels = images.float() * std + mean
        if read:
            wrong = ~((pixels >= -_TOLERANCE) & (pixels <= 1 + _TOLERANCE))  # NaN is wrong, too
            if wrong.any():
                row = int(wrong.flatten(1).any(dim=1).nonzero()[0])
                value = float(pixels[row][wrong[row]][0])
                raise AdaptAugError(
                    "pixels must lie in [0, 1] when mean and std are undone, "
                    f"got {value:g} in row {row} of {place}"
                )
        return pixels.clamp_(0, 1)


def normalisation(
    mean: PerChannel | None, std: PerChannel | None, device: torch.device
) -> Normalisation | None:
    """What a user passes as `mean` and `std`, checked; None without both.

    Raises:
        AdaptAugError: one of them is missing, they have not the same number of finite numbers, or a
            standard deviation is not above 0.
    """
    if mean is None and std is None:
        return None
    if mean is None or std is None:
        given = "mean" if std is None else "std"
        raise AdaptAugError(f"mean and std go together, got {given} alone")
    parts = [_channels(part, name, device) for part, name in ((mean, "mean"), (std, "std"))]
    if len(parts[0]) != len(parts[1]):
        raise AdaptAugError(
            "mean and std must have the same number of channels, "
            f"got {len(parts[0])} and {len(parts[1])}"
        )
    if (parts[1] <= 0).any():
        raise AdaptAugError(f"std must be above 0, got {float(parts[1].min()):g}")
    return Normalisation(*parts)


def _channels(value: PerChannel, name: str, device: torch.device) -> Tensor:
    """float32 (C, 1, 1) of one number or a sequence of C numbers."""
    try:
        numbers = [value] if isinstance(value, Real) else value
        channels = torch.as_tensor(numbers, dtype=torch.float32, device=device).flatten()
    except (TypeError, ValueError, RuntimeError) as error:
        raise AdaptAugError(
            f"{name} must be a number or one number for each channel, got {value!r}"
        ) from error
    if len(channels) == 0 or not channels.isfinite().all():
        raise AdaptAugError(f"{name} must have finite numbers, got {value!r}")
    return channels[:, None, None]


def as_given(
    inputs: Tensor,
    pixels: Tensor,
    augmented: Tensor,
    norm: Normalisation | None,
    dtype: torch.dtype,
) -> Tensor:
    """Augmented pixels as a loop takes them.

    Args:
        inputs: the images (B, C, H, W) as they were given, whose memory layout is kept.
        pixels: the same in [0, 1]; if no op acted, they are the object `augmented`.
        augmented: float32 (B, C, H, W) in [0, 1].
        norm: what the model expects of images; None pixels in [0, 1].
        dtype: type of the result.
    """
    if augmented is pixels and inputs.is_floating_point():
        return inputs.to(dtype)
    images = augmented if norm is None else norm.redone(augmented)
    last = inputs.is_contiguous(memory_format=torch.channels_last) and not inputs.is_contiguous()
    layout = torch.channels_last if last else torch.contiguous_format
    return images.to(dtype).contiguous(memory_format=layout)
