"""A GPT-2 that generates sentences of a class: trained with the label before every sentence.

After Radford et al. (2019), "Language models are unsupervised multitask learners", for the model,
and Anaby-Tavor et al. (2020), "Do not have enough data? Deep learning to the rescue!" (LAMBADA),
for the label as a prefix. Difference from LAMBADA: samples are not filtered by a classifier, since
one trained on the same few examples would keep only what the child knows already.

A pretrained model has its own tokenizer: training sentences are given to it as text, and the text
that it generates is encoded with the data set's vocabulary. Without a pretrained model, a small one
is built whose tokens are the words of that vocabulary. On a CPU there is no time for the many steps
in which it would learn the label from the prefix alone. Therefore the label is also the type of
every token, whose embedding GPT-2 adds to the token's own. After 1,000 steps on 500 sentences of
"opinions", a classifier trained on real sentences confirmed 62% of the labels without token types
(50% is chance), and 87% with them, as many as of real sentences.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn import functional

from adaptaug.data.examples import Examples
from adaptaug.data.vocabulary import IGNORED, MASK, PAD, UNKNOWN, Vocabulary, padded
from adaptaug.errors import AdaptAugError
from adaptaug.generative.bank import DivergedError, banked, labels_like
from adaptaug.ops.bank import Bank, FitData
from adaptaug.utils.hub import check_tokenizer, loading, model_folder
from adaptaug.utils.optional import needs
from adaptaug.utils.seeding import RandomStream

_SAMPLED = 256
"""Sentences generated at a time."""


@dataclass(frozen=True)
class GPT2:
    """The settings of a GPT-2; calling them on training data trains one and returns its bank.

    The defaults are for a CPU; `GPT2.full()` has the settings of the AugNet study.
    """

    pretrained: str | None = None
    """Hub id or folder of a GPT-2; None builds one of the sizes below, with random weights."""
    width: int = 64
    """Hidden size without `pretrained`; a multiple of `heads`."""
    layers: int = 2
    """Blocks without `pretrained`."""
    heads: int = 4
    """Attention heads without `pretrained`."""
    steps: int = 1000
    """Updates, if `epochs` is None."""
    epochs: int | None = None
    """Epochs over the training sentences, instead of `steps`."""
    batch_size: int = 16
    """Sentences per update."""
    learning_rate: float = 5e-3
    """Initial learning rate of AdamW; it falls linearly to 0."""
    top_k: int = 40
    """Number of most likely tokens that each token is drawn from; 0 draws from all."""
    samples: int = 2048
    """Sentences kept in the bank."""

    @classmethod
    def full(cls, pretrained: str = "openai-community/gpt2") -> "GPT2":
        """The study's settings, for a GPU: GPT-2 small, AdamW 5e-5, batch 16, 5 epochs."""
        return cls(pretrained=pretrained, epochs=5, learning_rate=5e-5, samples=16384)

    def __call__(self, data: FitData) -> Bank:
        """Trains a GPT-2 on these examples alone and returns a bank of its sentences; see `banked`.

        Raises:
            AdaptAugError: the package transformers is missing, `pretrained` is not a GPT-2, or a
                setting is out of its range.
        """
        for name in ("width", "layers", "heads", "batch_size", "samples"):
            if getattr(self, name) < 1:
                raise AdaptAugError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.width % self.heads:
            raise AdaptAugError(
                f"a GPT-2's width must be a multiple of its {self.heads} heads, got {self.width}"
            )
        return banked(self, data)

    def make(self, data: FitData) -> Examples:
        """Trains a GPT-2 and generates sentences.

        Raises:
            DivergedError: a loss is not finite.
        """
        stream = RandomStream(data.seed, data.train.inputs.device)
        with stream.active():  # weights, then dropout
            language = _Words(self, data) if self.pretrained is None else _Text(self, data)
            language.model.to(data.train.inputs.device)
            self._train(language, data)
        draws = torch.Generator(data.train.inputs.device).manual_seed(data.seed + 1)
        rows: list[list[int]] = []
        labels = labels_like(data.train.targets, self.samples)
        for label, count in enumerate(labels.bincount(minlength=data.num_classes).tolist()):
            for start in range(0, count, _SAMPLED):
                many = min(_SAMPLED, count - start)
                rows += self._written(language, label, many, draws)
        kept, ids = language.read(rows)
        return Examples(ids.to(labels.device), labels[kept.to(labels.device)])

    def _train(self, language: "_Language", data: FitData) -> None:
        """Trains next-token prediction on every sentence, preceded by its label."""
        model, device, size = language.model, data.train.inputs.device, len(data.train)
        draws = torch.Generator(device).manual_seed(data.seed)
        per_epoch = math.ceil(size / self.batch_size)
        steps = self.steps if self.epochs is None else self.epochs * per_epoch
        optimizer = torch.optim.AdamW(model.parameters(), lr=self.learning_rate, fused=True)
        labels = data.train.targets.tolist()
        model.train()
        order: list[int] = []
        for step in range(steps):
            if step % per_epoch == 0:
                order = torch.randperm(size, generator=draws, device=device).tolist()
            start = step % per_epoch * self.batch_size
            picked = order[start : start + self.batch_size]
            prefixes = [language.prefixes[labels[row]] for row in picked]
            sentences = [[*language.sentences[row], language.end] for row in picked]
            inputs = padded([p + s for p, s in zip(prefixes, sentences, strict=True)], PAD)
            wanted = padded(
                [[IGNORED] * len(p) + s for p, s in zip(prefixes, sentences, strict=True)], IGNORED
            )
            optimizer.param_groups[0]["lr"] = self.learning_rate * (1 - step / steps)
            # Causal attention never sees the padding on the right, and no loss is taken there.
            inputs = inputs.to(device)
            types = language.types([labels[row] for row in picked], inputs)
            hidden = model.transformer(inputs, token_type_ids=types).last_hidden_state[:, :-1]
            wanted = wanted[:, 1:].to(device)
            known = wanted != IGNORED
            loss = functional.cross_entropy(model.lm_head(hidden[known]), wanted[known])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if (step % 20 == 19 or step == steps - 1) and not math.isfinite(float(loss.detach())):
                raise DivergedError(f"diverged: its loss was not finite after {step + 1} steps")
        model.eval()

    @torch.no_grad()
    def _written(
        self, language: "_Language", label: int, count: int, draws: Generator
    ) -> list[list[int]]:
        """Generates `count` sentences of a class, as tokens without prefix and end."""
        prefix = torch.tensor([language.prefixes[label]] * count, device=draws.device)
        barred = torch.tensor([*language.barred, language.end], device=draws.device)
        kinds = [label] * count
        step: dict[str, Any] = {
            "input_ids": prefix,
            "token_type_ids": language.types(kinds, prefix),
        }
        columns: list[Tensor] = []
        done = torch.zeros(count, dtype=torch.bool, device=draws.device)
        while len(columns) < language.longest and not done.all():
            output = language.model(**step, use_cache=True)
            logits = output.logits[:, -1].float()
            # The first token must not be the end: no sentence is empty.
            logits[:, barred if not columns else barred[:-1]] = -torch.inf
            likely = logits.topk(min(self.top_k or logits.shape[1], logits.shape[1]))
            picked = torch.multinomial(likely.values.softmax(1), 1, generator=draws)
            token = likely.indices.gather(1, picked)
            done |= token[:, 0] == language.end
            columns.append(token)
            step = {
                "input_ids": token,
                "token_type_ids": language.types(kinds, token),
                "past_key_values": output.past_key_values,
            }
        rows: list[list[int]] = torch.cat(columns, 1).tolist()
        return [row[: row.index(language.end)] if language.end in row else row for row in rows]


