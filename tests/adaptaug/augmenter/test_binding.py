"""What the ops of an Augmenter look up and generate from, and what must be given for it."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from adaptaug import AdaptAugError, Augmenter, Constant
from adaptaug.data import Examples, Vocabulary
from adaptaug.data.examples import Split
from adaptaug.generative.bank import replaced
from adaptaug.ops import Op
from adaptaug.ops.bank import Bank, FitData
from adaptaug.training.episode import Episode


def tagged(tags: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Sentences of one word with these tags."""
    targets = torch.tensor(tags)
    return torch.full_like(targets, 3), targets


@pytest.mark.parametrize(
    ("modality", "changes", "message"),
    [
        ("text", {"vocabulary": None}, "vocabulary goes with sentences"),
        ("text", {"vocabulary": ["a"]}, "vocabulary must be .*, or a tokenizer, got "),
        ("text", {"ops": ("rotate", "labelwise")}, "some op must suit text data, got rotate, lab"),
        ("text", {"vocabulary": Vocabulary(("[PAD]", "[UNK]", "[MASK]", "a"))}, r"0\.\.3"),
        ("text", {"lexicon": "no-such-file"}, "no-such-file"),
        ("tagging", {"train": None}, "tagging needs train"),
        ("tagging", {"classes": ()}, "names of the tags"),
        ("tagging", {"classes": ("O", "B-PER")}, "classes must name each of .* 7 tags, got 2"),
        ("tagging", {"classes": ("O", "B-PER") * 4}, "each of .* 7 tags, got 2 different"),
        ("tagging", {"train": tagged([[0, 7]])}, r"0\.\.6, got 7 in row 0, token 1 of train"),
        ("tagging", {"train": tagged([[0, 1], [0, 2]])}, "row 1, token 1 of train .*IOB1"),
        ("tagging", {"train": (torch.tensor([[3, 9999]]), torch.tensor([[0, 0]]))}, "got 9999"),
        ("tagging", {"train": (torch.tensor([[3]]), torch.tensor([1]))}, "train must be ids"),
        ("tagging", {"metric": "bleu"}, "metric must be one of"),
    ],
)
def test_missing_or_wrong_setting_for_sentences_is_named(
    episode_of: Callable[..., Episode],
    beside: Callable[..., Augmenter],
    modality: str,
    changes: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(AdaptAugError, match=message):
        beside(modality, episode_of(modality), Constant([0.1] * 4), **changes)


def test_ops_that_need_synonyms_stay_off_without_a_lexicon(
    episode_of: Callable[..., Episode],
    beside: Callable[..., Augmenter],
    caplog: pytest.LogCaptureFixture,
) -> None:
    episode = episode_of("text")
    with caplog.at_level(logging.WARNING):
        using = beside("text", episode, Constant([0.8] * 4), lexicon=None)
    assert "without a lexicon these ops stay off: synonym" in caplog.text
    using(episode.run.train.inputs, episode.run.train.targets)
    assert using.magnitudes == {"synonym": 0, "rotate": 0, "deletion": 0.8, "masking": 0.8}


def test_lexicon_may_be_a_path(
    tmp_path: Path, episode_of: Callable[..., Episode], beside: Callable[..., Augmenter]
) -> None:
    lexicon = tmp_path / "synonyms.tsv"
    lexicon.write_text("film\tn\tmovie\nstory\tn\tplot\n")
    episode = episode_of("text")
    using = beside("text", episode, Constant([1.0, 0.0, 0.0, 0.0]), lexicon=lexicon)
    ids, _ = using(episode.run.train.inputs, episode.run.train.targets)
    assert not torch.equal(ids, episode.run.train.inputs)


@pytest.fixture
def fits() -> list[FitData]:
    """What the generator of `white` was fitted to, call by call."""
    return []


@pytest.fixture
def white(fits: list[FitData]) -> Op:
    """An op that replaces examples by white images of class 3."""

    def fit(data: FitData) -> Bank:
        fits.append(data)
        return Bank(Examples(torch.full((5, 1, 8, 8), 255).byte(), torch.full((5,), 3)), 0.0)

    return Op("white", "source", 1.0, "share", replaced, chance=True, fit=fit)


def test_generating_op_is_fitted_to_the_training_set_once(
    white: Op, fits: list[FitData], digits: Split, child: Callable[..., nn.Module]
) -> None:
    using = Augmenter(
        Constant([1.0]), child(), digits.validation,
        train=digits.train, total_steps=4, n_train=100, ops=[white], seed=6,
    )  # fmt: skip
    for _ in range(2):
        images, targets = using(digits.train.inputs[:16], digits.train.targets[:16])
        assert (images == 1).all()
        assert (targets == 3).all()
    (data,) = fits
    assert data.train.inputs is digits.train.inputs
    assert (data.num_classes, data.seed) == (10, 6)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (None, r"need train=\(inputs, labels\), .* \['white'\]"),
        (
            Examples(torch.zeros(4, 1, 16, 16).byte(), torch.zeros(4, dtype=torch.int64)),
            r"held_out's shape \(1, 8, 8\), got \(1, 16, 16\)",
        ),
        (
            Examples(torch.ones(4, 3, dtype=torch.int64), torch.zeros(4, dtype=torch.int64)),
            "train must be image data as held_out, got text data",
        ),
    ],
)
def test_generating_op_needs_a_training_set_like_the_held_out_data(
    white: Op,
    augmenter: Callable[..., Augmenter],
    train: Examples | None,
    message: str,
) -> None:
    with pytest.raises(AdaptAugError, match=message):
        augmenter(Constant([1.0]), ops=[white], train=train)
