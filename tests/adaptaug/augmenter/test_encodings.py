"""The Augmenter with a tokenizer: what comes back, and what reaches the model at a decision."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn, tensor
from torch.utils.data import DataLoader

from adaptaug import Augmenter, Constant
from adaptaug.augmenter.encodings import Encodings
from adaptaug.errors import AdaptAugError

Of = Callable[[str], Tokenizer]
TEXTS = [("the film was not unbelievable", "great"), ("a good movie", "bad film"), ("fun", "play")]
BUDGET: dict[str, Any] = {"total_steps": 8, "n_train": 12, "batch_size": 3, "decisions": 2}


class Encoder(nn.Module):
    """Averages embeddings over the tokens that are attended to; keeps what it was called with."""

    def __init__(self, classes: int = 2, *, tags: bool = False) -> None:
        super().__init__()
        self.words, self.types = nn.Embedding(500, 4), nn.Embedding(2, 4)
        self.output = nn.Linear(4, classes)
        self.tags = tags
        self.calls: list[dict[str, Tensor]] = []

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> Any:
        called = {"input_ids": input_ids, "attention_mask": attention_mask}
        states = self.words(input_ids)
        if token_type_ids is not None:
            called["token_type_ids"] = token_type_ids
            states = states + self.types(token_type_ids)
        self.calls.append(called)
        if not self.tags:
            weight = attention_mask[..., None] / attention_mask.sum(1)[:, None, None]
            states = (states * weight).sum(1)
        return SimpleNamespace(logits=self.output(states))


class Bag(nn.Module):
    """Takes ids alone."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.output = nn.Embedding(500, 4), nn.Linear(4, 2)

    def forward(self, ids: Tensor) -> Tensor:
        return self.output(self.words(ids).mean(1))


def _batch(tokenizer: Tokenizer, texts: list[Any] | None = None) -> dict[str, Tensor]:
    rows = tokenizer.encode_batch(texts or TEXTS)
    return {
        "input_ids": tensor([row.ids for row in rows]),
        "attention_mask": tensor([row.attention_mask for row in rows]),
        "token_type_ids": tensor([row.type_ids for row in rows]),
    }


def _augmenter(tokenizer: Any, model: nn.Module, held_out: Any, *ops: str, **other: Any) -> Any:
    magnitude = other.pop("magnitude", 1.0)
    return Augmenter(
        Constant([magnitude] * len(ops)), model, held_out, ops=ops, vocabulary=tokenizer,
        **BUDGET | other,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["bert", "roberta", "gpt2", "t5"])
def test_batches_come_back_in_their_form_with_masks_that_follow(
    tokenizer_of: Of, name: str
) -> None:
    tokenizer = tokenizer_of(name)
    batch, labels = _batch(tokenizer), tensor([0, 1, 1])
    kept = {key: value.clone() for key, value in batch.items()}
    using = _augmenter(tokenizer, Encoder(), (batch, labels), "deletion", "swap", seed=1)
    pad = tokenizer.padding["pad_id"]
    changed = False
    for _ in range(8):
        out, targets = using(batch, labels)
        assert type(out) is dict
        assert list(out) == list(batch)
        assert targets.tolist() == labels.tolist()
        for key, value in out.items():
            assert value.shape == batch[key].shape
            assert value.dtype == batch[key].dtype
        ids, attention = out["input_ids"], out["attention_mask"]
        assert (ids[attention == 0] == pad).all()
        padded_left = attention.flip(1) if name == "gpt2" else attention
        assert (padded_left.diff(dim=1) <= 0).all()
        changed |= not torch.equal(ids, batch["input_ids"])
    assert changed
    assert all(torch.equal(batch[key], value) for key, value in kept.items())


def test_token_types_follow_the_tokens(tokenizer_of: Of) -> None:
    tokenizer = tokenizer_of("bert")
    batch = _batch(tokenizer)
    using = _augmenter(tokenizer, Encoder(), (batch, tensor([0, 1, 1])), "deletion", "masking")
    for _ in range(8):
        out, _ = using(batch, tensor([0, 1, 1]))
        ends = (out["input_ids"] == 5).long()  # [SEP]
        expected = (ends.cumsum(1) - ends == 1) & (out["attention_mask"] == 1)
        assert torch.equal(out["token_type_ids"], expected.long())
        assert (ends.sum(1) == 2).all()
        assert (out["input_ids"][:, 0] == 4).all()  # [CLS]


