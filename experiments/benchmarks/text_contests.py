"""Contests on sentences: ops on ids against EDA on strings, and against steps of the BiLSTM.

The words are those of the built-in task "opinions", in their order, cut into sentences of 20 to 30
words. In the first contest both sides start from the same sentences, as ids or as strings, and end
with int64 ids with padding. The ids of strings are read from a dict, which is faster than any
tokenizer.
"""

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from adaptaug.data import Examples, load
from adaptaug.data.lexicon import load_lexicon
from adaptaug.data.vocabulary import PAD, UNKNOWN, Vocabulary, padded
from adaptaug.ops import TEXT_OPS, Op, OpSpace, build_tables, find
from adaptaug.training.child_run import ChildRun
from adaptaug.training.task import Task
from experiments.benchmarks.string_eda import ALPHA, TECHNIQUES, eda
from experiments.benchmarks.timing import Race, Ratio, Work, race

TASK = "opinions"
"""The built-in task that words, vocabulary and lexicon come from."""

LENGTHS = (20, 30)
"""Fewest and most words in a sentence."""

SENTENCES = 3200
"""Sentences that one call augments: a decision interval of 50 batches of 64."""

CHUNK = 10
"""Batches that one call trains the BiLSTM on, or augments."""

BATCHES = {"text_ops_share_of_step": 32, "text_ops_share_of_step_64": 64}
"""Sentences in a batch of the BiLSTM, by the name of the ratio."""


def string_contest(rounds: int) -> tuple[Race, list[Ratio]]:
    """The four ops of EDA on all ids at once against EDA on strings, sentence by sentence."""
    examples = random_sentences(SENTENCES)
    contestants = {"ops on ids": id_work(examples), **string_works(examples)}
    tokens = len(TECHNIQUES) * int((examples.inputs != PAD).sum())
    result = race(contestants, rounds, "EDA", tokens)
    strings, lists = (
        result.ratio(name, "ops on ids") for name in ("EDA on strings", "EDA on lists")
    )
    return result, [
        Ratio("text_ops_vs_string_eda", strings, at_least=50),
        Ratio("text_ops_vs_list_eda", lists),
    ]


def id_work(examples: Examples) -> Work:
    """Each of the four ops on all sentences; on average it changes as many words as EDA."""
    generator = torch.Generator().manual_seed(0)
    # Amounts are uniform from 0 to the magnitude's, hence the factor 2.
    ops = [(bound([op]), 2 * ALPHA / op.high) for op in map(find, TECHNIQUES)]

    def augment() -> list[Tensor]:
        return [
            op_space.apply(examples.inputs, examples.targets, [magnitude], generator)[0]
            for op_space, magnitude in ops
        ]

    return augment


def string_works(examples: Examples) -> dict[str, Work]:
    """EDA on the same sentences as strings, ids included; and its techniques on lists of words."""
    lexicon, draws = load_lexicon(TASK), random.Random(0)  # noqa: S311 - no secret
    words = vocabulary().words
    ids = {word: index for index, word in enumerate(words)}
    lists = [[words[index] for index in row if index != PAD] for row in examples.inputs.tolist()]
    strings = [" ".join(sentence) for sentence in lists]

    def on_strings() -> list[Tensor]:
        augmented = zip(*(eda(sentence, lexicon, draws) for sentence in strings), strict=True)
        return [
            padded([[ids.get(word, UNKNOWN) for word in line.split(" ")] for line in lines], PAD)
            for lines in augmented
        ]

    def on_lists() -> list[list[str]]:
        return [
            technique(sentence, max(1, int(ALPHA * len(sentence))), lexicon, draws)
            for technique in TECHNIQUES.values()
            for sentence in lists
        ]

    return {"EDA on strings": on_strings, "EDA on lists": on_lists}


def text_step_contest(rounds: int) -> tuple[Race, list[Ratio]]:
    """All ops on sentences at magnitude 0.5 against training steps of the BiLSTM."""
    contestants: dict[str, Work] = {}
    for size in BATCHES.values():
        contestants |= {f"{name} of {size}": work for name, work in step_works(size).items()}
    result = race(contestants, rounds, "text steps")
    return result, [
        Ratio(name, result.ratio(f"text ops of {size}", f"BiLSTM of {size}"), at_most=0.05)
        for name, size in BATCHES.items()
    ]


def step_works(batch_size: int) -> dict[str, Work]:
    """Training the BiLSTM on `CHUNK` batches, and augmenting as many sentences."""
    task = Task(
        TASK, n_train=1000, batch_size=batch_size, child="bilstm", width=64,
        steps=10**9, decision_interval=1,
    )  # fmt: skip
    op_space, generator = bound(TEXT_OPS), torch.Generator().manual_seed(0)
    train, batches = random_sentences(task.n_train), random_sentences(CHUNK * batch_size)
    run = ChildRun(task, train, train, 2, op_space, seed=0, vocabulary=vocabulary())
    off, half = [0.0] * len(op_space), [0.5] * len(op_space)
    return {
        "BiLSTM": lambda: run.train_batches(CHUNK, off),
        "text ops": lambda: op_space.apply(batches.inputs, batches.targets, half, generator),
    }


def bound(ops: Sequence[Op]) -> OpSpace:
    """An op space with the task's synonyms."""
    source, lexicon = load(TASK), load_lexicon(TASK)
    tables = build_tables(vocabulary(), lexicon, source.train, source.classes, "text")
    return OpSpace(ops).on(tables)


def random_sentences(count: int) -> Examples:
    """The task's words as sentences of random lengths, with arbitrary labels."""
    generator = torch.Generator().manual_seed(0)
    low, high = LENGTHS
    ids = load(TASK).train.inputs
    words = ids[ids != PAD]
    rows = words.repeat(1 + count * high // len(words))[: count * high].view(count, high)
    lengths = torch.randint(low, high + 1, (count, 1), generator=generator)
    return Examples(rows.masked_fill(torch.arange(high) >= lengths, PAD), torch.arange(count) % 2)


def vocabulary() -> Vocabulary:
    """The task's vocabulary."""
    words = load(TASK).vocabulary
    assert words is not None
    return words
