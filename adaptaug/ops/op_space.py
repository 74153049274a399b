"""A sequence of ops with one magnitude each: the action space of a controller."""

import logging
import math
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Self

import torch
from torch import Generator, Tensor
from torch.nn import functional

from adaptaug.data.examples import Examples
from adaptaug.data.vocabulary import IGNORED, Vocabulary
from adaptaug.errors import AdaptAugError
from adaptaug.ops.bank import Bank, FitData
from adaptaug.ops.colour import mean_colour, recolour
from adaptaug.ops.geometry import warp
from adaptaug.ops.lookup import TokenTables
from adaptaug.ops.op import Op, Stage, draw, find
from adaptaug.utils.types import Modality

logger = logging.getLogger(__name__)

_Active = Sequence[tuple[Op, float]]
"""The ops whose magnitude is above 0, with their magnitudes."""
_CHUNK_VALUES = 2**20
"""Values that a CPU augments at a time; larger chunks take 1.5 times as long (page faults)."""


class OpSpace:
    """The ops a policy may use, in order, and how they are applied to a batch.

    Ops on images are applied by stage: source, geometry, colour, pixel, mixing. Within a stage they
    keep the order of the space. All geometry ops are one warp, all colour ops one matrix product.
    Ops on sentences are applied in two stages: source, then token.

    Source ops replace some rows by generated samples, which then go through the other ops like any
    row. They need a space that is fitted to the training split (`fitted`). Sentences need a space
    that is bound to lookup tables (`on`).
    """

    def __init__(self, ops: Sequence[str | Op]) -> None:
        """Makes the space.

        Args:
            ops: names of registered ops, or `Op` objects (users' own, wrapped transforms); empty
                for runs without augmentation.

        Raises:
            AdaptAugError: an unknown name, or one that occurs twice.
        """
        self.ops: tuple[Op, ...] = tuple(find(op) if isinstance(op, str) else op for op in ops)
        self.names: tuple[str, ...] = tuple(op.name for op in self.ops)
        self.tables: TokenTables | None = None
        self.banks: Mapping[str, Bank] = {}
        for index, name in enumerate(self.names):
            if name in self.names[:index]:
                raise AdaptAugError(f"an op space must hold each op once, got {name!r} twice")

    def __len__(self) -> int:
        """Number of ops, and of magnitudes."""
        return len(self.ops)

    @property
    def stages(self) -> tuple[str, ...]:
        """Each op's cost group: its stage if that stage's ops are fused, else its own name."""
        fused = ("geometry", "colour")
        return tuple(op.stage if op.stage in fused else op.name for op in self.ops)

    def on(self, tables: TokenTables) -> Self:
        """The same space bound to the lookup tables of one training run on sentences."""
        bound = copy(self)
        bound.tables = tables
        return bound

    def fitted(
        self,
        train: Examples,
        num_classes: int,
        seed: int,
        classes: Sequence[str] = (),
        vocabulary: Vocabulary | None = None,
    ) -> Self:
        """The same space with a bank for each source op, made from the training split alone.

        Trains a generator for each source op, which takes minutes; a process does so only once for
        the same settings, data and seed. Does nothing if no source op is for such data. If a
        generator collapsed or diverged, a warning is logged and its op no longer applies.

        Args:
            train: the child's own training examples.
            num_classes: number of classes K.
            seed: seed of the run.
            classes: class names.
            vocabulary: the vocabulary of the ids; None for images.

        Raises:
            AdaptAugError: an op cannot be fitted to such data.
        """
        data = FitData(train, num_classes, seed, tuple(classes), vocabulary)
        bound = copy(self)
        bound.banks = {
            op.name: op.fit(data)
            for op in self.ops
            if op.fit is not None and train.modality in op.modalities
        }
        for note in bound.notes:
            logger.warning(note)
        return bound

    @property
    def fit_seconds(self) -> float:
        """Seconds of fitting; reused banks count what they took at first. See `Bank.seconds`."""
        return sum((bank.seconds for bank in self.banks.values()), 0.0)

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each source op that does not apply because its generator failed."""
        return tuple(
            f"{name}: the generator is not used and its share held at 0, since {bank.problem}"
            for name, bank in self.banks.items()
            if bank.problem
        )

    def applies(
        self, modality: Modality, channels: int = 3, *, lexicon: bool = True
    ) -> tuple[bool, ...]:
        """Whether each op applies to such data.

        Args:
            modality: "image", "text" or "tagging".
            channels: channels of the images; 3 means RGB.
            lexicon: whether a lexicon of synonyms is given.
        """
        return tuple(
            modality in op.modalities
            and (op.grayscale or channels == 3)
            and (lexicon or not op.needs_lexicon)
            and not (op.name in self.banks and self.banks[op.name].problem)
            for op in self.ops
        )

    def apply(
        self,
        inputs: Tensor,
        targets: Tensor,
        magnitudes: Sequence[float],
        generator: Generator,
        num_classes: int | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Augments a batch; ops at magnitude 0 cost nothing, and all at 0 return the batch itself.

        Args:
            inputs: images, float32 (B, C, H, W) in [0, 1], or sentences, int64 ids (B, L) padded
                on the right with `PAD`; on any device; not modified.
            targets: int64 (B,) classes, or for images float (B, K) label distributions, or for
                sentences int64 (B, L) tags.
            magnitudes: one number in [0, 1] for each op, on the host.
            generator: the only source of randomness, on the inputs' device.
            num_classes: number of classes K, needed if a mixing op is active and targets are
                classes.

        Returns:
            Inputs of the same shape, and targets: float32 (B, K) if a mixing op is active, the tags
            of the new tokens in tagging, else as given. Ops that do not apply to the inputs are
            left out; see `applies`.

        Raises:
            AdaptAugError: a wrong number of magnitudes, or one outside [0, 1] or not finite; inputs
                neither float32 (B, C, H, W) nor int64 (B, L); classes to be mixed without
                num_classes; sentences without tables; tags whose shape is not that of the ids; on a
                CPU, ids outside the vocabulary or tags outside the classes; a source op above 0 in
                a space that is not fitted.
        """
        if inputs.dtype == torch.int64:
            return self._on_sentences(inputs, targets, magnitudes, generator)
        return self._on_images(inputs, targets, magnitudes, generator, num_classes)

    def _on_sentences(
        self, ids: Tensor, targets: Tensor, magnitudes: Sequence[float], generator: Generator
    ) -> tuple[Tensor, Tensor]:
        """Applies source ops, then token ops, one after the other."""
        if self.tables is None:
            raise AdaptAugError(
                "ops on sentences need tables of the training examples (`OpSpace.on`), got none "
                f"for ops {', '.join(self.names)}"
            )
        tags = targets if targets.ndim == 2 and targets.dtype == torch.int64 else None
        _check_sentences(ids, tags, self.tables)
        lexicon = self.tables.synonyms is not None
        applies = self.applies("text" if tags is None else "tagging", lexicon=lexicon)
        active = self._active(magnitudes, applies)
        if not active or ids.numel() == 0:
            return ids, targets
        _check_range(ids, "ids", self.tables.vocabulary_size, "the vocabulary")
        if tags is not None and self.tables.tags is not None:
            known = tags.where(tags != IGNORED, 0)
            _check_range(known, "tags", len(self.tables.tags.begins), "the classes")
        ids, targets = self._sourced(ids, targets, _in_stages(active, "source"), generator)
        for op, magnitude in _in_stages(active, "token"):
            amount = draw(op, magnitude, len(ids), generator)
            ids, tags = op.function(ids, tags, amount, generator, self.tables)
        return ids, targets if tags is None else tags

    def _on_images(
        self,
        images: Tensor,
        targets: Tensor,
        magnitudes: Sequence[float],
        generator: Generator,
        num_classes: int | None,
    ) -> tuple[Tensor, Tensor]:
        """Applies source, geometry, colour, pixel and mixing ops."""
        _check_images(images)
        active = self._active(magnitudes, self.applies("image", images.shape[1]))
        mixing = _in_stages(active, "mixing")
        alone = _in_stages(active, "geometry", "colour", "pixel")
        if mixing:
            targets = _soften(targets, num_classes, mixing[0][0].name)
        if len(images) == 0:
            return images, targets
        images, targets = self._sourced(images, targets, _in_stages(active, "source"), generator)
        if alone:
            images = _in_chunks(images, alone, generator)
        for op, magnitude in mixing:
            amount = draw(op, magnitude, len(images), generator)
            images, targets = op.function(images, targets, amount, generator)
        return images, targets

    def _sourced(
        self, inputs: Tensor, targets: Tensor, active: _Active, generator: Generator
    ) -> tuple[Tensor, Tensor]:
        """Replaces some rows by samples from the banks of source ops."""
        for op, magnitude in active:
            if op.name not in self.banks:
                raise AdaptAugError(
                    f"op {op.name!r} must be fitted to the training split (`OpSpace.fitted`) "
                    f"before use, got magnitude {magnitude} in a space that is not fitted"
                )
            amount = draw(op, magnitude, len(inputs), generator)
            bank = self.banks[op.name]
            inputs, targets = op.function(inputs, targets, amount, generator, bank)
        return inputs, targets

    def _active(self, magnitudes: Sequence[float], applies: Sequence[bool]) -> _Active:
        """The ops that apply and whose magnitude is above 0; checks all magnitudes."""
        if len(magnitudes) != len(self.ops):
            raise AdaptAugError(
                f"magnitudes must be one for each of {len(self.ops)} ops, got {len(magnitudes)}"
            )
        for op, magnitude in zip(self.ops, magnitudes, strict=True):
            if not (math.isfinite(magnitude) and 0 <= magnitude <= 1):
                raise AdaptAugError(
                    f"magnitude must lie in [0, 1], got {magnitude} for op {op.name!r}"
                )
        rows = zip(self.ops, magnitudes, applies, strict=True)
        return [(op, magnitude) for op, magnitude, sensible in rows if sensible and magnitude > 0]


