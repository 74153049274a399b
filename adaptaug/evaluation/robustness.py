"""Robustness: scores of a trained model under adversarial attacks, corruptions and word noise."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from adaptaug.data import Examples
from adaptaug.data.batches import channels_last, to_float
from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.corruptions import CELLS, corrupted
from adaptaug.evaluation.word_noise import cells, disturbed
from adaptaug.metrics import accuracy, f1, predict
from adaptaug.utils.types import Modality

EPSILON = 8 / 255
"""Bound of the attacks: largest change of any value of an image in [0, 1] (Madry et al. 2018)."""
STEP = 2 / 255
"""Step size of PGD."""
STEPS = 10
"""Steps of PGD: enough to cross the ball, whose diameter is 2 epsilon."""
MOST_EXAMPLES = 500
"""Number of examples on which robustness is measured, at most."""
_BATCH = 100


def fgsm(model: nn.Module, images: Tensor, targets: Tensor, epsilon: float = EPSILON) -> Tensor:
    """The fast gradient sign method (Goodfellow et al. 2015, section 4), within the box [0, 1].

    x' = clip(x + epsilon sign(dL/dx)), L the cross-entropy of the true classes.

    Args:
        model: maps float images (B, C, H, W) in [0, 1] to logits (B, K); not modified.
        images: float32 (B, C, H, W) in [0, 1]; not modified.
        targets: int64 (B,), the true classes.
        epsilon: largest change of a value, above 0.

    Returns:
        float32 (B, C, H, W) in [0, 1]; no value changes by more than epsilon.

    Raises:
        AdaptAugError: the model's logits have no gradient with respect to the images.
    """
    with _evaluating(model):
        return (images + epsilon * _gradient(model, images, targets).sign()).clamp_(0, 1)


def pgd(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    generator: Generator,
    epsilon: float = EPSILON,
    step: float = STEP,
    steps: int = STEPS,
) -> Tensor:
    """Projected gradient descent on the negative loss (Madry et al. 2018, section 2.1).

    x_0 is uniform in the ball around x; x_t+1 = P(x_t + step sign(dL/dx_t)), where P projects onto
    the values within epsilon of x and in [0, 1]. There is one start; the last iterate is returned.

    Args:
        model: see `fgsm`.
        images: see `fgsm`.
        targets: see `fgsm`.
        generator: draws the start; on the images' device.
        epsilon: see `fgsm`.
        step: length of a step, above 0.
        steps: number of steps.

    Returns:
        As `fgsm`.

    Raises:
        AdaptAugError: see `fgsm`.
    """
    lowest, highest = (images - epsilon).clamp_(min=0), (images + epsilon).clamp_(max=1)
    start = torch.empty_like(images).uniform_(-epsilon, epsilon, generator=generator)
    moved = (images + start).clamp_(lowest, highest)
    with _evaluating(model):
        for _ in range(steps):
            moved = moved + step * _gradient(model, moved, targets).sign()
            moved = moved.clamp_(lowest, highest)
    return moved


def robustness(
    model: nn.Module,
    examples: Examples,
    seed: int,
    *,
    classes: Sequence[str] = (),
    vocabulary_size: int = 0,
) -> dict[str, float]:
    """Scores of a model on attacked, corrupted or noisy examples.

    The score is the accuracy, in tagging the F1 of entities. At most 500 examples are used, the
    same ones for every seed.

    Args:
        model: as `build_child` describes it. Its modes and gradients and all random state are as
            before afterwards.
        examples: clean examples, on the model's device.
        seed: fixes the start of PGD and every draw of a corruption or of word noise.
        classes: names of the tags, in tagging.
        vocabulary_size: number of ids, for sentences.

    Returns:
        Scores in [0, 1] by name:

        - "clean": the score on the same examples, not disturbed.
        - for images "fgsm" and "pgd", if the model can be differentiated; "corruption", the mean
          over all corruptions; and each corruption, such as "noise/3".
        - for sentences "word_noise", the mean over all word noise; and each kind and severity, such
          as "drop/3".

    Raises:
        AdaptAugError: sentences come without `vocabulary_size`.
    """
    some = _subset(examples)
    modality = some.modality

    def score(inputs: Tensor) -> float:
        predicted = predict(model, inputs).argmax(-1)
        if modality == "tagging":
            return f1(predicted, some.targets, classes)
        return accuracy(predicted, some.targets)

    scores = {"clean": score(some.inputs)}
    if modality == "image":
        attacked = _attacked(model, some, seed) if differentiable(model, some) else {}
        scores |= {name: score(images) for name, images in attacked.items()}
        overall, variants = "corruption", corrupted(some.inputs, seed)
    else:
        overall, variants = "word_noise", disturbed(some.inputs, modality, vocabulary_size, seed)
    each = {name: score(inputs) for name, inputs in variants}
    return scores | {overall: sum(each.values()) / len(each)} | each


def score_names(modality: Modality) -> list[str]:
    """Names of the scores that `robustness` returns for a model that can be differentiated."""
    if modality == "image":
        return ["clean", "fgsm", "pgd", "corruption", *CELLS]
    return ["clean", "word_noise", *cells(modality)]


def differentiable(model: nn.Module, examples: Examples) -> bool:
    """Whether the model's logits have a gradient with respect to images."""
    first = examples[torch.tensor([0])]
    with _evaluating(model):
        return _input_gradient(model, to_float(first.inputs), first.targets) is not None


def _attacked(model: nn.Module, examples: Examples, seed: int) -> dict[str, Tensor]:
    """The images under each attack, by its name; computed in batches."""
    generator = Generator(examples.inputs.device).manual_seed(seed)
    batches = [
        (channels_last(to_float(images)), targets)
        for images, targets in zip(
            examples.inputs.split(_BATCH), examples.targets.split(_BATCH), strict=True
        )
    ]
    return {
        "fgsm": torch.cat([fgsm(model, *batch) for batch in batches]),
        "pgd": torch.cat([pgd(model, *batch, generator) for batch in batches]),
    }


def _gradient(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """Gradient (B, C, H, W) of the summed loss with respect to the images.

    Raises:
        AdaptAugError: the logits have no gradient with respect to the images.
    """
    gradient = _input_gradient(model, images, targets)
    if gradient is None:
        raise AdaptAugError(
            "an attack needs logits that have a gradient with respect to the images, "
            f"got none from {type(model).__name__}"
        )
    return gradient


@torch.enable_grad()
def _input_gradient(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor | None:
    """The same gradient, or None if there is none; gradients of the weights are not changed."""
    leaf = images.detach().requires_grad_()
    logits = model(leaf)
    if not logits.requires_grad:
        return None
    # With a mean, the smallest gradients would underflow to 0 and lose their sign.
    loss = functional.cross_entropy(logits, targets, reduction="sum")
    gradient: Tensor | None = torch.autograd.grad(loss, leaf, allow_unused=True)[0]
    return gradient


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode within the block; afterwards every module has its earlier mode again."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _subset(examples: Examples) -> Examples:
    """At most `MOST_EXAMPLES` of the examples, the same ones in every run."""
    if len(examples) <= MOST_EXAMPLES:
        return examples
    fixed = Generator().manual_seed(0)
    return examples[torch.randperm(len(examples), generator=fixed)[:MOST_EXAMPLES]]
