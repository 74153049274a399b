"""What each op does to data: how diverse its views are, whether labels survive, what it costs.

A child is trained on the task without augmentation and then judges held-out examples that were
augmented by one op alone. Label preservation is the affinity of Gontijo-Lopes et al. (2021), as an
accuracy rather than a ratio; their diversity, the final training loss under an op, would take a
training per op, so here it is the distance between two views in that one child's features. The
test split stays out of reach: what is chosen by such an analysis is not chosen on it.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

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
"""Where ops are looked at."""


class Features(nn.Module):
    """A child that gives what goes into its last linear layer, of tokens their mean."""

    def __init__(self, model: nn.Module) -> None:
        """Wraps a child, whose mode is `predict`'s business.

        Raises:
            AdaptAugError: it has no linear layer.
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
            features = features.transpose(0, 1)  # the layer has the tokens first
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
    """Diversity, quality and cost of each op alone; trains one child and takes as long.

    Args:
        task: what the judging child is trained on; its `n_validation` examples are augmented.
        ops: the ops, by name or themselves; those that make no sense for the data are left out.
        magnitudes: where each is looked at, in [0, 1].
        seed: fixes the child, the split and the draws, which every row has to itself.
        costs: costs of the ops' stages; None measures them here, which takes seconds and, unlike
            the rest, gives other numbers every time.
        device: where the child and the data are.

    Returns:
        A row for each op and magnitude, with `op`, `magnitude` and
        `diversity`: mean distance between the features of two views of an example, over that
        between two examples as they are; 0 is no change, 1 as far apart as any two examples;
        `label_preservation`: share of the views that the child recognises as their label (of
        tokens, their tags; of mixed labels, the likeliest);
        `accuracy`: the same of the examples as they are;
        `cost`: of the op, over a plain training step; ops that are fused share the cost of their
        stage.

    Raises:
        AdaptAugError: the task cannot be trained, its child diverges, an op is unknown, or a
            magnitude lies outside [0, 1].
    """
    with one_thread():
        episode = _trained(task, OpSpace(ops), seed, device)
        run, space = episode.run, episode.run.op_space
        table = calibrate(task, OpSpace(ops), device) if costs is None else costs
        judge = _Judge(run.model, run.validation.inputs, run.validation.targets, run.num_classes)
        rows: list[Row] = []
        for index, name in enumerate(space.names):
            if not episode.observer.applies[index]:
                continue
            for magnitude in magnitudes:
                alone = [magnitude * (index == other) for other in range(len(space))]
                row: Row = {"op": name, "magnitude": magnitude}
                rows.append(
                    row | judge(space, alone, seed) | {"cost": table.interval(space, alone, 1)}
                )
    return rows


def _trained(task: Task, op_space: OpSpace, seed: int, device: str) -> Episode:
    """A child at the end of its run, without augmentation."""
    episode = Episode(task, seed, op_space, CostTable(), device)
    while not episode.finished:
        episode.advance([0.0] * len(op_space))
        episode.check_early_stopping()
    if episode.run.diverged:
        raise AdaptAugError(
            "an analysis needs a child that learns, got one that diverged at peak_learning_rate "
            f"{task.peak_learning_rate:g} on data set {task.dataset!r}"
        )
    return episode


class _Judge:
    """A trained child that looks at views of some examples."""

    def __init__(self, model: nn.Module, inputs: Tensor, targets: Tensor, num_classes: int) -> None:
        self._model = model
        self._features = Features(model)
        self._inputs = to_float(inputs)
        self._targets = targets
        self._num_classes = num_classes
        self._accuracy = self._recognised(self._inputs, targets)
        clean = predict(self._features, self._inputs)
        self._between = float(torch.pdist(clean).mean().clamp_min(1e-12))

    def __call__(self, space: OpSpace, magnitudes: Sequence[float], seed: int) -> Row:
        """What the ops at these magnitudes make of the examples."""
        generator = torch.Generator(self._inputs.device).manual_seed(seed)
        views = [
            space.apply(self._inputs, self._targets, magnitudes, generator, self._num_classes)
            for _ in range(2)
        ]
        first, second = (predict(self._features, inputs) for inputs, _ in views)
        preserved = [self._recognised(inputs, hard(targets)) for inputs, targets in views]
        return {
            "diversity": float((first - second).norm(dim=1).mean()) / self._between,
            "label_preservation": sum(preserved) / 2,
            "accuracy": self._accuracy,
        }

    def _recognised(self, inputs: Tensor, targets: Tensor) -> float:
        return accuracy(predict(self._model, inputs).argmax(-1), targets)