@pytest.mark.parametrize("op", ["swap", "deletion", "masking"])
def test_special_tokens_of_bare_ids_stay(tokenizer_of: Of, op: str) -> None:
    """Id 2, which hides words in AdaptAug's own vocabularies, is an ordinary token here."""
    tokenizer = tokenizer_of("bert")
    ids, labels = _batch(tokenizer, ["the film was great", "bad"])["input_ids"], tensor([0, 1])
    masks = 0
    for seed in range(30):
        using = _augmenter(tokenizer, Bag(), (ids, labels), op, seed=seed)
        out, _ = using(ids.int(), labels)
        assert out.dtype == torch.int64
        assert (out[:, 0] == 4).all()
        assert ((out == 5).sum(1) == 1).all()
        assert ((out == 5).long().argmax(1) == (out != 0).sum(1) - 1).all()
        assert not (out == 2).any()
        masks += int((out == 6).sum())
    assert bool(masks) == (op == "masking")


def test_labels_in_the_batch_come_back_in_it(tokenizer_of: Of) -> None:
    tokenizer = tokenizer_of("bert")
    batch = _batch(tokenizer) | {"labels": tensor([0, 1, 1]), "index": tensor([7, 8, 9])}
    using = _augmenter(tokenizer, Encoder(), batch, "swap")
    out = using(batch)
    assert list(out) == list(batch)
    assert out["labels"].tolist() == [0, 1, 1]
    assert out["index"] is batch["index"]


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_batches_without_change_are_equal(tokenizer_of: Of, name: str) -> None:
    tokenizer = tokenizer_of(name)
    batch, labels = _batch(tokenizer), tensor([0, 1, 1])
    using = _augmenter(tokenizer, Encoder(), (batch, labels), "swap", magnitude=0.0)
    out, _ = using(batch, labels)
    assert all(torch.equal(out[key], batch[key]) for key in batch)


class Watching(Constant):
    """A constant that observes."""

    features = ("progress", "validation_loss", "probe_loss")

    def decide(self, progress: float, observation: Any) -> Any:
        self.seen = observation
        return super().decide(progress, observation)


@pytest.mark.parametrize("name", ["bert", "gpt2"])
@pytest.mark.parametrize("tags", [False, True])
def test_model_is_evaluated_on_the_users_own_batches(
    tokenizer_of: Of, name: str, tags: bool
) -> None:
    torch.manual_seed(0)
    tokenizer = tokenizer_of(name)
    batch, model = _batch(tokenizer), Encoder(3 if tags else 2, tags=tags)
    labels, attended = tensor([0, 1, 1]), batch["attention_mask"] == 1
    if tags:  # 0 and 1 by turns, -100 at padding
        labels = (attended.cumsum(1) % 2).masked_fill(~attended, -100)
    watching = Watching([0.5, 0.5])
    using = Augmenter(
        watching, model, (batch, labels), ops=["deletion", "segments"], vocabulary=tokenizer,
        train=(batch, labels), classes=("O", "B-X", "I-X") if tags else (), **BUDGET,
    )  # fmt: skip
    first = len(model.calls)
    using(batch, labels)
    logits = model(**batch).logits
    loss = nn.functional.cross_entropy(logits.flatten(0, -2), labels.flatten())
    assert watching.seen.validation.loss == pytest.approx(loss.item(), abs=1e-5)
    called = model.calls[first]
    for key, value in batch.items():
        assert torch.equal(called[key], value)


def test_rows_and_loaders_are_taken_as_the_batch_is(tokenizer_of: Of) -> None:
    tokenizer = tokenizer_of("bert")
    labels, wanted = [0, 1, 1], _batch(tokenizer)
    raw = tokenizer_of("bert")
    raw.no_padding()
    rows = [
        {key: value[0] for key, value in _batch(raw, [text]).items()} | {"label": label}
        for text, label in zip(TEXTS, labels, strict=True)
    ]
    batches = [{key: value[n : n + 1] for key, value in wanted.items()} for n in range(3)]
    batches = [batch | {"labels": tensor([n])} for batch, n in zip(batches, labels, strict=True)]
    made = Encodings(tokenizer)
    expected = made.examples((wanted, tensor(labels)), "held_out")
    loader: Any = DataLoader(batches, batch_size=None)  # type: ignore[arg-type]
    for data in (SimpleRows(rows), loader, wanted | {"labels": tensor(labels)}):
        found = made.examples(data, "held_out")
        assert torch.equal(found.inputs, expected.inputs)
        assert found.targets.tolist() == labels
    ignored = made.examples((wanted, tensor([0, -100, 1])), "held_out")
    assert torch.equal(ignored.inputs, expected.inputs[[0, 2]])


