"""Setting up a child training: sentences cut, ops bound to the training split, the metric."""

from pathlib import Path

import pytest
import torch

from adaptaug.data import PAD, load
from adaptaug.errors import AdaptAugError
from adaptaug.generative.bank import replaced
from adaptaug.ops import Op, OpSpace
from adaptaug.ops.bank import Bank, FitData
from adaptaug.training.setup import draw_split, set_up
from adaptaug.training.task import Task

TEXT = Task(dataset="opinions", n_train=40, n_validation=50, child="bilstm", width=4)
TAGGING = TEXT.but(dataset="mentions", child="tagger")


@pytest.mark.parametrize("task", [TEXT, TAGGING])
def test_max_tokens_cuts_sentences_of_every_split(task: Task) -> None:
    whole, short = draw_split(task, 3), draw_split(task.but(max_tokens=5), 3)
    for name in ("train", "validation", "test"):
        long, cut = getattr(whole, name), getattr(short, name)
        assert torch.equal(cut.inputs, long.inputs[:, :5])
        assert torch.equal(cut.targets, long.targets if task is TEXT else long.targets[:, :5])


def test_tables_are_made_from_the_childs_training_split() -> None:
    run, observer = set_up(TAGGING, 0, OpSpace(["labelwise", "mention"]))
    assert run.op_space.tables is not None
    assert run.op_space.tables.tags is not None
    tokens = run.op_space.tables.tags.tokens
    own = run.train.inputs[run.train.inputs != PAD]
    assert tokens[tokens != PAD].sort().values.tolist() == own.sort().values.tolist()
    assert observer.op_space is run.op_space
    assert observer.applies == (True, True)


@pytest.mark.parametrize(
    ("lexicon", "applies"), [(None, (False, True)), ("opinions", (True, True))]
)
def test_ops_that_need_a_lexicon_are_off_without_one(
    lexicon: str | None, applies: tuple[bool, ...]
) -> None:
    space = OpSpace(["synonym", "masking"])
    assert set_up(TEXT.but(lexicon=lexicon), 0, space)[1].applies == applies
    assert space.tables is None  # what was given is not changed


def test_lexicon_without_the_words_is_refused_by_name(tmp_path: Path) -> None:
    lexicon = tmp_path / "words.tsv"
    lexicon.write_text("zyx\tn\tzxy\n", encoding="utf-8")
    task = TAGGING.but(lexicon=str(lexicon))
    with pytest.raises(AdaptAugError, match=r"words\.tsv', data set 'mentions'"):
        set_up(task, 0, OpSpace(["synonym_outside"]))


def test_observer_scores_with_the_metric_of_the_task() -> None:
    run, observer = set_up(TAGGING.but(metric="f1"), 0, OpSpace(["masking"]))
    assert observer.scorer.metric == "f1"
    assert observer.scorer.classes == load("mentions").classes
    run.train_batches(4, [0.0])


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        (TEXT.but(child="cnn"), r"a child for text data must be one of \[.*'bilstm'\], got 'cnn'"),
        (TEXT.but(child="tagger"), "got 'tagger', which is for tagging data"),
        (
            Task(child="bilstm"),
            r"a child for image data must be one of \['cnn', .*\], got 'bilstm'",
        ),
        (TEXT.but(lexicon="no such file"), "no such file"),
        (TEXT.but(vectors="no such file"), "no such file"),
        (TEXT.but(metric="bleu"), "metric must be one of"),
    ],
)
def test_task_that_does_not_fit_its_data_is_refused(task: Task, sentence: str) -> None:
    with pytest.raises(AdaptAugError, match=sentence):
        set_up(task, 0, OpSpace(["masking"]))


def test_generating_ops_are_fitted_to_the_childs_training_split() -> None:
    made: list[FitData] = []

    def fit(data: FitData) -> Bank:
        made.append(data)
        return Bank(data.train, 12.5)

    op = Op("copies", "source", 1.0, "share", replaced, chance=True, fit=fit)
    space, task = OpSpace(["noise", op]), Task(n_train=40, n_validation=50)
    run, observer = set_up(task, 7, space)
    (data,) = made
    assert torch.equal(data.train.inputs, draw_split(task, 7).train.inputs)
    assert (data.num_classes, data.seed) == (10, 7)
    assert data.classes == load("digits").classes
    assert run.op_space.fit_seconds == 12.5
    assert observer.applies == (True, True)
    assert space.banks == {}  # what was given is not changed
    run.train_batches(2, [0.0, 0.5])
    set_up(TEXT, 7, OpSpace(["masking", op]))  # an op for other data is not fitted
    assert len(made) == 1
