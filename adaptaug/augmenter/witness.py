"""Compares what reaches the user's model, and the loss told, with what the `Augmenter` knows."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.hooks import RemovableHandle

from adaptaug.augmenter.model_view import ModelView
from adaptaug.augmenter.notices import Notices
from adaptaug.data.batches import flat
from adaptaug.errors import AdaptAugError
from adaptaug.utils.compiling import outside_graphs

_SHIFT = 0.15
"""Difference of a channel's mean or deviation at which images count as changed."""
_LOSS, _RELATIVE_LOSS = 0.3, 0.5
"""A loss may differ by 0.3 ln K, as with smoothed labels, or by half, whichever is more."""


@dataclass(frozen=True)
class _Pass:
    """One forward pass of the user's model on the images that it was handed."""

    moments: Tensor
    """float32 (2, 2, C): means and deviations of the channels, as returned and as received."""
    loss: Tensor | None
    """Mean cross-entropy of its logits and the targets returned; None without fitting logits."""


class Witness:
    """Watches the user's model on one batch after each decision, with a hook, and warns once.

    A policy evaluates the model by itself. If the loop changes the images on their way to the
    model, it evaluates another function than the one that is trained; and if the loss told is not
    the mean cross-entropy, it is steered by another scale. Nothing is read before `report`, so that
    a GPU is not synchronised.
    """

    def __init__(self, view: ModelView, num_classes: int, notices: Notices) -> None:
        """Watches the model beneath the view."""
        self._view, self._num_classes, self._notices = view, num_classes, notices
        self._inputs = self._targets = torch.empty(0)
        self._handle: RemovableHandle | None = None
        self._passes: list[_Pass] = []
        self._told: Tensor | float | None = None
        config = getattr(view.model, "config", None)
        self._own_loss = hasattr(config, "problem_type")  # a model of transformers
        self._soft_watched = False

    def due(self, targets: Tensor) -> bool:
        """Whether these are the first soft targets for a model that computes a loss itself."""
        return self._own_loss and targets.is_floating_point() and not self._soft_watched

    def watch(self, inputs: Tensor, targets: Tensor) -> None:
        """Watches the forward passes on an augmented batch until `hear` or `stop`."""
        if isinstance(self._view.model, torch.jit.ScriptModule):  # takes no hooks
            return
        self._passes, self._told = [], None
        self._soft_watched |= targets.is_floating_point()
        self._inputs, self._targets = inputs, targets
        self._handle = self._view.model.register_forward_hook(self._pass, with_kwargs=True)

    def hear(self, loss: Tensor | float) -> None:
        """Keeps the loss that the user records for the batch that is watched."""
        if self._handle is not None:
            self._told = loss.detach() if isinstance(loss, Tensor) else loss
            self.stop()

    def stop(self) -> None:
        """Watches no longer."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None
            self._inputs = self._targets = torch.empty(0)

    def report(self) -> bool:
        """Warns of what does not fit; reads from the device.

        Returns:
            Whether the loss told may be the mean cross-entropy.
        """
        self.stop()
        passes, told = self._passes, self._told
        self._passes, self._told = [], None
        if passes and passes[0].moments.numel():
            self._compare_images(torch.stack([each.moments for each in passes]))
        losses = [float(each.loss) for each in passes if each.loss is not None]
        return told is None or not losses or self._fits(losses, float(told))

    @outside_graphs  # a step that is compiled whole would trace it
    @torch.no_grad()
    def _pass(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        """The hook: keeps the moments of the images received, and the loss of the output."""
        values = [*args, *kwargs.values()]
        values += [v for each in values if isinstance(each, Mapping) for v in each.values()]
        labels = kwargs.get("labels")
        if self._own_loss and isinstance(labels, Tensor) and labels.is_floating_point():
            self._notices(
                "labels",
                "the model computes its loss of labels=, and takes label distributions for "
                "multi-label targets, with a binary cross-entropy; leave labels out, and compute "
                "cross_entropy(output.logits, targets)",
            )
        received = [
            value
            for value in values
            if isinstance(value, Tensor)
            and (value.shape, value.device) == (self._inputs.shape, self._inputs.device)
        ]
        if received:
            both = (self._inputs, received[0])
            moments = [_moments(each) for each in both] if self._inputs.ndim == 4 else []
            stacked = torch.stack(moments) if moments else torch.empty(0)
            self._passes.append(_Pass(stacked, self._loss(out)))

    def _loss(self, output: object) -> Tensor | None:
        try:
            logits = self._view.logits(output)
        except AdaptAugError:  # as of a model that returns its loss alone
            return None
        fits = logits.shape[:-1] == self._targets.shape[: logits.ndim - 1]
        if not fits or logits.shape[-1] != self._num_classes or not self._view.aligned:
            return None
        return cross_entropy(*flat(logits, self._targets))

    def _compare_images(self, moments: Tensor) -> None:
        """Warns if the images received in every pass, moments (P, 2, 2, C), differ."""
        returned, received = moments.unbind(1)
        if ((returned - received).abs().amax((1, 2)) > _SHIFT).all():
            (mean, deviation), (own_mean, own_deviation) = (
                each[0].mean(1).tolist() for each in (received, returned)
            )
            self._notices(
                "images",
                "the images that reach the model are not those that the Augmenter returned (mean "
                "%.2f and deviation %.2f, not %.2f and %.2f), so the policy evaluates another "
                "model than the loop trains; normalise before the Augmenter and pass it mean= and "
                "std=, or make what lies between a part of the model",
                mean, deviation, own_mean, own_deviation,
            )  # fmt: skip

    def _fits(self, losses: list[float], told: float) -> bool:
        """Whether the loss told is near that of a pass; warns if not."""
        scale = _LOSS * math.log(self._num_classes)
        if any(not abs(told - loss) > max(scale, _RELATIVE_LOSS * loss) for loss in losses):
            return True
        self._notices(
            "record",
            "record was told a loss of %.3g for a batch on which the model's mean cross-entropy is "
            "%.3g; it takes the mean over the batch, unweighted and not divided by accumulated "
            "batches; the policy takes loss and accuracy of the first training examples instead",
            told, losses[0],
        )  # fmt: skip
        return False


def _moments(images: Tensor) -> Tensor:
    """Means and deviations of the channels of images (B, C, H, W), float32 (2, C)."""
    deviation, mean = torch.std_mean(images.float(), dim=(0, 2, 3), correction=0)
    return torch.stack([mean, deviation])
