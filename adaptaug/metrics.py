"""Predictions of a model and their metrics: loss, accuracy, precision, recall and F1."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.functional import pad

from adaptaug.data.batches import channels_last, flat, longest_sentences, to_float
from adaptaug.data.examples import Examples
from adaptaug.data.vocabulary import IGNORED, PAD
from adaptaug.errors import AdaptAugError

LARGEST_BATCH = 2**22
"""Input values that a model predicts at a time: 27 RGB images of 224 pixels, 256 of 64 pixels."""


def accuracy(predicted: Tensor, targets: Tensor) -> float:
    """Share of correct predictions, in [0, 1]; padding does not count.

    Args:
        predicted: int64 classes or tags, of any shape.
        targets: the same shape; `IGNORED` at padding.
    """
    return float((predicted == targets)[targets != IGNORED].float().mean())


def precision_recall_f1(
    predicted: Tensor, targets: Tensor, classes: Sequence[str]
) -> tuple[float, float, float]:
    """Macro averages over classes, or for tags the micro averages over entities, as in `seqeval`.

    Args:
        predicted: int64 classes (N,) or tags (N, L).
        targets: the same shape; `IGNORED` at padding.
        classes: names of the tags, such as "B-PER"; not read for classes (N,).

    Returns:
        Precision, recall and F1 in [0, 1]; a ratio with denominator 0 counts as 0. The macro F1 is
        the mean of the classes' F1, not the harmonic mean of the other two.

    Raises:
        AdaptAugError: scikit-learn or seqeval is not installed.
    """
    from adaptaug.utils.optional import needs

    if targets.ndim == 1:
        predicted, targets = predicted[targets != IGNORED], targets[targets != IGNORED]
        with needs("search", "the F1 score"):  # imported here, as it takes a second
            from sklearn.metrics import precision_recall_fscore_support

        scores = precision_recall_fscore_support(
            targets.cpu(), predicted.cpu(), average="macro", zero_division=0
        )
    else:
        with needs("search", "the F1 score of tags"):  # imports scikit-learn, too
            from seqeval.metrics import sequence_labeling

        known = targets != IGNORED  # also between the tokens of a tokenizer
        true, guessed = (
            [
                [classes[tag] for tag in row[kept].tolist()]
                for row, kept in zip(tags.cpu(), known.cpu(), strict=True)
            ]
            for tags in (targets, predicted)
        )
        scores = sequence_labeling.precision_recall_fscore_support(
            true, guessed, average="micro", zero_division=0
        )
    precision, recall, f1_score, _ = scores
    return float(precision), float(recall), float(f1_score)


def f1(predicted: Tensor, targets: Tensor, classes: Sequence[str]) -> float:
    """F1 in [0, 1]; see `precision_recall_f1`."""
    return precision_recall_f1(predicted, targets, classes)[2]


SCORES: dict[str, Callable[[Tensor, Tensor, Sequence[str]], float]] = {
    "accuracy": lambda predicted, targets, classes: accuracy(predicted, targets),
    "f1": f1,
}
"""The metrics that can be the score of a task, by name: one line each."""


@dataclass(frozen=True)
class Scorer:
    """One of `SCORES`, for the classes of one data set."""

    metric: str = "accuracy"
    """'accuracy' or 'f1'."""
    classes: tuple[str, ...] = ()
    """Names of the classes or tags; the position is the label."""

    def __post_init__(self) -> None:
        """Checks the name of the metric.

        Raises:
            AdaptAugError: there is no metric of this name.
        """
        if self.metric not in SCORES:
            raise AdaptAugError(f"metric must be one of {sorted(SCORES)}, got {self.metric!r}")

    def __call__(self, predicted: Tensor, targets: Tensor) -> float:
        """Score in [0, 1] of int64 predictions (N,) or (N, L)."""
        return SCORES[self.metric](predicted, targets, self.classes)


@dataclass(frozen=True)
class Metrics:
    """Mean loss and score over some examples, or over their tokens in tagging."""

    loss: float
    """Cross-entropy in nats."""
    score: float
    """Accuracy or F1, in [0, 1]: the metric of the `Scorer` that measured it."""


def evaluate(model: nn.Module, examples: Examples, scorer: Scorer | None = None) -> Metrics:
    """Loss and score of a model on examples as they are: `predict`, then `measure`."""
    return measure(predict(model, examples.inputs), examples.targets, scorer)


@torch.no_grad()
def predict(model: nn.Module, inputs: Tensor | Iterable[Tensor], batch_size: int = 256) -> Tensor:
    """Logits (N, K), or (N, L, K) of a tagger, for images or sentences (N, ...).

    The model predicts in evaluation mode; afterwards each of its modules is in the mode that it was
    in before. A model whose attribute `ignores_padding` is true, as in AdaptAug's own children,
    gets the sentences sorted by length and cut to the longest of each batch. Any other model gets
    them as they are. Images are laid out channels-last only for models whose weights are.

    Args:
        model: maps images or ids to logits.
        inputs: one tensor, or the parts of one, which are predicted as if they were joined, but of
            which only as many are held at a time as make a batch.
        batch_size: rows at a time, at most; fewer if they have more than `LARGEST_BATCH` values.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    last = is_channels_last(model)
    try:
        if not isinstance(inputs, Tensor):
            batches: Iterable[Tensor] = _regrouped(inputs, batch_size)
        elif inputs.ndim == 2 and getattr(model, "ignores_padding", False):
            return _predict_by_length(model, inputs, batch_size)
        else:
            batches = inputs.split(_rows(inputs, batch_size))
        floats = (to_float(batch) for batch in batches)
        return torch.cat([model(channels_last(part) if last else part) for part in floats])
    finally:
        for module, mode in modes:
            module.training = mode


