"""A user's own sentences and tagged sentences, and token ids as examples."""

import re
from typing import Any

import pytest
import torch
from torch import Tensor

from adaptaug.data import IGNORED, PAD, UNKNOWN, Examples, from_tagged, from_tensors, from_texts
from adaptaug.data.examples import make_source
from adaptaug.data.from_user import to_examples
from adaptaug.data.vocabulary import Vocabulary
from adaptaug.errors import AdaptAugError

TEXTS = ["good film", "a bad bad film", "bad"]
LABELS = [1, 0, 0]
TOKENS = [["Ada", "met", "Bo", "Li"], ["in", "Rome"]]
TAGS = [["B-PER", "O", "B-PER", "I-PER"], ["O", "B-LOC"]]


def test_texts_become_ids_of_the_training_words() -> None:
    source = from_texts(TEXTS, torch.tensor(LABELS), ["GOOD day"], [1])
    assert source.modality == "text"
    assert source.vocabulary is not None
    assert source.vocabulary.words[3:] == ("bad", "film", "a", "good")
    assert source.train.inputs.tolist() == [[6, 4, PAD, PAD], [5, 3, 3, 4], [3, PAD, PAD, PAD]]
    assert source.train.targets.tolist() == LABELS
    assert source.test.inputs.tolist() == [[6, UNKNOWN]]  # of the training words alone
    assert (source.name, source.classes) == ("texts", ("0", "1"))


def test_tagged_sentences_become_ids_and_tags() -> None:
    source = from_tagged(TOKENS, TAGS, [["Rome", "met", "ada"]], [["B-LOC", "O", "O"]])
    assert source.modality == "tagging"
    assert source.classes == ("O", "B-LOC", "B-PER", "I-PER")
    assert source.train.targets.tolist() == [[2, 0, 2, 3], [0, 1, IGNORED, IGNORED]]
    assert (source.train.inputs == PAD).tolist() == [[False] * 4, [False, False, True, True]]
    assert source.test.inputs[0, 2] == UNKNOWN  # case is kept


@pytest.mark.parametrize("tell", [True, False])
def test_test_sentences_that_are_training_sentences_are_told(
    caplog: pytest.LogCaptureFixture, tell: bool
) -> None:
    from_texts(TEXTS, LABELS, ["bad film", TEXTS[2], "BAD"], LABELS, tell=tell)
    from_tagged(TOKENS, TAGS, TOKENS[1:], TAGS[1:], tell=tell)
    assert caplog.text.count("data set 'texts': 1 of 3 test examples are training") == tell
    assert caplog.text.count("data set 'tagged': 1 of 1 test examples are training") == tell


def test_images_have_no_vocabulary() -> None:
    images, labels = torch.zeros(2, 1, 4, 4), torch.tensor([0, 1])
    source = from_tensors(images, labels, images, labels)
    assert (source.modality, source.vocabulary) == ("image", None)


def test_long_sentence_is_cut_with_its_tags() -> None:
    source = from_tagged(TOKENS, TAGS, TOKENS, TAGS, max_tokens=3)
    assert source.train.inputs.shape == source.train.targets.shape == (2, 3)
    assert source.train.targets[0].tolist() == [2, 0, 2]
    assert from_texts(TEXTS, LABELS, TEXTS, LABELS, max_tokens=2).train.inputs.shape == (3, 2)


def test_tags_may_be_given_as_positions() -> None:
    classes = ["O", "B-PER", "I-PER", "B-LOC"]
    numbers = [[1, 0, 1, 2], [0, 3]]
    source = from_tagged(TOKENS, numbers, TOKENS, TAGS, classes=classes)
    assert source.train.targets.tolist() == source.test.targets.tolist()


@pytest.mark.parametrize(
    ("texts", "labels", "sentence"),
    [
        (["a", "", "b"], LABELS, "a sentence needs at least one token, got none in row 1 of split"),
        (["a", None, "b"], LABELS, "every row must hold a sentence as a string, got NoneType in"),
        (TEXTS, [1, 0], "every sentence needs one label, got 2 for 3 in split 'train'"),
        (TEXTS, [1, 0.5, 0], "labels must be integers, got 0.5 in row 1 of split 'train'"),
        (TEXTS, ["x", 0, 0], "labels must be integers, got 'x' in row 0 of split 'train'"),
        (TEXTS, [10**30, 0, 0], f"labels must be integers, got {10**30} in row 0 of split 'train'"),
        (TEXTS, [0, 1, 3], "without class names, labels must be smaller than the number of rows, "),
        (TEXTS, [0, 1, -1], "labels must lie in 0..1, got -1 in row 2 of split 'train'"),
        (TEXTS, [0, 0, 0], "a data set needs at least 2 classes, got 1 in data set 'mine'"),
        ([], [], "a split needs at least one row, got 0 in split 'train' of data set 'mine'"),
    ],
)
def test_wrong_texts_or_labels_are_refused(texts: Any, labels: Any, sentence: str) -> None:
    with pytest.raises(AdaptAugError, match=f"^{re.escape(sentence)}"):
        from_texts(texts, labels, TEXTS, LABELS, name="mine")


