"""Predictions and their metrics: loss, accuracy, precision, recall and F1, for classes and tags."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.functional import pad

from adaptaug.data.batches import channels_last, flat, longest_sentences, to_float
from adaptaug.data.examples import Examples
from adaptaug.data.vocabulary import IGNORED, PAD
from adaptaug.errors import AdaptAugError


def accuracy(predicted: Tensor, targets: Tensor) -> float:
    """Share of right predictions, of examples or of tokens, those at padding left out.

    Args:
        predicted: int64 of any shape.
        targets: the same shape; `IGNORED` at padding.
    """
    return float((predicted == targets)[targets != IGNORED].float().mean())


def precision_recall_f1(
    predicted: Tensor, targets: Tensor, classes: Sequence[str]
) -> tuple[float, float, float]:
    """Macro means over classes (N,), or of entities of tags (N, L), as `seqeval` counts them.

    Args:
        predicted: int64 (N,) or (N, L).
        targets: the same shape; in tagging `IGNORED` at padding.
        classes: names of the tags, such as "B-PER".

    Returns:
        Precision, recall and F1 in [0, 1]; each 0 where it would divide by 0. The macro F1 is the
        mean of the classes' F1, not the harmonic mean of the other two.
    """
    if targets.ndim == 1:
        from sklearn.metrics import precision_recall_fscore_support  # takes a second

        scores = precision_recall_fscore_support(
            targets.cpu(), predicted.cpu(), average="macro", zero_division=0
        )
    else:
        lengths = (targets != IGNORED).sum(1).tolist()
        true, guessed = (
            [
                [classes[tag] for tag in row[:length]]
                for row, length in zip(tags.tolist(), lengths, strict=True)
            ]
            for tags in (targets, predicted)
        )
        from seqeval.metrics import sequence_labeling  # imports scikit-learn's, too

        scores = sequence_labeling.precision_recall_fscore_support(
            true, guessed, average="micro", zero_division=0
        )
    precision, recall, f1_score, _ = scores
    return float(precision), float(recall), float(f1_score)


def f1(predicted: Tensor, targets: Tensor, classes: Sequence[str]) -> float:
    """The F1 of `precision_recall_f1`."""
    return precision_recall_f1(predicted, targets, classes)[2]


SCORES: dict[str, Callable[[Tensor, Tensor, Sequence[str]], float]] = {
    "accuracy": lambda predicted, targets, classes: accuracy(predicted, targets),
    "f1": f1,
}
"""What the observation and the reward may look at: one line each."""


@dataclass(frozen=True)
class Scorer:
    """One of the scores, for the classes of a data set."""

    metric: str = "accuracy"
    """'accuracy' or 'f1'."""
    classes: tuple[str, ...] = ()
    """Names of the classes or tags; the position is the label."""

    def __post_init__(self) -> None:
        """Refuses what is not known.

        Raises:
            AdaptAugError: no score has this name.
        """
        if self.metric not in SCORES:
            raise AdaptAugError(f"metric must be one of {sorted(SCORES)}, got {self.metric!r}")

    def __call__(self, predicted: Tensor, targets: Tensor) -> float:
        """The score in [0, 1] of predictions (N,) or (N, L)."""
        return SCORES[self.metric](predicted, targets, self.classes)


@dataclass(frozen=True)
class Metrics:
    """Mean loss (nats) and accuracy in [0, 1] over some examples, or over their tokens."""

    loss: float
    accuracy: float
    """Or the score that was asked for in its place."""


def evaluate(model: nn.Module, examples: Examples, scorer: Scorer | None = None) -> Metrics:
    """Mean cross-entropy and accuracy of the model on clean examples; see `measure`."""
    return measure(predict(model, examples.inputs), examples.targets, scorer)


def measure(logits: Tensor, targets: Tensor, scorer: Scorer | None = None) -> Metrics:
    """Mean cross-entropy and accuracy of predictions.

    Args:
        logits: (N, K), or (N, L, K) of a tagger.
        targets: int64 (N,), or (N, L).
        scorer: the score to give in place of the accuracy.
    """
    loss = functional.cross_entropy(*flat(logits, targets))
    return Metrics(float(loss), (scorer or Scorer())(logits.argmax(-1), targets))


@torch.no_grad()
def predict(model: nn.Module, inputs: Tensor, batch_size: int = 256) -> Tensor:
    """Logits (N, K), or (N, L, K) of a tagger, for images or sentences (N, ...).

    The model is put in evaluation mode; it and each of its modules are left in the mode that they
    were in. A model whose `ignores_padding` is true, as our children's is, gets sentences by
    length, with little padding; any other gets them as they are.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        if inputs.ndim == 2 and getattr(model, "ignores_padding", False):
            return _predict_by_length(model, inputs, batch_size)
        return torch.cat(
            [model(channels_last(to_float(part))) for part in inputs.split(batch_size)]
        )
    finally:
        for module, mode in modes:
            module.training = mode


def _predict_by_length(model: nn.Module, ids: Tensor, batch_size: int) -> Tensor:
    order = (ids != PAD).sum(1).argsort(stable=True)
    ordered = ids[order]
    lengths = longest_sentences(ordered, batch_size)
    parts = zip(ordered.split(batch_size), lengths, strict=True)
    logits = [model(part[:, :length]) for part, length in parts]
    if logits[0].ndim == 3:
        missing = [ids.shape[1] - length for length in lengths]
        logits = [pad(one, (0, 0, 0, more)) for one, more in zip(logits, missing, strict=True)]
    return torch.cat(logits)[order.argsort()]