def is_channels_last(model: nn.Module) -> bool:
    """Whether a model's convolutions are laid out channels-last, and so want such images."""
    return any(
        weight.ndim == 4
        and weight.is_contiguous(memory_format=torch.channels_last)
        and not weight.is_contiguous()
        for weight in model.parameters()
    )


def _rows(inputs: Tensor, batch_size: int) -> int:
    """Rows of a batch of such inputs (N, ...)."""
    return max(1, min(batch_size, LARGEST_BATCH // max(1, inputs.shape[1:].numel())))


def _regrouped(parts: Iterable[Tensor], batch_size: int) -> Iterator[Tensor]:
    """The batches of the parts joined, without joining them all."""
    held: Tensor | None = None  # rows for the next batch, fewer than it takes
    for part in parts:
        size, used, rows = _rows(part, batch_size), 0, part
        while used < len(part):
            missing = size - (0 if held is None else len(held))
            rows = part[used : used + missing]
            # A copy, so that the part is not kept for a few of its rows.
            held, used = torch.cat([rows] if held is None else [held, rows]), used + missing
            if len(held) == size:
                yield held
                held = None
        del part, rows
    if held is not None:
        yield held


def measure(logits: Tensor, targets: Tensor, scorer: Scorer | None = None) -> Metrics:
    """Mean cross-entropy and score of predictions.

    Args:
        logits: (N, K), or (N, L, K) of a tagger.
        targets: int64 (N,), or (N, L) with `IGNORED` at padding.
        scorer: computes the score; None computes the accuracy.
    """
    loss = functional.cross_entropy(*flat(logits, targets))
    return Metrics(float(loss), (scorer or Scorer())(logits.argmax(-1), targets))


def _predict_by_length(model: nn.Module, ids: Tensor, batch_size: int) -> Tensor:
    """Logits in the order of `ids`, computed on batches of similar length."""
    order = (ids != PAD).sum(1).argsort(stable=True)
    ordered = ids[order]
    lengths = longest_sentences(ordered, batch_size)
    parts = zip(ordered.split(batch_size), lengths, strict=True)
    logits = [model(part[:, :length]) for part, length in parts]
    if logits[0].ndim == 3:
        missing = [ids.shape[1] - length for length in lengths]
        logits = [pad(one, (0, 0, 0, more)) for one, more in zip(logits, missing, strict=True)]
    return torch.cat(logits)[order.argsort()]
