"""The table of arms: what each makes of a setting."""

import math

import pytest

from adaptaug.controllers import Constant, Reactive
from adaptaug.data import load
from adaptaug.errors import AdaptAugError
from adaptaug.generative.ops import generated
from adaptaug.ops import OpSpace
from adaptaug.policy.cost import CostTable
from adaptaug.policy.network import PolicyNetwork
from adaptaug.policy.policy import Policy
from adaptaug.training.task import Task
from experiments.common.arms import (
    ARMS,
    HAND_SET,
    OFTEN,
    Setting,
    as_searched,
    entrants,
    fitting,
    magnitudes_of,
)
from experiments.common.defaults import DEFAULTS

IMAGES = Task(n_train=50, steps=100)
TASKS = {
    "image": IMAGES,
    "text": Task("opinions", 50, 100, child="bilstm", lexicon="opinions"),
    "tagging": Task("mentions", 50, 100, child="tagger", lexicon="mentions"),
}


def setting_of(modality: str, **more) -> Setting:
    usual = DEFAULTS[modality]
    return Setting(TASKS[modality], usual.ops, usual.hand_set, **more)


def test_amounts_become_shares_of_each_ops_range() -> None:
    amounts = {"rotate": 15, "brightness": 0.2, "zoom": math.log(1.2), "crop": 0.125}
    assert magnitudes_of(amounts) == pytest.approx(
        {"rotate": 15 / 30, "brightness": 0.4, "zoom": math.log(1.2) / math.log(1.5), "crop": 1.0}
    )


def test_study_3s_ops_by_hand() -> None:
    [entrant] = entrants(["efficient pipeline"], setting_of("image"))
    assert entrant.arm.ops == ("rotate", "hflip", "brightness", "zoom", "noise")
    assert entrant.arm.controller.decide(0.5, None) == pytest.approx(
        [0.5, 1.0, 0.4, math.log(1.2) / math.log(1.5), 0.5], abs=1e-3
    )


def test_the_reactive_rule_starts_from_flip_and_crop() -> None:
    magnitudes = magnitudes_of(HAND_SET["full complexity"]["image"])
    setting = Setting(IMAGES, tuple(magnitudes), magnitudes)
    [entrant] = entrants(["reactive"], setting)
    assert isinstance(entrant.arm.controller, Reactive)
    assert entrant.arm.ops == ("crop", "hflip", "rotate", "brightness", "contrast")
    assert entrant.arm.controller.levels == [[1, 1, 0, 0, 0], [1, 1, 0.5, 0.2, 0.2]]


@pytest.mark.parametrize("modality", TASKS)
def test_every_arm_has_a_name_and_ops_that_suit_the_data(modality: str) -> None:
    op = DEFAULTS[modality].ops[0]
    policy = Policy(PolicyNetwork(1), (op,))
    setting = setting_of(modality, policies={"learned": policy}, best=[0.5] * 5)
    setting = Setting(
        setting.task, setting.ops, setting.hand_set, {"learned": policy}, [0.5] * len(setting.ops)
    )
    found = entrants(ARMS, setting)
    names = [entrant.arm.name for entrant in found]
    assert len(set(names)) == len(names)
    assert {"none", "constant", "best constant", "reactive", "ADA", "AugNet", "online"} < set(names)
    assert ("crop and flip" in names) == (modality == "image")
    assert ("EDA" in names) == (modality == "text")
    assert ("generative" in names) == (modality != "tagging")
    for entrant in found:
        assert any(OpSpace(entrant.arm.ops).applies(modality)), entrant.arm.name


def test_without_a_lexicon_no_arm_needs_one() -> None:
    setting = Setting(TASKS["text"].but(lexicon=None), ("swap", "deletion"), {"swap": 0.5})
    found = {entrant.arm.name: entrant.arm for entrant in entrants(ARMS, setting)}
    assert "EDA" not in found
    assert found["cheap ops"].ops == ("swap", "deletion")


