"""GPT-2 writes sentences of a class, with the data set's words or a pretrained tokenizer."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from adaptaug.data import Examples
from adaptaug.data.vocabulary import MASK, PAD, UNKNOWN, Vocabulary, build_vocabulary
from adaptaug.errors import AdaptAugError
from adaptaug.generative import GPT2, gpt2
from adaptaug.ops.bank import FitData

transformers = pytest.importorskip("transformers")

SMALL = GPT2(width=32, layers=1, heads=2, steps=100, learning_rate=1e-2, samples=64)
CLASSES = ("bad", "good")
SENTENCES = [
    "a dull film .", "a poor plot .", "dull and poor", "the plot is dull",
    "a fine film .", "a lovely plot .", "fine and lovely", "the plot is fine",
]  # fmt: skip
BAD, GOOD = {"dull", "poor"}, {"fine", "lovely"}


def opinions(seed: int = 0) -> tuple[FitData, Vocabulary]:
    """Sentences whose adjectives tell their class."""
    vocabulary = build_vocabulary(SENTENCES)
    targets = torch.arange(8) // 4
    ids = vocabulary.encode(SENTENCES).repeat(8, 1)
    train = Examples(ids, targets.repeat(8))
    return FitData(train, 2, seed, CLASSES, vocabulary), vocabulary


def words(samples: Examples, vocabulary: Vocabulary, label: int) -> set[str]:
    return {vocabulary.words[word] for word in samples.inputs[samples.targets == label].unique()}


def test_samples_are_sentences_of_their_class() -> None:
    data, vocabulary = opinions()
    bank = SMALL(data)
    ids = bank.samples.inputs
    assert len(bank.samples) == 64
    assert not ((ids == UNKNOWN) | (ids == MASK)).any()
    padding = ids == PAD
    assert not padding.all(1).any()
    assert not (padding[:, :-1] & ~padding[:, 1:]).any()
    assert int(ids.max()) < len(vocabulary)
    good = torch.tensor([vocabulary.id(word) for word in sorted(GOOD)])
    bad = torch.tensor([vocabulary.id(word) for word in sorted(BAD)])
    of_good, of_bad = torch.isin(ids, good).any(1), torch.isin(ids, bad).any(1)
    right = torch.where(bank.samples.targets == 1, of_good & ~of_bad, of_bad & ~of_good)
    assert right.float().mean() > 0.8
    assert bank.problem == ""


def test_seed_fixes_the_samples_and_the_global_random_state_is_unchanged() -> None:
    settings, before = replace(SMALL, steps=3), torch.get_rng_state()
    first, again = (settings.make(opinions()[0]) for _ in range(2))
    assert torch.equal(first.inputs, again.inputs)
    assert torch.equal(torch.get_rng_state(), before)
    other = settings.make(opinions(seed=1)[0])
    assert first.inputs.shape != other.inputs.shape or not torch.equal(first.inputs, other.inputs)


def test_diverged_training_is_reported() -> None:
    problem = replace(SMALL, steps=5, learning_rate=float("inf"))(opinions()[0]).problem
    assert problem == "it diverged: its loss was not finite after 5 steps"


def test_repeated_samples_are_reported() -> None:
    problem = replace(SMALL, top_k=1)(opinions()[0]).problem
    assert problem.startswith("it collapsed: samples of class 'bad' lie 0.00 times as far apart")


@pytest.fixture
def pretrained(tmp_path: Path) -> Path:
    """A folder with a tiny GPT-2 of random weights, whose tokens are characters."""
    from tokenizers import Regex, Tokenizer
    from tokenizers.decoders import Fuse
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Split

    tokens = ["<|endoftext|>", *sorted(set("".join([*SENTENCES, *CLASSES, ": "])))]
    inner = Tokenizer(WordLevel({token: row for row, token in enumerate(tokens)}, tokens[0]))
    inner.pre_tokenizer = Split(Regex("."), "isolated")
    inner.decoder = Fuse()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token=tokens[0], unk_token=tokens[0]
    )
    config = transformers.GPT2Config(
        vocab_size=len(tokens), n_positions=40, n_embd=32, n_layer=1, n_head=2,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


def test_pretrained_samples_are_read_with_the_data_sets_words(pretrained: Path) -> None:
    data, vocabulary = opinions()
    settings = GPT2(pretrained=str(pretrained), steps=150, learning_rate=1e-2, samples=32)
    samples = settings.make(data)
    assert samples.inputs.shape[1] <= data.train.inputs.shape[1]
    known = samples.inputs[(samples.inputs != PAD) & (samples.inputs != UNKNOWN)]
    assert len(known) > 32  # it has learned to spell some words of the data set
    assert int(samples.inputs.max()) < len(vocabulary)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"pretrained": "./no/such folder"}, "must be a hub id or an existing folder"),
        ({"width": 17}, "width must be a multiple of its 2 heads, got 17"),
        ({"samples": 0}, "samples must be at least 1, got 0"),
    ],
)
def test_wrong_settings_and_data_are_refused(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(AdaptAugError, match=sentence):
        replace(SMALL, **change)(opinions()[0])


def test_pretrained_model_is_trained_without_unknown_words(pretrained: Path) -> None:
    data, _ = opinions()
    data.train.inputs[0, 1] = UNKNOWN
    language = gpt2._Text(GPT2(pretrained=str(pretrained)), data)
    written = [language._tokenizer.decode(row) for row in language.sentences]
    assert written[0] == " a film ."
    assert language.read(language.sentences)[1][1:].tolist() == data.train.inputs[1:].tolist()


def spoil(folder: Path, change: str) -> None:
    """Breaks something in a model's folder."""
    weights = folder / "model.safetensors"
    if change == "tokenizer":
        (folder / "tokenizer.json").unlink()
    elif change == "weights":
        weights.write_bytes(b"nothing")
    elif change == "half":
        tensors = load_file(weights)
        save_file({"transformer.wte.weight": tensors["transformer.wte.weight"]}, weights,
                  {"format": "pt"})  # fmt: skip
    else:
        config = transformers.GPT2Config(
            vocab_size=9, n_positions=40, n_embd=32, n_layer=1, n_head=2,
            bos_token_id=0, eos_token_id=0,
        )  # fmt: skip
        transformers.GPT2LMHeadModel(config).save_pretrained(folder)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("tokenizer", "must come with its tokenizer's tokenizer.json or vocab.json, got neither"),
        ("weights", r"must be a GPT-2 with its tokenizer, .* \(SafetensorError"),
        ("half", "must hold all its weights, got .* without 'transformer.h.0"),
        ("other", "tokens must be among the model's 9, got"),
    ],
)
def test_folder_without_a_gpt2_is_refused(change: str, sentence: str, pretrained: Path) -> None:
    spoil(pretrained, change)
    with pytest.raises(AdaptAugError, match=sentence):
        replace(SMALL, pretrained=str(pretrained))(opinions()[0])


def test_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(AdaptAugError, match="weights as safetensors"):
        replace(SMALL, pretrained=str(tmp_path))(opinions()[0])
