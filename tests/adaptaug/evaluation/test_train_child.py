"""Training under arms: records that replay, whoever trains them, and an honest test split."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch
from torchvision.transforms.v2 import RandomInvert

from adaptaug.controllers import Constant, Learned, Random
from adaptaug.data import Examples, load, preload
from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.robustness import score_names
from adaptaug.evaluation.train_child import Arm, Job, Record, train_child, train_children
from adaptaug.ops import OpSpace, ops_for, register, wrap
from adaptaug.policy.cost import CostTable
from adaptaug.policy.network import PolicyNetwork
from adaptaug.policy.observation import Observation
from adaptaug.training.task import Task
from adaptaug.utils.types import Modality

OPS = ("rotate", "noise")
TASK = Task(steps=12, n_train=40, n_validation=50, batch_size=8, width=2, decisions=3, n_test=100)
NONE = Arm("none", OPS, Constant([0, 0]))
RANDOM = Arm("random", OPS, Random([0.3, 0.3]))
LEARNED = Arm("learned", OPS, Learned(PolicyNetwork(len(OPS))))


def timeless(records: list[Record]) -> list[Record]:
    """Records without what a clock says."""
    clocks = {"seconds", "controller_seconds"}
    return [{k: v for k, v in record.items() if k not in clocks} for record in records]


def test_a_record_holds_what_reports_need() -> None:
    record = train_child(Job(LEARNED, TASK, seed=3))
    expected: dict[str, Any] = {
        "arm": "learned", "seed": 3, "dataset": "digits", "child": "cnn", "n_train": 40,
        "steps": 12, "num_classes": 10, "diverged": False, "ops": ["rotate", "noise"],
    }  # fmt: skip
    assert {name: record[name] for name in expected} == expected
    for name in ("accuracy", "precision", "recall", "f1", "validation_accuracy"):
        assert 0 <= record[name] <= 1
    assert record["loss"] > 0
    assert record["validation_loss"] > 0
    assert 0 < record["controller_seconds"] < record["seconds"]
    assert record["robustness"] is None
    assert record["notes"] == []
    assert record["cost"] > 0
    assert len(record["magnitudes"]) == 3
    assert all(0 <= m <= 1 for row in record["magnitudes"] for m in row)
    assert all(len(row) == 2 for row in record["magnitudes"])
    assert json.loads(json.dumps(record)) == record


def test_workers_train_the_same_children_bit_for_bit() -> None:
    jobs = [Job(arm, TASK, seed) for seed in (0, 1) for arm in (NONE, RANDOM, LEARNED)]
    here = train_children(jobs, 0, "here", quiet=True)
    there = train_children(jobs, 2, "there", quiet=True)
    assert timeless(here) == timeless(there)
    assert [(r["seed"], r["arm"]) for r in there] == [(j.seed, j.arm.name) for j in jobs]


@pytest.mark.parametrize(
    ("dataset", "child", "ops"),
    [
        ("opinions", "bilstm", ("synonym", "masking")),
        ("mentions", "tagger", ("mention", "masking")),
    ],
)
def test_children_for_sentences_too(dataset: str, child: str, ops: tuple[str, ...]) -> None:
    task = TASK.but(dataset=dataset, child=child, width=4, lexicon=dataset, metric="f1")
    arms = (
        Arm("none", ops, Constant([0, 0])),
        Arm("learned", ops, Learned(PolicyNetwork(2))),
    )
    jobs = [Job(arm, task, 0) for arm in arms]
    here = train_children(jobs, 0, "here", quiet=True)
    assert timeless(train_children(jobs, 1, "there", quiet=True)) == timeless(here)
    assert json.loads(json.dumps(here)) == here
    for record in here:
        for name in ("accuracy", "f1", "validation_accuracy", "validation_score"):
            assert 0 <= record[name] <= 1
    assert here[1]["magnitudes"][0] == pytest.approx([0.15, 0.15], abs=0.05)


def test_a_record_does_not_depend_on_the_jobs_before_it() -> None:
    jobs = [Job(RANDOM, TASK, seed) for seed in (0, 1)]
    forwards = train_children(jobs, 0, "", quiet=True)
    backwards = train_children(jobs[::-1], 0, "", quiet=True)
    assert timeless(forwards) == timeless(backwards[::-1])
    assert forwards[0]["magnitudes"] != forwards[1]["magnitudes"]


def test_arms_of_one_seed_share_their_luck() -> None:
    """Two controllers that choose alike train the very same child, observed or not."""
    first = train_child(Job(NONE, TASK, 0))
    second = train_child(Job(Arm("other", ("noise",), Constant([0])), TASK, 0))
    assert (first["accuracy"], first["loss"]) == (second["accuracy"], second["loss"])


def spoilt_digits() -> str:
    """Digits whose test split has wrong labels."""
    source = load("digits")
    spoilt = Examples(source.test.inputs, source.test.targets.roll(7))
    preload(replace(source, name="spoilt digits", test=spoilt))
    return "spoilt digits"


def test_without_test_the_test_split_is_untouched() -> None:
    whole = train_child(Job(RANDOM, TASK, 0, test=True))
    blind = train_child(Job(RANDOM, TASK, 0, test=False))
    assert not {"accuracy", "precision", "recall", "f1", "loss", "robustness"} & set(blind)
    assert timeless([whole | blind]) == timeless([whole])
    spoilt = train_child(Job(RANDOM, TASK.but(dataset=spoilt_digits()), 0, test=False))
    assert timeless([spoilt | {"dataset": "digits"}]) == timeless([blind])


@pytest.mark.parametrize("steps", [12, 1])  # after one step the loss, taken before it, is fine
def test_a_diverged_child_has_the_accuracy_of_chance(steps: int) -> None:
    task = TASK.but(steps=steps, peak_learning_rate=1e30)
    record = train_child(Job(LEARNED, task, 0, robustness=True))
    assert record["diverged"]
    assert (record["accuracy"], record["f1"]) == (0.1, 0)
    assert (record["precision"], record["recall"]) == (0, 0)
    assert record["loss"] == pytest.approx(math.log(10))
    assert record["robustness"] == dict.fromkeys(score_names("image"), 0.1)
    assert len(record["magnitudes"]) <= 3


class Unseeing(Constant):
    """Constant magnitudes of a controller that watches, but not what each op would do."""

    observes = True
    probes = False
    looked: ClassVar[list[Observation]] = []

    def decide(self, progress: float, observation: Observation | None) -> Sequence[float]:
        assert observation is not None
        self.looked.append(observation)
        return super().decide(progress, observation)


def test_what_a_controller_does_not_read_is_not_probed_nor_paid_for() -> None:
    costs = CostTable(observe=7.0, validate=2.0)
    arm = Arm("unseeing", OPS, Unseeing([0, 0]))
    record = train_child(Job(arm, TASK, 0, costs))
    assert record["cost"] == pytest.approx(3 * 2 / 12)  # three decisions in twelve steps
    assert len(Unseeing.looked) == 3
    assert all((seen.ops[:, :3] == 0).all() for seen in Unseeing.looked)


def test_precision_and_recall_of_the_test_split() -> None:
    """After one tiny step the child says one class of everything."""
    task = TASK.but(steps=1, peak_learning_rate=1e-9, width=1)
    record = train_child(Job(NONE, task, 0))
    assert record["recall"] == 0.1
    assert record["precision"] == pytest.approx(record["accuracy"] / 10)


def test_fitting_counts_as_training_and_its_notes_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OpSpace, "fit_seconds", 1000.0)
    monkeypatch.setattr(OpSpace, "notes", ("generated: held at 0",))
    record = train_child(Job(NONE, TASK, 0, test=False))
    assert 1000 < record["seconds"] < 2000
    assert record["notes"] == ["generated: held at 0"]


@pytest.mark.parametrize(
    ("dataset", "child", "modality", "overall"),
    [
        ("digits", "cnn", "image", "corruption"),
        ("opinions", "bilstm", "text", "word_noise"),
        ("mentions", "tagger", "tagging", "word_noise"),
    ],
)
def test_robustness_belongs_to_a_record_where_it_is_asked_for(
    dataset: str, child: str, modality: Modality, overall: str
) -> None:
    task = Task(dataset, 60, 60, n_validation=50, child=child, width=8, n_test=100)
    ops = ("noise",) if modality == "image" else ("masking",)
    arm = Arm("none", ops, Constant([0]))
    record = train_child(Job(arm, task, 0, robustness=True))
    scores = record["robustness"]
    assert list(scores) == score_names(modality)
    assert 0 <= scores[overall] <= scores["clean"]
    assert scores["clean"] == record["f1" if modality == "tagging" else "accuracy"]
    assert json.loads(json.dumps(record)) == record
    assert timeless([train_child(Job(arm, task, 0))]) == timeless([record | {"robustness": None}])


def test_early_stopping_ends_a_run() -> None:
    task = TASK.but(steps=300, decision_interval=1, decisions=1, patience=2, peak_learning_rate=0.3)
    record = train_child(Job(NONE, task, 0))
    assert len(record["magnitudes"]) < 300


@pytest.mark.parametrize("processes", [0, 1])
def test_a_users_mistake_arrives_from_wherever_the_child_trains(processes: int) -> None:
    jobs = [Job(NONE, TASK.but(n_train=1200), 0)]
    with pytest.raises(AdaptAugError, match="fit in the pool of 1200 rows"):
        train_children(jobs, processes, "", quiet=True)


def test_the_random_state_of_others_is_untouched() -> None:
    before = torch.get_rng_state()
    train_child(Job(RANDOM, TASK, 0))
    assert torch.equal(torch.get_rng_state(), before)


def test_workers_know_a_users_registered_op() -> None:
    if "inverted" not in ops_for("image"):
        register(wrap(RandomInvert(1.0), "inverted"))
    arm = Arm("inverted", ("inverted",), Constant([1.0]))
    job = Job(arm, Task(steps=4, n_train=20, n_validation=20, width=4), seed=0)
    assert timeless(train_children([job], 1, "", quiet=True)) == timeless([train_child(job)])
