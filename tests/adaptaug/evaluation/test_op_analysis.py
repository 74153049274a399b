"""The analysis of ops, on ops whose effect is known and on every modality."""

import pytest
import torch
from torch import Generator, Tensor, nn

from adaptaug.children import BiLSTM, SmallCNN, Tagger
from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.op_analysis import Features, Row, analyse
from adaptaug.metrics import predict
from adaptaug.ops import Op
from adaptaug.policy.cost import CostTable
from adaptaug.training.task import Task

DIGITS = Task(steps=150, n_train=300, n_validation=300, batch_size=32, width=8, decisions=2)
COSTS = CostTable({"geometry": 0.25, "nothing": 0.5})


def blank(images: Tensor, amount: Tensor, generator: Generator) -> Tensor:
    """Images of amount 1 become black."""
    return images * (1 - amount)[:, None, None, None]


NOTHING = Op(
    "nothing", "pixel", 1, "none", lambda images, amount, generator: images.clone(), chance=True
)
BLANK = Op("blank", "pixel", 1, "probability", blank, chance=True)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return analyse(DIGITS, (NOTHING, BLANK, "noise", "rotate"), (0, 0.3, 1), costs=COSTS)


def of(rows: list[Row], op: str) -> list[Row]:
    return [row for row in rows if row["op"] == op]


def test_there_is_a_row_for_each_op_and_magnitude(rows: list[Row]) -> None:
    assert [(row["op"], row["magnitude"]) for row in rows] == [
        (op, magnitude)
        for op in ("nothing", "blank", "noise", "rotate")
        for magnitude in (0, 0.3, 1)
    ]
    assert {row["accuracy"] for row in rows} == {rows[0]["accuracy"]}
    assert rows[0]["accuracy"] > 0.8


def test_identity_has_diversity_0_and_keeps_every_label(rows: list[Row]) -> None:
    for row in [*of(rows, "nothing"), *(row for row in rows if row["magnitude"] == 0)]:
        assert row["diversity"] == 0
        assert row["label_preservation"] == row["accuracy"]


def test_op_that_blanks_every_image_has_the_accuracy_of_chance(rows: list[Row]) -> None:
    clean, some, gone = of(rows, "blank")
    assert gone["label_preservation"] == pytest.approx(0.1, abs=0.03)
    assert gone["diversity"] == pytest.approx(0, abs=1e-6)  # both views are the same blank
    mixed = 0.7 * clean["accuracy"] + 0.3 * 0.1
    assert some["label_preservation"] == pytest.approx(mixed, abs=0.05)
    assert some["diversity"] > 0.2  # one view of two is blank in 42 of 100


def test_diversity_grows_and_label_preservation_falls_with_the_magnitude(rows: list[Row]) -> None:
    for op in ("noise", "rotate"):
        none, some, much = of(rows, op)
        assert 0 == none["diversity"] < some["diversity"] < much["diversity"]
        assert much["label_preservation"] < none["label_preservation"]


def test_costs_come_from_the_table(rows: list[Row]) -> None:
    costs = {op: [row["cost"] for row in of(rows, op)] for op in ("nothing", "noise", "rotate")}
    assert costs == {"nothing": [0, 0.5, 0.5], "noise": [0, 0.1, 0.1], "rotate": [0, 0.25, 0.25]}


def test_rows_repeat_and_do_not_depend_on_each_other(rows: list[Row]) -> None:
    state = torch.get_rng_state()
    assert analyse(DIGITS, ("rotate",), (1,), costs=COSTS) == of(rows, "rotate")[2:]
    assert torch.equal(torch.get_rng_state(), state)


def test_costs_are_measured_where_there_is_no_table() -> None:
    task = DIGITS.but(steps=4, width=2, n_train=20, n_validation=20, batch_size=4)
    (row,) = analyse(task, ("noise",), (1,))
    assert row["cost"] >= 0


@pytest.mark.parametrize(
    ("dataset", "child", "ops"),
    [
        ("opinions", "bilstm", ("deletion", "synonym")),
        ("mentions", "tagger", ("masking", "mention")),
    ],
)
def test_ops_for_sentences_are_analysed(dataset: str, child: str, ops: tuple[str, str]) -> None:
    task = Task(dataset, 60, 60, n_validation=60, child=child, width=8, lexicon="opinions")
    task = task.but(lexicon=dataset if dataset == "opinions" else None)
    rows = analyse(task, (*ops, "rotate"), (0, 1), costs=COSTS)
    assert [row["op"] for row in rows] == [ops[0], ops[0], ops[1], ops[1]]  # no images to rotate
    for none, much in (rows[:2], rows[2:]):
        assert none["diversity"] == 0
        assert none["label_preservation"] == none["accuracy"] > 0.5
        assert much["diversity"] > 0.01
        assert much["label_preservation"] <= 1


def test_features_are_the_inputs_of_the_last_linear_layer() -> None:
    images = torch.rand(5, 1, 8, 8, generator=Generator().manual_seed(0))
    cnn = SmallCNN(1, (8, 8), 3, 2).eval()
    features = predict(Features(cnn), images)
    last = cnn.layers[-1]
    assert isinstance(last, nn.Linear)
    assert torch.allclose(last(features), cnn(images), atol=1e-6)
    assert not last._forward_hooks


@pytest.mark.parametrize("length", [3, 5])  # as many sentences as tokens, or fewer
def test_features_of_tokens_are_averaged_over_each_sentence(length: int) -> None:
    ids = torch.randint(1, 20, (5, length), generator=Generator().manual_seed(0))
    ids[1, 2:] = 0
    ids[3, 1:] = 0
    tagger = Tagger(20, 4, 3).eval()
    features = predict(Features(tagger), ids)  # a linear layer and a mean change places
    last = tagger.layers[-1]
    expected = [tagger(row[row > 0][None])[0].mean(0) for row in ids]
    assert torch.allclose(last(features), torch.stack(expected), atol=1e-5)


def test_features_do_not_depend_on_padding() -> None:
    ids = torch.tensor([[4, 5, 6], [7, 0, 0]])
    model = BiLSTM(20, 2, 3)
    alone = predict(Features(model), ids[1:, :1])
    assert torch.allclose(predict(Features(model), ids)[1:], alone, atol=1e-6)


def test_model_without_a_linear_layer_is_refused() -> None:
    with pytest.raises(AdaptAugError, match="before a linear layer, got none in Identity"):
        Features(nn.Identity())


def test_child_that_diverged_is_refused() -> None:
    with pytest.raises(AdaptAugError, match=r"diverged at peak_learning_rate 1e\+30 on .*'digits'"):
        analyse(DIGITS.but(steps=20, peak_learning_rate=1e30), ("noise",), (1,), costs=COSTS)
