"""Attacks against the closed form of a linear model, and scores of models known by hand."""

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from adaptaug.data import Examples
from adaptaug.errors import AdaptAugError
from adaptaug.evaluation import robustness as measured
from adaptaug.evaluation.corruptions import corrupted
from adaptaug.evaluation.robustness import (
    EPSILON,
    differentiable,
    fgsm,
    pgd,
    robustness,
    score_names,
)

SHAPE = (3, 4, 5)


class Linear(nn.Module):
    """Two classes, whose logits differ by a linear function of the images."""

    def __init__(self) -> None:
        super().__init__()
        generator = Generator().manual_seed(5)
        self.weight = nn.Parameter(torch.randn(60, generator=generator))
        # Both classes occur at the middle of the box.
        self.bias = nn.Parameter(-0.5 * self.weight.detach().sum())
        self.dropout = nn.Dropout(0.5)

    def margin(self, images: Tensor) -> Tensor:
        """Logit of class 1 over that of class 0: (B,)."""
        return self.dropout(images).flatten(1) @ self.weight + self.bias

    def forward(self, images: Tensor) -> Tensor:
        margin = self.margin(images)
        return torch.stack([torch.zeros_like(margin), margin], 1)


def images(count: int = 200, room: float = 0.0) -> Tensor:
    """Random images in [room, 1 - room]."""
    uniform = torch.rand(count, *SHAPE, generator=Generator().manual_seed(2))
    return uniform * (1 - 2 * room) + room


def labels(model: Linear, clean: Tensor) -> Tensor:
    """What the model says, with every fifth wrong."""
    right = (model.eval().margin(clean) > 0).long()
    right[::5] = 1 - right[::5]
    return right


def attack(name: str, model: nn.Module, clean: Tensor, targets: Tensor, epsilon: float) -> Tensor:
    if name == "fgsm":
        return fgsm(model, clean, targets, epsilon)
    return pgd(model, clean, targets, Generator().manual_seed(0), epsilon, epsilon / 4, 10)


@pytest.mark.parametrize("name", ["fgsm", "pgd"])
@pytest.mark.parametrize("epsilon", [0.01, 8 / 255])
def test_attack_reaches_the_worst_case_of_a_linear_model(name: str, epsilon: float) -> None:
    """Within the box it lowers each margin by epsilon times the L1 norm of the weights."""
    model, clean = Linear(), images(room=epsilon)
    targets = labels(model, clean)
    sign = 2 * targets - 1
    moved = attack(name, model, clean, targets, epsilon)
    with torch.no_grad():
        worst = sign * model.margin(clean) - epsilon * model.weight.abs().sum()
        assert torch.allclose(sign * model.margin(moved), worst, atol=1e-4)
        loss = functional.cross_entropy(model(moved), targets)
        assert float(loss) == pytest.approx(float(functional.softplus(-worst).mean()), rel=1e-4)
        hits = model(moved).argmax(1) == targets
    assert torch.equal(hits, worst > 0)
    assert 0 < int(hits.sum()) < int((sign * model.margin(clean) > 0).sum())


@pytest.mark.parametrize("name", ["fgsm", "pgd"])
def test_attack_stays_in_0_to_1_at_the_border(name: str) -> None:
    model, clean = Linear(), images()
    targets = labels(model, clean)
    epsilon = 0.3
    moved = attack(name, model, clean, targets, epsilon)
    direction = -((2 * targets - 1)[:, None] * model.weight.sign()).view_as(clean)
    assert torch.allclose(moved, (clean + epsilon * direction).clamp(0, 1), atol=1e-6)
    assert bool((moved == 0).any())
    assert bool((moved == 1).any())


@pytest.mark.parametrize("name", ["fgsm", "pgd"])
def test_attack_stays_in_the_ball_and_changes_no_argument_or_state(name: str) -> None:
    torch_state = torch.get_rng_state()
    model, clean = Linear().train(), images()
    model.dropout.eval()
    targets = torch.zeros(len(clean), dtype=torch.int64)
    before = clean.clone()
    with torch.no_grad():  # as in an evaluation
        moved = attack(name, model, clean, targets, EPSILON)
        again = attack(name, model, clean, targets, EPSILON)
    assert float((moved - clean).abs().max()) <= EPSILON + 1e-6
    assert bool((moved >= 0).all())
    assert bool((moved <= 1).all())
    assert torch.equal(moved, again)
    assert not moved.requires_grad
    assert torch.equal(clean, before)
    assert model.training
    assert not model.dropout.training
    assert model.weight.grad is None
    assert model.weight.requires_grad
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_pgd_starts_uniformly_in_the_ball() -> None:
    model, clean = Linear(), images(room=0.1)
    targets = labels(model, clean)
    start = pgd(model, clean, targets, Generator().manual_seed(0), 0.1, steps=0)
    moved = (start - clean) / 0.1
    assert float(moved.std()) == pytest.approx(3**-0.5, rel=0.02)  # uniform in [-1, 1]
    other = pgd(model, clean, targets, Generator().manual_seed(1), 0.1, steps=0)
    assert not torch.equal(other, start)


