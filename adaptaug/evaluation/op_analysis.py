"""Analysis of ops: how diverse are an op's views, does it preserve labels, and what does it cost?

A child is trained on the task without augmentation. It then classifies validation examples that
were augmented by one op alone.

Label preservation is the affinity of Gontijo-Lopes et al. (2021), as an accuracy instead of a
ratio. Their diversity, the final training loss under an op, needs one training per op; here it is
the distance between two views in the features of the one child. The test split is not read, so that
ops can be chosen by the analysis.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from adaptaug.controllers import Constant
from adaptaug.data.batches import hard, to_float
from adaptaug.errors import AdaptAugError
from adaptaug.metrics import accuracy, predict
from adaptaug.ops import Op, OpSpace
from adaptaug.ops.tokens import present
from adaptaug.policy.cost import CostTable
from adaptaug.training.calibration import calibrate
from adaptaug.training.episode import Episode
from adaptaug.training.task import Task
from adaptaug.utils.seeding import one_thread

Row = dict[str, Any]
"""One op at one magnitude, as plain data."""
MAGNITUDES = (0.25, 0.5, 1.0)
"""Default magnitudes at which ops are analysed."""


class Features(nn.Module):
    """Maps inputs to the features before a child's last linear layer, averaged over tokens."""

    def __init__(self, model: nn.Module) -> None:
        """Wraps a child; `predict` sets its mode.

        Raises:
            AdaptAugError: the child has no linear layer.
        """
        super().__init__()
        self.model = model
        self.ignores_padding = getattr(model, "ignores_padding", False)
        layers = [part for part in model.modules() if isinstance(part, nn.Linear)]
        if not layers:
            raise AdaptAugError(
                f"features are read before a linear layer, got none in {type(model).__name__}"
            )
        self._last = layers[-1]

    def forward(self, inputs: Tensor) -> Tensor:
        """Maps images (B, C, H, W) or ids (B, L) to features (B, D)."""
        seen: list[tuple[Tensor, Tensor]] = []
        handle = self._last.register_forward_hook(
            lambda _layer, given, output: seen.append((given[0], output))
        )
        try:
            logits = self.model(inputs)
        finally:
            handle.remove()
        features, output = seen[-1]
        if features.ndim == 2:
            return features
        if output.shape != logits.shape or not torch.equal(output, logits):
            features = features.transpose(0, 1)  # the layer's first dimension is the tokens
        weights = present(inputs)[..., None].to(features.dtype)
        return (features * weights).sum(1) / weights.sum(1)


def analyse(
    task: Task,
    ops: Sequence[str | Op],
    magnitudes: Sequence[float] = MAGNITUDES,
    seed: int = 0,
    *,
    costs: CostTable | None = None,
    device: str = "cpu",
) -> list[Row]:
    """Measures diversity, label preservation and cost of each op alone; trains one child for this.

    Args:
        task: the task of the child; its `n_validation` examples are augmented.
        ops: names or `Op` objects; ops that make no sense for the data are left out.
        magnitudes: magnitudes at which each op is analysed, in [0, 1].
        seed: fixes the child, the split and the draws, which start anew for every row.
        costs: costs of the ops' stages. None measures them here, which takes seconds; measured
            costs differ between calls.
        device: device of the child and the data.

    Returns:
        One row per op and magnitude, with these keys:

        - `op`, `magnitude`.
        - `diversity`: mean distance between the features of two views of an example / mean distance
          between those of two examples; 0 means no change, 1 as far apart as two examples.
        - `label_preservation`: share of the views that the child classifies as their label; in
          tagging, share of the tokens; for mixed labels, the class with the largest share counts.
        - `accuracy`: the same share for the examples without augmentation.
        - `cost`: cost of the op / cost of a plain training step; fused ops share the cost of their
          stage.

    Raises:
        AdaptAugError: the task cannot be trained, its child diverges, an op is unknown, or a
            magnitude lies outside [0, 1].
    """
    with one_thread():
        episode = _trained(task, OpSpace(ops), seed, device)
        run, space = episode.run, episode.run.op_space
        table = calibrate(task, OpSpace(ops), device) if costs is None else costs
        measure = _ViewMetrics(
            run.model, run.validation.inputs, run.validation.targets, run.num_classes
        )
        rows: list[Row] = []
        for index, name in enumerate(space.names):
            if not episode.observer.applies[index]:
                continue
            for magnitude in magnitudes:
                alone = [magnitude * (index == other) for other in range(len(space))]
                row: Row = {"op": name, "magnitude": magnitude}
                rows.append(
                    row | measure(space, alone, seed) | {"cost": table.interval(space, alone, 1)}
                )
    return rows


def _trained(task: Task, op_space: OpSpace, seed: int, device: str) -> Episode:
    """Trains a child to the end of its run, without augmentation."""
    episode = Episode(task, seed, op_space, CostTable(), device)
    for _ in episode.play(Constant([0.0] * len(op_space))):
        pass
    if episode.run.diverged:
        raise AdaptAugError(
            "an analysis needs a child that learns, got one that diverged at peak_learning_rate "
            f"{task.peak_learning_rate:g} on data set {task.dataset!r}"
        )
    return episode


class _ViewMetrics:
    """Measures views of some examples with a trained child."""

    def __init__(self, model: nn.Module, inputs: Tensor, targets: Tensor, num_classes: int) -> None:
        self._model = model
        self._features = Features(model)
        self._inputs = to_float(inputs)
        self._targets = targets
        self._num_classes = num_classes
        self._accuracy = self._classified(self._inputs, targets)
        clean = predict(self._features, self._inputs)
        self._between = float(torch.pdist(clean).mean().clamp_min(1e-12))

    def __call__(self, space: OpSpace, magnitudes: Sequence[float], seed: int) -> Row:
        """Diversity and label preservation at these magnitudes, and accuracy without ops."""
        generator = torch.Generator(self._inputs.device).manual_seed(seed)
        views = [
            space.apply(self._inputs, self._targets, magnitudes, generator, self._num_classes)
            for _ in range(2)
        ]
        first, second = (predict(self._features, inputs) for inputs, _ in views)
        preserved = [self._classified(inputs, hard(targets)) for inputs, targets in views]
        return {
            "diversity": float((first - second).norm(dim=1).mean()) / self._between,
            "label_preservation": sum(preserved) / 2,
            "accuracy": self._accuracy,
        }

    def _classified(self, inputs: Tensor, targets: Tensor) -> float:
        """Share of the inputs, or of their tokens, that the child classifies as their target."""
        return accuracy(predict(self._model, inputs).argmax(-1), targets)
