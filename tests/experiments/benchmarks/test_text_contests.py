"""Both sides of the contests on sentences do the same work."""

import pytest
import torch

from adaptaug.ops import TEXT_OPS
from experiments.benchmarks import text_contests
from experiments.benchmarks.string_eda import ALPHA, TECHNIQUES
from experiments.benchmarks.text_contests import id_work, random_sentences, step_works, string_works


def test_sentences_have_20_to_30_words_of_the_task():
    examples = random_sentences(500)
    lengths = (examples.inputs > 0).sum(1)
    assert examples.inputs.shape == (500, 30)
    assert (int(lengths.min()), int(lengths.max())) == (20, 30)
    assert len(examples.inputs.unique()) > 100
    assert torch.equal(examples.inputs, random_sentences(500).inputs)


def test_ops_and_string_eda_change_equally_many_words():
    examples = random_sentences(1000)
    ours = dict(zip(TECHNIQUES, id_work(examples)(), strict=True))
    works = string_works(examples)
    theirs = dict(zip(TECHNIQUES, works["EDA on strings"](), strict=True))
    words = float((examples.inputs > 0).sum())

    def tokens(ids):
        return float((ids > 0).sum()) / words

    assert tokens(ours["deletion"]) == pytest.approx(1 - ALPHA, abs=0.01)
    # Punctuation marks are words of AdaptAug's ids; string EDA removes them.
    assert 0.8 < tokens(theirs["deletion"]) / tokens(theirs["swap"]) < 0.92
    assert tokens(ours["insertion"]) == pytest.approx(1 + ALPHA, abs=0.03)  # less what is cut
    assert tokens(theirs["insertion"]) / tokens(theirs["swap"]) > 1.05
    assert len(works["EDA on lists"]()) == len(TECHNIQUES) * 1000


def test_training_step_and_ops_process_equally_many_sentences(monkeypatch):
    monkeypatch.setattr(text_contests, "CHUNK", 2)
    works = step_works(8)
    assert works["BiLSTM"]().loss == pytest.approx(0.7, abs=0.3)
    ids, labels = works["text ops"]()
    assert ids.shape == (16, 30)
    assert labels.shape == (16,)
    assert (ids != random_sentences(16).inputs).any(dim=1).all()
    assert len(TEXT_OPS) == 5