def test_pgd_beats_fgsm_where_the_loss_is_not_linear() -> None:
    """A ridge at the image that a single step jumps over."""

    class Ridge(nn.Module):
        def forward(self, batch: Tensor) -> Tensor:
            value = batch.mean((1, 2, 3))
            return torch.stack([1000 * (value - 0.505).square(), torch.zeros_like(value)], 1)

    clean, targets = torch.full((1, 1, 2, 2), 0.5), torch.tensor([0])

    def loss(moved: Tensor) -> float:
        return float(functional.cross_entropy(Ridge()(moved), targets))

    moved = pgd(Ridge(), clean, targets, Generator().manual_seed(0), 0.02, 0.002, 20)
    assert loss(moved) > loss(fgsm(Ridge(), clean, targets, 0.02)) + 0.05


class Undifferentiable(nn.Module):
    """A model that counts bright pixels."""

    def forward(self, batch: Tensor) -> Tensor:
        bright = (batch > 0.5).flatten(1).float().mean(1)
        return torch.stack([1 - bright, bright], 1)


class Detached(Linear):
    """A model with weights that have a gradient, and images that have none."""

    def forward(self, batch: Tensor) -> Tensor:
        return super().forward(batch.detach())


@pytest.mark.parametrize("model", [Undifferentiable(), Detached()])
def test_model_without_an_input_gradient_is_refused(model: nn.Module) -> None:
    examples = Examples(images(20), torch.arange(20) % 2)
    assert not differentiable(model, examples)
    with pytest.raises(AdaptAugError, match="gradient with respect to the images, got none from"):
        fgsm(model, examples.inputs, examples.targets)
    assert set(score_names("image")) - set(robustness(model, examples, 0)) == {"fgsm", "pgd"}


def test_image_scores_are_those_of_each_corruption_and_attack() -> None:
    model = Linear()
    pixels = (images() * 255).round().byte()
    examples = Examples(pixels, labels(model, pixels / 255))
    scores = robustness(model.train(), examples, seed=4)
    assert list(scores) == score_names("image")
    assert scores == robustness(model, examples, seed=4)
    assert model.training

    def accuracy(inputs: Tensor) -> float:
        model.eval()
        return float((model(inputs / 255).argmax(1) == examples.targets).float().mean())

    assert scores["clean"] == pytest.approx(0.8)
    cells = {cell: accuracy(inputs) for cell, inputs in corrupted(pixels, seed=4)}
    assert {cell: scores[cell] for cell in cells} == cells
    assert scores["corruption"] == pytest.approx(sum(cells.values()) / 25)
    margin = (2 * examples.targets - 1) * model.margin(pixels / 255)
    at_most = float((margin > 0).float().mean())
    at_least = float((margin > EPSILON * model.weight.abs().sum()).float().mean())
    assert at_least <= scores["pgd"] <= scores["fgsm"] < at_most


def test_at_most_500_examples_are_scored_the_same_for_every_seed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Tensor] = []

    def predict(model: nn.Module, inputs: Tensor) -> Tensor:
        seen.append(inputs)
        return functional.one_hot(torch.zeros(len(inputs), dtype=torch.int64), 2)

    monkeypatch.setattr(measured, "predict", predict)
    ids = torch.randint(3, 50, (700, 6), generator=Generator().manual_seed(0))
    examples = Examples(ids, torch.cat([torch.zeros(350), torch.ones(350)]).long())
    for seed in (0, 1):
        clean = robustness(nn.Identity(), examples, seed, vocabulary_size=50)["clean"]
        assert clean == pytest.approx(0.5, abs=0.05)  # the rows are sorted by class
    assert seen[0].shape == (500, 6)
    assert torch.equal(seen[0], seen[16])


class Contains(nn.Module):
    """Says 1 where a sentence holds word 7, which is its label."""

    def forward(self, ids: Tensor) -> Tensor:
        known = (ids == 7).any(1).float()
        return torch.stack([0.5 - known, known - 0.5], 1)


def test_sentence_scores_fall_with_the_words_that_are_lost() -> None:
    ids = torch.randint(8, 5000, (400, 10), generator=Generator().manual_seed(0))
    ids[::2, 3] = 7
    examples = Examples(ids, (torch.arange(400) + 1) % 2)
    scores = robustness(Contains(), examples, 0, vocabulary_size=5000)
    assert list(scores) == score_names("text")
    assert scores["clean"] == 1
    for kind in ("replace", "drop", "mask"):  # half of the examples hold the word
        for severity in range(1, 6):
            assert scores[f"{kind}/{severity}"] == pytest.approx(1 - 0.05 * severity, abs=0.04)
    cells = [score for name, score in scores.items() if "/" in name]
    assert scores["word_noise"] == pytest.approx(sum(cells) / 15)


class WordTags(nn.Module):
    """Tags word 7 as a person, and everything else as nothing."""

    def forward(self, ids: Tensor) -> Tensor:
        return functional.one_hot((ids == 7).long(), 2).float()


def test_tagging_scores_are_the_f1_of_entities() -> None:
    ids = torch.randint(8, 5000, (400, 10), generator=Generator().manual_seed(0))
    ids[:, 3] = 7
    examples = Examples(ids, (ids == 7).long())
    scores = robustness(WordTags(), examples, 0, classes=("O", "B-PER"), vocabulary_size=5000)
    assert list(scores) == score_names("tagging")
    assert scores["clean"] == 1
    for severity in range(1, 6):  # precision 1, recall the share of the words that are left
        recall = 1 - 0.1 * severity
        for kind in ("mask", "unknown"):
            expected = 2 * recall / (1 + recall)
            assert scores[f"{kind}/{severity}"] == pytest.approx(expected, abs=0.06)