def _in_stages(active: _Active, *stages: Stage) -> _Active:
    """The active ops of these stages."""
    return [(op, magnitude) for op, magnitude in active if op.stage in stages]


def _in_chunks(images: Tensor, active: _Active, generator: Generator) -> Tensor:
    """Applies geometry, colour and pixel ops; on a CPU, chunk by chunk."""
    count = max(1, _CHUNK_VALUES // images[0].numel())
    if images.device.type != "cpu" or len(images) <= count:
        return _transformed(images, active, generator)
    result = torch.empty_like(images)
    for part, place in zip(images.split(count), result.split(count), strict=True):
        place.copy_(_transformed(part, active, generator))
    return result


def _transformed(images: Tensor, active: _Active, generator: Generator) -> Tensor:
    """Applies geometry, colour and pixel ops, in this order."""
    geometry, colour = _in_stages(active, "geometry"), _in_stages(active, "colour")
    if geometry:
        images = _warped(images, geometry, generator)
    if colour:
        images = _recoloured(images, colour, generator)
    for op, magnitude in _in_stages(active, "pixel"):
        images = op.function(images, draw(op, magnitude, len(images), generator), generator)
    return images


def _warped(images: Tensor, active: _Active, generator: Generator) -> Tensor:
    """Applies all geometric ops in one warp."""
    size = (images.shape[2], images.shape[3])
    first, *others = (
        op.function(draw(op, magnitude, len(images), generator), size) for op, magnitude in active
    )
    for matrix in others:
        first = first @ matrix
    return warp(images, first)


def _recoloured(images: Tensor, active: _Active, generator: Generator) -> Tensor:
    """Applies all colour ops as one matrix; each receives the mean colour after those before it."""
    mean = mean_colour(images)
    total: Tensor | None = None
    for op, magnitude in active:
        matrix: Tensor = op.function(draw(op, magnitude, len(images), generator), mean)
        mean = (matrix @ mean[..., None])[..., 0]
        total = matrix if total is None else matrix @ total
    assert total is not None
    return recolour(images, total)


def _soften(targets: Tensor, num_classes: int | None, name: str) -> Tensor:
    """Converts classes (B,) to label distributions (B, K); returns distributions unchanged."""
    if targets.is_floating_point():
        return targets
    if num_classes is None:
        raise AdaptAugError(f"num_classes must be given to mix classes, got none for op {name!r}")
    return functional.one_hot(targets, num_classes).float()


def _check_sentences(ids: Tensor, tags: Tensor | None, tables: TokenTables) -> None:
    """Checks that ids have shape (B, L) and that tags match ids and tables."""
    if ids.ndim != 2:
        raise AdaptAugError(f"ids must have shape (B, L), got {tuple(ids.shape)}")
    if tags is None:
        return
    if tags.shape != ids.shape:
        raise AdaptAugError(
            f"tags must have the shape of the ids, {tuple(ids.shape)}, got {tuple(tags.shape)}"
        )
    if tables.tags is None:
        raise AdaptAugError("ops on tagged sentences need tables of tags, got those of a text task")


def _check_range(values: Tensor, what: str, size: int, owner: str) -> None:
    """Checks that ids or tags (B, L) lie in 0..size-1, but not on a GPU: the host would wait."""
    if values.is_cuda:
        return
    lowest, highest = (int(end) for end in values.aminmax())
    if lowest < 0 or highest >= size:
        wrong = lowest if lowest < 0 else highest
        row = int((values == wrong).any(dim=1).nonzero()[0])
        raise AdaptAugError(
            f"{what} must lie in 0..{size - 1}, {owner}, got {wrong} in row {row} of a batch"
        )


def _check_images(images: Tensor) -> None:
    """Checks that images are float32 (B, C, H, W)."""
    if images.ndim != 4 or images.dtype != torch.float32:
        raise AdaptAugError(
            "images must be float32 of shape (B, C, H, W) in [0, 1], "
            f"got {images.dtype} of shape {tuple(images.shape)}"
        )