class _Language:
    """A model and the tokens that it reads and writes."""

    model: Any
    """Ids (B, L) to an output with `logits` (B, L, tokens)."""
    prefixes: list[list[int]]
    """The tokens before a sentence of each class."""
    sentences: list[list[int]]
    """The tokens of each training sentence."""
    end: int
    """The token after a sentence."""
    barred: list[int]
    """Tokens that no sentence holds."""
    longest: int
    """Maximum number of tokens per sentence."""

    def types(self, _labels: list[int], _inputs: Tensor) -> Tensor | None:
        """Tokens (B, L) whose embeddings are added to those of the inputs; None adds nothing."""
        return None

    def read(self, rows: list[list[int]]) -> tuple[Tensor, Tensor]:
        """Indices of the rows that are sentences, int64 (n,), and their vocabulary ids, (n, L)."""
        raise NotImplementedError


class _Words(_Language):
    """A small GPT-2 with random weights, whose tokens are words, classes and an end."""

    def __init__(self, settings: GPT2, data: FitData) -> None:
        words = len(_vocabulary(data))
        self.prefixes = [[words + label] for label in range(data.num_classes)]
        self.sentences = _rows(data.train.inputs)
        self.end = words + data.num_classes
        self.barred = [PAD, UNKNOWN, MASK, *range(words, self.end)]
        self.longest = data.train.inputs.shape[1]
        transformers = _transformers()
        config = transformers.GPT2Config(
            vocab_size=self.end + 1, n_positions=self.longest + 2, n_embd=settings.width,
            n_layer=settings.layers, n_head=settings.heads,
            bos_token_id=self.end, eos_token_id=self.end,
        )  # fmt: skip
        self.model = transformers.GPT2LMHeadModel(config)

    def types(self, labels: list[int], inputs: Tensor) -> Tensor:
        types = torch.tensor([self.prefixes[label] for label in labels], device=inputs.device)
        return types.expand_as(inputs)

    def read(self, rows: list[list[int]]) -> tuple[Tensor, Tensor]:
        return torch.arange(len(rows)), padded(rows, PAD)