class SimpleRows:
    """A map-style data set."""

    def __init__(self, rows: list[Any]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Any:
        return self.rows[index]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input_ids": tensor([[4, 999, 5]])}, r"ids must lie in 0\.\.\d+, .* got 999 in row 0"),
        ({"input_ids": tensor([[0, 0, 0]])}, "at least one token, got none in row 0"),
        ({"attention_mask": tensor([[1, 0, 1]])}, "padding must stand on one side"),
        ({"attention_mask": tensor([[0, 1, 0]])}, "padding must stand on one side"),
        ({"attention_mask": tensor([[1, 1]])}, r"attention_mask must have shape \(B, L\)"),
        ({"input_ids": tensor([[4.0, 5.0]])}, "must be integers, got torch.float32"),
        ({"position_ids": tensor([[0, 1, 2]])}, "got 'position_ids' in batch 0: leave it out"),
    ],
)
def test_batches_that_do_not_fit_are_refused(tokenizer_of: Of, change: Any, message: str) -> None:
    batch = {"input_ids": tensor([[4, 9, 5]])} | change
    with pytest.raises(AdaptAugError, match=message):
        Encodings(tokenizer_of("bert")).batch(batch, tensor([0]), "batch 0")


def test_missing_parts_are_refused_by_name(tokenizer_of: Of) -> None:
    made = Encodings(tokenizer_of("bert"))
    with pytest.raises(AdaptAugError, match=r"labels must be given beside the ids.*got input_ids"):
        made.batch({"input_ids": tensor([[4, 5]])}, None, "batch 0")
    with pytest.raises(AdaptAugError, match="must hold 'input_ids', got ids"):
        made.batch({"ids": tensor([[4, 5]])}, tensor([0]), "batch 0")
    with pytest.raises(AdaptAugError, match="at least one example is needed, got 0"):
        made.examples(SimpleRows([]), "held_out")
    with pytest.raises(AdaptAugError, match=r"held_out must be .* got int"):
        made.examples(3, "held_out")


def test_model_that_does_not_take_the_keys_is_refused(tokenizer_of: Of) -> None:
    tokenizer = tokenizer_of("bert")
    with pytest.raises(AdaptAugError, match=r"must take input_ids, .* by name.*got Bag\.forward"):
        _augmenter(tokenizer, Bag(), (_batch(tokenizer), tensor([0, 1, 1])), "swap")


def test_row_without_padding_is_padded_as_the_others_are(tokenizer_of: Of) -> None:
    made = Encodings(tokenizer_of("bert"))
    ids = tensor([[0, 0, 4, 9, 5], [4, 9, 8, 7, 5]])  # on the left, unlike the tokenizer
    batch = made.batch(ids, tensor([0, 1]), "batch 0")
    assert (batch.codes > 0).sum(1).tolist() == [3, 5]
    shorter = batch.codes.clone()
    shorter[:, 2:] = 0
    out, _ = batch.given(shorter, batch.targets)
    assert out.tolist() == [[0, 0, 0, 4, 9], [0, 0, 0, 4, 9]]


@pytest.mark.slow
def test_bert_of_transformers_trains(tokenizer_of: Of) -> None:
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer_of("bert"), pad_token="[PAD]", unk_token="[UNK]",
        cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]",
    )  # fmt: skip
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16,
    )  # fmt: skip
    model = transformers.BertForSequenceClassification(config)
    first, second = zip(*TEXTS, strict=True)
    batch = tokenizer(list(first), list(second), padding=True, return_tensors="pt")
    batch["labels"] = tensor([0, 1, 1])
    using = _augmenter(tokenizer, model, batch, "swap", "deletion", "masking")
    optimizer = torch.optim.Adam(model.parameters())
    for _ in range(8):
        out = using(batch)
        result = model(**out)
        result.loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        using.record(result.loss, (result.logits.argmax(1) == out["labels"]).float().mean())
    assert out["input_ids"].shape == batch["input_ids"].shape
