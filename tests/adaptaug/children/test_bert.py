"""BERT on ids of words: pieces by hand, padding without effect, weights from a folder."""

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

from adaptaug.children.bert import MAX_PIECES, Bert, Pieces, pretrained_bert, small_bert
from adaptaug.data import MASK, PAD, UNKNOWN, Vocabulary, from_texts, preload
from adaptaug.data.vocabulary import SPECIALS
from adaptaug.errors import AdaptAugError
from adaptaug.metrics import evaluate, predict
from adaptaug.ops import OpSpace
from adaptaug.training.setup import set_up
from adaptaug.training.task import Task

transformers = pytest.importorskip("transformers")

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES += ["good", "bad", "un", "##believ", "##able", "film", "n", "'", "t", "a", "##a"]
LONG = "a" * 20
VOCABULARY = Vocabulary((*SPECIALS, "film", "unbelievable", "n't", "good", "zebra", LONG))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random BERT for masked words with its tokenizer, as `save_pretrained` writes them."""
    place = tmp_path_factory.mktemp("bert")
    (place / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    transformers.BertTokenizer(str(place / "vocab.txt")).save_pretrained(place / "model")
    config = transformers.BertConfig(
        vocab_size=len(PIECES), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=24,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(1)
        transformers.BertForMaskedLM(config).save_pretrained(place / "model")
    return place / "model"


def pretrained(folder: Path, vocabulary: Vocabulary = VOCABULARY, classes: int = 3) -> Bert:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return pretrained_bert(str(folder), vocabulary, classes)


def small(vocabulary_size: int = 30) -> Bert:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return small_bert(vocabulary_size, 2, 16).eval()


def pieces(*names: str) -> list[int]:
    return [PIECES.index(name) for name in names]


def test_word_pieces_match_hand_computation(folder: Path) -> None:
    ids = torch.tensor([[3, 4, 5, PAD], [UNKNOWN, MASK, 7, 6], [6, PAD, PAD, PAD]])
    packed, real = pretrained(folder).packed(ids)
    assert packed.tolist() == [
        pieces("[CLS]", "film", "un", "##believ", "##able", "n", "'", "t", "[SEP]"),
        pieces("[CLS]", "[UNK]", "[MASK]", "[UNK]", "good", "[SEP]", *["[PAD]"] * 3),
        pieces("[CLS]", "good", "[SEP]", *["[PAD]"] * 6),
    ]
    assert torch.equal(real, (packed != 0).long())


def test_long_words_and_sentences_are_cut(folder: Path) -> None:
    model = pretrained(folder)
    packed, real = model.packed(torch.tensor([[8, 3]]))
    cut = pieces("a", *["##a"] * (MAX_PIECES - 1))
    assert packed.tolist() == [[*pieces("[CLS]"), *cut, *pieces("film", "[SEP]")]]
    assert model.length == 24
    packed, real = model.packed(torch.tensor([[8, 3, 8, 8], [3, 3, 3, PAD]]))
    assert packed.shape == (2, 24)
    assert packed[0].tolist() == [
        *pieces("[CLS]"), *cut, *pieces("film"), *cut, *cut[:5], *pieces("[SEP]")
    ]  # fmt: skip
    assert real.sum(1).tolist() == [24, 5]


def test_pieces_equal_those_of_the_tokenizer(folder: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    packed, _ = pretrained(folder).packed(torch.tensor([[6, 4, 3, 7]]))
    assert packed[0].tolist() == tokenizer("good unbelievable film zebra")["input_ids"]


def test_weights_come_from_the_folder_and_the_classifier_is_random(folder: Path) -> None:
    saved = transformers.BertForMaskedLM.from_pretrained(folder).state_dict()
    first, again = pretrained(folder), pretrained(folder)
    states = first.model.state_dict(), again.model.state_dict()
    shared = [name for name in states[0] if name in saved]
    assert len(shared) > 15
    assert all(torch.equal(states[0][name], saved[name]) for name in shared)
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert states[0]["classifier.weight"].shape == (3, 16)


@pytest.mark.parametrize("kind", ["small", "pretrained"])
def test_logits_do_not_depend_on_padding_or_other_sentences(kind: str, folder: Path) -> None:
    model = (small() if kind == "small" else pretrained(folder)).eval()
    ids = torch.tensor([[3, 4, 6, 7, 3], [5, 4, PAD, PAD, PAD], [6, PAD, PAD, PAD, PAD]])
    together: Tensor = model(torch.cat([ids, torch.zeros(3, 9, dtype=torch.int64)], 1))
    for row, length in enumerate((5, 2, 1)):
        alone = model(ids[row : row + 1, :length])[0]
        assert alone.tolist() == pytest.approx(together[row].tolist(), abs=1e-6)
    sorted_by_length = predict(model, ids, batch_size=2)
    assert sorted_by_length.flatten().tolist() == pytest.approx(
        together.flatten().tolist(), abs=1e-6
    )


def test_small_bert_has_one_piece_per_word() -> None:
    packed, _ = small(30).packed(torch.tensor([[3, 29, 1], [2, PAD, PAD]]))
    assert packed.tolist() == [[30, 3, 29, 1, 31], [30, 2, 31, 0, 0]]


@pytest.mark.parametrize(("width", "hidden", "heads"), [(64, 128, 2), (16, 32, 1), (5, 10, 1)])
def test_width_sets_the_hidden_size(width: int, hidden: int, heads: int) -> None:
    with torch.random.fork_rng():
        config = small_bert(30, 2, width).model.config
    assert (config.hidden_size, config.num_attention_heads) == (hidden, heads)


def test_bert_overfits_a_few_sentences(folder: Path) -> None:
    texts = ["good film", "bad film", "a good film", "a bad film"] * 4
    source = from_texts(texts, [1, 0] * 8, texts, [1, 0] * 8, name="four sentences")
    preload(source)
    task = Task(
        dataset="four sentences", child="bert", pretrained=str(folder), steps=80, n_train=8,
        n_validation=8, batch_size=8, peak_learning_rate=5e-3, schedule="linear",
        optimizer="adamw", weight_decay=0.01,
    )  # fmt: skip
    run, _ = set_up(task, 0, OpSpace(["swap"]))
    before = evaluate(run.model, run.validation)
    run.train_batches(80, [0.0])
    after = evaluate(run.model, run.validation)
    assert after.loss < 0.3 * before.loss
    assert after.score == 1


def broken(folder: Path, place: Path, change: str) -> Path:
    """A copy of the folder in which something is wrong."""
    copy = place / "copy"
    shutil.copytree(folder, copy)
    if change == "tokenizer":
        (copy / "tokenizer.json").unlink()
    elif change == "weights":
        (copy / "model.safetensors").write_bytes(b"nothing")
    else:
        config = transformers.GPT2Config(
            vocab_size=9, n_embd=8, n_layer=1, n_head=1, bos_token_id=0, eos_token_id=0
        )
        transformers.GPT2LMHeadModel(config).save_pretrained(copy)
    return copy


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("tokenizer", "must come with its tokenizer's tokenizer.json or vocab.txt"),
        ("weights", r"must be a BERT model with its tokenizer, .* \(SafetensorError"),
        ("gpt2", "must hold all of BERT's weights, got .* without 'bert.embeddings"),
    ],
)
def test_folder_without_a_bert_is_refused(
    change: str, sentence: str, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(AdaptAugError, match=sentence):
        pretrained(broken(folder, tmp_path, change))


def test_tokenizer_of_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    config = transformers.BertConfig(
        vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
    )
    transformers.BertForMaskedLM(config).save_pretrained(copy)
    with pytest.raises(AdaptAugError, match=r"pieces must be among the model's 8, got 15 in"):
        pretrained(copy)


def test_piece_table_matches_hand_computation() -> None:
    table = Pieces.of([[], [7], [8, 9]], 1, 2, 0)
    assert table.table.tolist() == [[0, 0], [7, 0], [8, 9]]
    assert table.counts.tolist() == [0, 1, 2]