def test_policies_have_arms_of_their_own_in_the_rhythm_they_were_searched_in() -> None:
    policies = {
        f"learned {name}": Policy(PolicyNetwork(1), ("rotate",), decisions=count)
        for name, count in (("a", 4), ("b", 16))
    }
    setting = setting_of("image", policies=policies)
    found = entrants(["none", "learned", "online", "reactive"], setting)
    assert {entrant.arm.name: entrant.task.decisions for entrant in found} == {
        "none": 8, "learned a": 4, "learned b": 16, "online a": 4, "online b": 16,
        "reactive": OFTEN,
    }  # fmt: skip
    stopping = Setting(
        IMAGES.but(patience=3, decision_interval=5), setting.ops, setting.hand_set, policies
    )
    assert {entrant.task for entrant in entrants(["learned", "reactive"], stopping)} == {
        stopping.task
    }


def test_a_policy_for_images_is_no_arm_on_sentences() -> None:
    images, words = (Policy(PolicyNetwork(1), (op,)) for op in ("rotate", "swap"))
    policies = {"learned images": images, "learned words": words}
    assert list(fitting(policies, TASKS["image"])) == ["learned images"]
    assert list(fitting(policies, TASKS["text"])) == ["learned words"]


@pytest.mark.parametrize(
    ("users", "policys", "steps", "boundaries"),
    [
        (None, None, 100, [25, 50, 75, 100]),
        (None, 40, 100, [40, 80, 100]),
        (None, 400, 100, [100]),  # longer than the run
        (50, 40, 100, [50, 100]),
        (50, None, 100, [50, 100]),
    ],
)
def test_one_rhythm_the_users_then_the_policys(
    users: int | None, policys: int | None, steps: int, boundaries: list[int]
) -> None:
    policy = Policy(PolicyNetwork(1), ("rotate",), decisions=4, decision_interval=policys)
    task = as_searched(Task(steps=steps, decision_interval=users), policy)
    assert task.boundaries() == boundaries


def test_each_policy_observes_with_its_own_costs_and_the_others_with_the_firsts() -> None:
    tables = [CostTable(observe=2.0), CostTable(observe=3.0)]
    policies = {
        f"learned {number}": Policy(PolicyNetwork(1), ("rotate",), costs=costs)
        for number, costs in enumerate(tables)
    }
    names = ["none", "untrained policy", "reactive", "learned", "online"]
    found = entrants(names, setting_of("image", policies=policies))
    assert [entrant.costs for entrant in found] == [tables[0]] * 3 + tables * 2
    assert entrants(["none"], setting_of("image"))[0].costs == CostTable()


def test_an_arm_named_twice_runs_once() -> None:
    found = entrants(["none", "ADA", "none"], setting_of("image"))
    assert [entrant.arm.name for entrant in found] == ["none", "ADA"]


def test_none_does_not_train_a_generator_and_the_others_take_the_settings_given() -> None:
    op = generated(steps=1)
    setting = Setting(IMAGES, ("generated", "hflip"), {"generated": 0.3}, variants={op.name: op})
    none, constant, generative = entrants(["none", "constant", "generative"], setting)
    assert none.arm.ops == ("hflip",)
    assert constant.arm.ops == (op, "hflip")
    assert isinstance(generative.arm.controller, Constant)
    assert generative.arm.ops == (op,)
    assert generative.arm.controller.magnitudes == [0.3]


def test_an_unknown_arm_is_one_sentence() -> None:
    with pytest.raises(AdaptAugError, match=r"an arm must be one of none, crop and flip.*'nones'"):
        entrants(["nones"], setting_of("image"))


def test_digits_are_grayscale_so_saturation_is_left_out() -> None:
    assert load("digits").channels == 1
    [entrant] = entrants(["cheap ops"], setting_of("image"))
    assert "saturation" in HAND_SET["cheap ops"]["image"]
    assert "saturation" not in entrant.arm.ops