@pytest.mark.parametrize(
    ("tokens", "tags", "sentence"),
    [
        ([["a"], []], [["B-X"], []], "a sentence needs at least one token, got none in row 1 of"),
        ([["a"], ["b", "c"]], [["B-X"], ["O"]], "got 1 tags for 2 tokens in row 1 of split"),
        ([["a"]], [["B-X"], ["O"]], "got 2 lists of tags for 1 sentences in split 'train'"),
        ([["a"], "b"], [["B-X"], ["O"]], "must be a list of tokens, got str in row 1 of split"),
        ([["a"], ["b"]], [["B-X"], None], "tags must be a list, got NoneType in row 1 of split"),
        ([["a", 5]], [["B-X", "O"]], "tokens must be strings, got int in token 1 of row 0 of"),
        ([["a"], ["b"]], [["B-X"], ["NN"]], "(BIO form), got 'NN' in row 1 of split 'train'"),
        ([["a", "b"]], [["O", "I-X"]], "got it after 'O' in row 0, token 1 of split 'train'"),
        ([], [], "a split needs at least one row, got 0 in split 'train' of data set 'mine'"),
    ],
)
def test_wrong_tokens_or_tags_are_refused(tokens: Any, tags: Any, sentence: str) -> None:
    with pytest.raises(AdaptAugError, match=re.escape(sentence)):
        from_tagged(tokens, tags, tokens, tags, name="mine")


@pytest.mark.parametrize("tag", ["B-ORG", 9, -1])
def test_tag_outside_the_label_set_is_refused(tag: Any) -> None:
    tags = [TAGS[0], ["O", tag]]
    sentence = (
        f"a tag must be one of O, B-LOC, B-PER, I-PER, got '{tag}' "
        "in row 1 of split 'test' of data set 'tagged'"
    )
    with pytest.raises(AdaptAugError, match=f"^{re.escape(sentence)}$"):
        from_tagged(TOKENS, TAGS, TOKENS, tags)


IDS = torch.tensor([[3, 4, 5], [3, PAD, PAD]])
CLASSES = torch.tensor([0, 1])
BIO = torch.tensor([[0, 1, 1], [0, IGNORED, IGNORED]])


@pytest.mark.parametrize("targets", [CLASSES, BIO])
def test_ids_are_accepted_as_examples(targets: Tensor) -> None:
    examples = to_examples((IDS.int(), targets.short()), "held_out")
    assert torch.equal(examples.inputs, IDS)
    assert torch.equal(examples.targets, targets)
    assert examples.inputs.dtype == examples.targets.dtype == torch.int64


@pytest.mark.parametrize(
    ("ids", "targets", "sentence"),
    [
        (IDS - 4, CLASSES, "ids must not be negative, got -1 in row 0, token 0 of held_out"),
        (IDS * 0, CLASSES, "needs at least one token, got only padding in row 0 of held_out"),
        (IDS.flip(1), CLASSES, "the right only, with no word after it, got 0 in row 1, token 1"),
        (IDS, BIO.clamp(min=0), "tags must be -100 at padding and only there, got 0 in row 1, tok"),
        (IDS, BIO.new_full((2, 3), IGNORED), "only there, got -100 in row 0, token 0 of held_out"),
        (IDS, CLASSES[:1], "targets must have shape (2,), a label for each sentence, or (2, 3), a"),
        (IDS.float(), CLASSES, "token ids must be integers, got torch.float32 in held_out"),
        (IDS, CLASSES.bool(), "labels must be integers, got torch.bool in held_out"),
    ],
)
def test_wrong_ids_are_refused(ids: Tensor, targets: Tensor, sentence: str) -> None:
    with pytest.raises(AdaptAugError, match=re.escape(sentence)):
        to_examples((ids, targets), "held_out")


def test_ids_outside_the_vocabulary_are_refused() -> None:
    vocabulary = Vocabulary(("[PAD]", "[UNK]", "[MASK]", "a", "b"))
    examples = Examples(IDS, CLASSES)
    sentence = (
        "ids must lie in 0..4, the vocabulary, got 5 in row 0, token 2 "
        "of split 'train' of data set 'x'"
    )
    with pytest.raises(AdaptAugError, match=f"^{re.escape(sentence)}$"):
        make_source("x", examples, examples, vocabulary=vocabulary)


def test_tags_outside_the_classes_are_refused() -> None:
    vocabulary = Vocabulary(("[PAD]", "[UNK]", "[MASK]", "a", "b", "c"))
    examples = Examples(IDS, BIO * 3)
    examples.targets[1, 1:] = IGNORED
    with pytest.raises(AdaptAugError, match=re.escape("0..2, got 3 in row 0, token 1 of split")):
        make_source("x", examples, examples, ("O", "B-X", "I-X"), vocabulary)


def test_empty_pool_of_tagged_sentences_is_refused() -> None:
    sentence = "a split needs at least one row, got 0 in split 'train' of data set 'tagged'"
    with pytest.raises(AdaptAugError, match=f"^{re.escape(sentence)}$"):
        from_tagged([], [], TOKENS, TAGS)


def test_tag_named_twice_is_refused() -> None:
    with pytest.raises(AdaptAugError, match=r"^classes must name each tag once, got O, B-PER, B-"):
        from_tagged(TOKENS, TAGS, TOKENS, TAGS, classes=("O", "B-PER", "B-PER"))