class _Text(_Language):
    """A pretrained GPT-2, which reads and writes text with its own tokenizer."""

    def __init__(self, settings: GPT2, data: FitData) -> None:
        self._vocabulary = _vocabulary(data)
        self._max_tokens = data.train.inputs.shape[1]
        self.model, self._tokenizer = _pretrained(str(settings.pretrained))
        names = data.classes or tuple(map(str, range(data.num_classes)))
        self.end, self.barred = self._tokenizer.eos_token_id, []
        self.prefixes = [self._tokens(f"{name}:") for name in names]
        room = self.model.config.n_positions - max(map(len, self.prefixes)) - 1
        words = self._vocabulary.words
        self.sentences = [
            self._tokens(" " + " ".join(words[word] for word in row if word != UNKNOWN))[:room]
            for row in _rows(data.train.inputs)
        ]
        self.longest = max(map(len, self.sentences))

    def read(self, rows: list[list[int]]) -> tuple[Tensor, Tensor]:
        texts = [self._tokenizer.decode(row, skip_special_tokens=True) for row in rows]
        kept = [index for index, text in enumerate(texts) if text.strip()]
        ids = self._vocabulary.encode([texts[index] for index in kept], self._max_tokens)
        return torch.tensor(kept, dtype=torch.int64), ids

    def _tokens(self, text: str) -> list[int]:
        tokens: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        return tokens


def _vocabulary(data: FitData) -> Vocabulary:
    if data.vocabulary is None:
        raise AdaptAugError("a GPT-2 needs the vocabulary of the data, got none")
    return data.vocabulary


def _rows(ids: Tensor) -> list[list[int]]:
    """Ids (N, L) as lists without padding."""
    lengths: Sequence[int] = (ids != PAD).sum(1).tolist()
    return [row[:length] for row, length in zip(ids.tolist(), lengths, strict=True)]


def _transformers() -> Any:
    """Imports the package, which takes seconds, when it is first used."""
    with needs("transformers", "generated text"):
        import transformers
    return transformers


def _pretrained(name: str) -> tuple[Any, Any]:
    """A GPT-2 and its tokenizer, from a hub id or a folder."""
    transformers, folder = _transformers(), model_folder(name)
    check_tokenizer("GPT-2", folder, "vocab.json")
    with loading("GPT-2", name):
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model, report = transformers.GPT2LMHeadModel.from_pretrained(
            folder,
            use_safetensors=True,
            dtype=torch.float32,
            local_files_only=True,
            output_loading_info=True,
        )
    if report["missing_keys"]:
        missing = min(report["missing_keys"])
        raise AdaptAugError(f"a GPT-2 must hold all its weights, got {name!r} without {missing!r}")
    if tokenizer.eos_token_id is None:
        raise AdaptAugError(f"a GPT-2's tokenizer must have an end of text, got none in {name!r}")
    if len(tokenizer) > model.config.vocab_size:
        raise AdaptAugError(
            f"a tokenizer's tokens must be among the model's {model.config.vocab_size}, "
            f"got {len(tokenizer)} in {name!r}"
        )
    return model, tokenizer
