"""A user's model as an `Augmenter` sees it: from pixels in [0, 1] or ids to float32 logits."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from adaptaug.augmenter.normalisation import Normalisation
from adaptaug.data.tokenizer import shifted
from adaptaug.errors import AdaptAugError

if TYPE_CHECKING:
    from adaptaug.augmenter.encodings import Encodings


class ModelView(nn.Module):
    """Calls the user's model as its training loop does, and finds the logits in what it returns.

    Images are normalised and cast to the type of the model's parameters. The parameters and modes
    are those of the user's model, which is not changed.
    """

    def __init__(
        self,
        model: nn.Module,
        norm: Normalisation | None,
        *,
        tagging: bool,
        encodings: "Encodings | None" = None,
    ) -> None:
        """Wraps a model.

        Args:
            model: the user's.
            norm: what it expects of images; None pixels in [0, 1].
            tagging: whether it returns logits for each token.
            encodings: how it is called with codes; None if sentences are ids.
        """
        super().__init__()
        self.model = model
        self.ignores_padding = getattr(model, "ignores_padding", False)
        self.probabilities = False
        """Whether the model returns probabilities, of which the logits are the logarithm."""
        self._norm, self._ndim, self._encodings = norm, 3 if tagging else 2, encodings

    def forward(self, inputs: Tensor) -> Tensor:
        """float32 logits (B, K), of a tagger (B, L, K), of images (B, C, H, W) or ids (B, L)."""
        if inputs.is_floating_point():
            inputs = inputs if self._norm is None else self._norm.redone(inputs)
            inputs = inputs.to(model_dtype(self.model))
        if self._encodings is not None:
            output, start = self._encodings.call(self.model, inputs)
            logits = self.logits(output)
            return shifted(logits, start, 0) if self._ndim == 3 else logits
        return self.logits(self.model(inputs))

    @property
    def aligned(self) -> bool:
        """Whether the logits of the user's own calls are those of the targets, one by one."""
        return self._encodings is None or self._ndim == 2

    def logits(self, output: object) -> Tensor:
        """float32 logits in what the model returned; see `find_logits`.

        Raises:
            AdaptAugError: there are none.
        """
        logits = find_logits(output, self._ndim).float()
        return logits.clamp_min(1e-9).log() if self.probabilities else logits


def model_dtype(model: nn.Module) -> torch.dtype:
    """Type of the model's first floating-point parameter; float32 if it has none."""
    floating = (each.dtype for each in model.parameters() if each.is_floating_point())
    return next(floating, torch.float32)


def find_logits(output: object, ndim: int) -> Tensor:
    """The logits among the outputs of a model.

    Args:
        output: a tensor; an object or a mapping with `logits`; or a sequence or mapping whose only
            tensors of `ndim` dimensions have one shape, of which the first is taken.
        ndim: 2 for (B, K), 3 for (B, L, K).

    Returns:
        A floating-point tensor of `ndim` dimensions; trailing dimensions of size 1 are dropped.

    Raises:
        AdaptAugError: there is no such tensor, or several of different shapes.
    """
    found = [_squeezed(part, ndim) for part in _candidates(output)]
    fitting = [part for part in found if part.ndim == ndim and part.is_floating_point()]
    if not fitting or any(part.shape != fitting[0].shape for part in fitting):
        form = "(B, K)" if ndim == 2 else "(B, L, K)"
        hint = ", or several outputs with the logits under the name 'logits'" if fitting else ""
        raise AdaptAugError(
            f"the model must return logits {form} for 2 classes or more{hint}, "
            f"got {_described(output)}"
        )
    return fitting[0]


def _candidates(output: object) -> list[Tensor]:
    """The tensors that may be the logits; only those named 'logits' if there are any."""
    named = output.get("logits") if isinstance(output, Mapping) else None
    named = getattr(output, "logits", None) if named is None else named
    parts: Iterable[object] = ()
    if isinstance(named, Tensor):
        parts = (named,)
    elif isinstance(output, Tensor):
        parts = (output,)
    elif isinstance(output, Mapping):
        parts = output.values()
    elif isinstance(output, tuple | list):
        parts = output
    return [part for part in parts if isinstance(part, Tensor)]


def _squeezed(part: Tensor, ndim: int) -> Tensor:
    """The tensor without trailing dimensions of size 1 beyond `ndim`, as (B, K, 1, 1) has."""
    while part.ndim > ndim and part.shape[-1] == 1:
        part = part.squeeze(-1)
    return part


def _described(output: object) -> str:
    """What a model returned, in words, for the error."""
    if isinstance(output, Tensor):
        kind = "" if output.is_floating_point() else f"{output.dtype} "
        return f"{kind}{tuple(output.shape)}"
    shapes = ", ".join(str(tuple(part.shape)) for part in _candidates(output))
    return type(output).__name__ + (f" of {shapes}" if shapes else "")
