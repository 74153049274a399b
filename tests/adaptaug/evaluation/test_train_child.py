"""Training children under arms: records that repeat with and without workers."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import RandomInvert

from adaptaug.controllers import Constant, Learned, Random
from adaptaug.data import Examples, load, preload
from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.robustness import score_names
from adaptaug.evaluation.train_child import (
    Arm,
    Job,
    Pool,
    Record,
    train_child,
    train_children,
    worker_pool,
)
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


@pytest.fixture(scope="module")
def workers() -> Iterator[Pool]:
    """Two worker processes, started once for all tests."""
    with worker_pool(["digits", "opinions", "mentions"], 2) as pool:
        yield pool


def timeless(records: list[Record]) -> list[Record]:
    """Records without their times."""
    clocks = {"seconds", "controller_seconds"}
    return [{k: v for k, v in record.items() if k not in clocks} for record in records]


def test_record_has_the_fields_that_reports_read() -> None:
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


@pytest.mark.slow
def test_workers_train_the_same_children_bit_for_bit(workers: Pool) -> None:
    jobs = [Job(arm, TASK, seed) for seed in (0, 1) for arm in (NONE, RANDOM, LEARNED)]
    here = train_children(jobs, 0, "here", quiet=True)
    there = workers.run(jobs, "there", quiet=True)
    assert timeless(here) == timeless(there)
    assert [(r["seed"], r["arm"]) for r in there] == [(j.seed, j.arm.name) for j in jobs]


@pytest.mark.parametrize(
    ("dataset", "child", "ops"),
    [
        ("opinions", "bilstm", ("synonym", "masking")),
        ("mentions", "tagger", ("mention", "masking")),
    ],
)
def test_workers_train_the_same_children_for_sentences(
    workers: Pool, dataset: str, child: str, ops: tuple[str, ...]
) -> None:
    task = TASK.but(dataset=dataset, child=child, width=4, lexicon=dataset, metric="f1")
    arms = (
        Arm("none", ops, Constant([0, 0])),
        Arm("learned", ops, Learned(PolicyNetwork(2))),
    )
    jobs = [Job(arm, task, 0) for arm in arms]
    here = train_children(jobs, 0, "here", quiet=True)
    assert timeless(workers.run(jobs, "there", quiet=True)) == timeless(here)
    assert json.loads(json.dumps(here)) == here
    for record in here:
        for name in ("accuracy", "f1", "validation_accuracy", "validation_score"):
            assert 0 <= record[name] <= 1
    assert here[1]["magnitudes"][0] == pytest.approx([0.15, 0.15], abs=0.05)


def test_record_does_not_depend_on_earlier_jobs() -> None:
    jobs = [Job(RANDOM, TASK, seed) for seed in (0, 1)]
    forwards = train_children(jobs, 0, "", quiet=True)
    backwards = train_children(jobs[::-1], 0, "", quiet=True)
    assert timeless(forwards) == timeless(backwards[::-1])
    assert forwards[0]["magnitudes"] != forwards[1]["magnitudes"]


def test_arms_that_choose_alike_train_the_same_child_of_a_seed() -> None:
    """Also where their op spaces differ."""
    first = train_child(Job(NONE, TASK, 0))
    second = train_child(Job(Arm("other", ("noise",), Constant([0])), TASK, 0))
    assert (first["accuracy"], first["loss"]) == (second["accuracy"], second["loss"])


def spoilt_digits() -> str:
    """Digits whose test split has wrong labels."""
    source = load("digits")
    spoilt = Examples(source.test.inputs, source.test.targets.roll(7))
    preload(replace(source, name="spoilt digits", test=spoilt))
    return "spoilt digits"


def test_test_split_is_not_read_without_test() -> None:
    whole = train_child(Job(RANDOM, TASK, 0, test=True))
    blind = train_child(Job(RANDOM, TASK, 0, test=False))
    assert not {"accuracy", "precision", "recall", "f1", "loss", "robustness"} & set(blind)
    assert timeless([whole | blind]) == timeless([whole])
    spoilt = train_child(Job(RANDOM, TASK.but(dataset=spoilt_digits()), 0, test=False))
    assert timeless([spoilt | {"dataset": "digits"}]) == timeless([blind])


@pytest.mark.parametrize("steps", [12, 1])  # after one step the loss, taken before it, is fine
def test_diverged_child_has_the_scores_of_chance(steps: int) -> None:
    task = TASK.but(steps=steps, peak_learning_rate=1e30)
    record = train_child(Job(LEARNED, task, 0, robustness=True))
    assert record["diverged"]
    assert (record["accuracy"], record["f1"]) == (0.1, 0)
    assert (record["precision"], record["recall"]) == (0, 0)
    assert record["loss"] == pytest.approx(math.log(10))
    assert record["robustness"] == dict.fromkeys(score_names("image"), 0.1)
    assert len(record["magnitudes"]) <= 3


class Unseeing(Constant):
    """Constant magnitudes of a controller that observes the run without probes."""

    features = ("validation_loss",)
    looked: ClassVar[list[Observation]] = []

    def decide(self, progress: float, observation: Observation | None) -> Sequence[float]:
        assert observation is not None
        self.looked.append(observation)
        return super().decide(progress, observation)


def test_probes_that_a_controller_does_not_read_are_not_made_or_charged() -> None:
    costs = CostTable(observe=7.0, validate=2.0)
    arm = Arm("unseeing", OPS, Unseeing([0, 0]))
    record = train_child(Job(arm, TASK, 0, costs))
    assert record["cost"] == pytest.approx(3 * 2 / 12)  # three decisions in twelve steps
    assert len(Unseeing.looked) == 3
    assert all(np.isnan(seen.ops).all() for seen in Unseeing.looked)


def test_precision_and_recall_are_those_of_the_test_split() -> None:
    """After one tiny step the child predicts one class for every example."""
    task = TASK.but(steps=1, peak_learning_rate=1e-9, width=1)
    record = train_child(Job(NONE, task, 0))
    assert record["recall"] == 0.1
    assert record["precision"] == pytest.approx(record["accuracy"] / 10)


def test_fitting_time_counts_as_training_and_notes_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
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
def test_robustness_is_recorded_only_where_it_is_asked_for(
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


def test_early_stopping_ends_the_run() -> None:
    task = TASK.but(steps=300, decision_interval=1, decisions=1, patience=2, peak_learning_rate=0.3)
    record = train_child(Job(NONE, task, 0))
    assert len(record["magnitudes"]) < 300


def test_error_is_raised_with_and_without_workers(workers: Pool) -> None:
    jobs = [Job(NONE, TASK.but(n_train=1200), 0)]
    for pool in (Pool(None), workers):
        with pytest.raises(AdaptAugError, match="fit in the pool of 1200 rows"):
            pool.run(jobs, "", quiet=True)


def test_global_random_state_is_unchanged() -> None:
    before = torch.get_rng_state()
    train_child(Job(RANDOM, TASK, 0))
    assert torch.equal(torch.get_rng_state(), before)


def test_workers_get_a_users_registered_op(workers: Pool) -> None:
    if "inverted" not in ops_for("image"):
        register(wrap(RandomInvert(1.0), "inverted"))
    arm = Arm("inverted", ("inverted",), Constant([1.0]))
    job = Job(arm, Task(steps=4, n_train=20, n_validation=20, width=4), seed=0)
    assert timeless(workers.run([job], "", quiet=True)) == timeless([train_child(job)])
