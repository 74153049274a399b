"""The arms of a comparison: name, ops and controller of each in a given setting."""

import math

import pytest

from adaptaug.controllers import Constant, Reactive
from adaptaug.controllers.fixed import Schedule
from adaptaug.data import load
from adaptaug.errors import AdaptAugError
from adaptaug.generative.ops import generated
from adaptaug.ops import OpSpace
from adaptaug.policy.cost import CostTable
from adaptaug.policy.network import PolicyNetwork
from adaptaug.policy.policy import Policy
from adaptaug.training.task import Task
from experiments.common.arms import ARMS, OFTEN, entrants
from experiments.common.defaults import DEFAULTS
from experiments.common.hand_set import HAND_SET, magnitudes_of
from experiments.common.setting import Setting, as_searched, fitting

IMAGES = Task(n_train=50, steps=100)
TASKS = {
    "image": IMAGES,
    "text": Task("opinions", 50, 100, child="bilstm", lexicon="opinions"),
    "tagging": Task("mentions", 50, 100, child="tagger", lexicon="mentions"),
}


def setting_of(modality: str, **more) -> Setting:
    usual = DEFAULTS[modality]
    return Setting(TASKS[modality], usual.ops, usual.hand_set, **more)


def test_magnitudes_of_amounts_match_hand_computation() -> None:
    amounts = {"rotate": 15, "brightness": 0.2, "zoom": math.log(1.2), "crop": 0.125}
    assert magnitudes_of(amounts) == pytest.approx(
        {"rotate": 15 / 30, "brightness": 0.4, "zoom": math.log(1.2) / math.log(1.5), "crop": 1.0}
    )


def test_efficient_pipeline_matches_the_amounts_of_study_3() -> None:
    [entrant] = entrants(["efficient pipeline"], setting_of("image"))
    assert entrant.arm.ops == ("rotate", "hflip", "brightness", "zoom", "noise")
    assert entrant.arm.controller.decide(0.5, None) == pytest.approx(
        [0.5, 1.0, 0.4, math.log(1.2) / math.log(1.5), 0.5], abs=1e-3
    )


def test_lowest_level_of_the_reactive_rule_has_only_crop_and_flip() -> None:
    magnitudes = magnitudes_of(HAND_SET["full complexity"]["image"])
    setting = Setting(IMAGES, tuple(magnitudes), magnitudes)
    [entrant] = entrants(["reactive"], setting)
    assert isinstance(entrant.arm.controller, Reactive)
    assert entrant.arm.ops == ("crop", "hflip", "rotate", "brightness", "contrast")
    assert entrant.arm.controller.levels == [[1, 1, 0, 0, 0], [1, 1, 0.5, 0.2, 0.2]]


@pytest.mark.parametrize("modality", TASKS)
def test_every_arm_has_a_unique_name_and_an_op_for_the_data(modality: str) -> None:
    op = DEFAULTS[modality].ops[0]
    learned = {"learned": Policy(PolicyNetwork(1), (op,))}
    halves = [0.5] * len(DEFAULTS[modality].ops)
    setting = setting_of(
        modality, policies=learned, warm_starts=learned, best=halves,
        schedules={"learned": Schedule([0], [[0.5]])},
        found={name: Constant(halves) for name in ("best constant (GP)", "best ramp")},
    )  # fmt: skip
    found = entrants(ARMS, setting)
    names = [entrant.arm.name for entrant in found]
    assert len(set(names)) == len(names)
    assert set(names) >= ARMS.keys() - {
        "crop", "crop and flip", "EDA", "RandAugment", "TrivialAugment", "full complexity",
        "cheap ops", "efficient pipeline", "generative",
    }  # fmt: skip
    assert ("crop and flip" in names) == (modality == "image")
    assert ("EDA" in names) == (modality == "text")
    assert ("generative" in names) == (modality != "tagging")
    for entrant in found:
        if entrant.arm.name in ("none", "none on all labels"):
            assert entrant.arm.ops == ()
        else:
            assert any(OpSpace(entrant.arm.ops).applies(modality)), entrant.arm.name


def test_arms_that_need_synonyms_are_left_out_without_a_lexicon() -> None:
    setting = Setting(TASKS["text"].but(lexicon=None), ("swap", "deletion"), {"swap": 0.5})
    found = {entrant.arm.name: entrant.arm for entrant in entrants(ARMS, setting)}
    assert "EDA" not in found
    assert found["cheap ops"].ops == ("swap", "deletion")


def test_each_policy_has_its_own_arms_with_its_number_of_decisions() -> None:
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


def test_fitting_leaves_out_policies_of_another_modality() -> None:
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
def test_decision_interval_is_the_users_else_the_policys(
    users: int | None, policys: int | None, steps: int, boundaries: list[int]
) -> None:
    policy = Policy(PolicyNetwork(1), ("rotate",), decisions=4, decision_interval=policys)
    task = as_searched(Task(steps=steps, decision_interval=users), policy)
    assert task.boundaries() == boundaries


def test_arms_of_a_policy_use_its_cost_table_and_all_others_the_first_policys() -> None:
    tables = [CostTable(observe=2.0), CostTable(observe=3.0)]
    policies = {
        f"learned {number}": Policy(PolicyNetwork(1), ("rotate",), costs=costs)
        for number, costs in enumerate(tables)
    }
    names = ["none", "untrained policy", "reactive", "learned", "online"]
    found = entrants(names, setting_of("image", policies=policies))
    assert [entrant.costs for entrant in found] == [tables[0]] * 3 + tables * 2
    assert entrants(["none"], setting_of("image"))[0].costs == CostTable()


def test_arm_that_is_named_twice_is_trained_once() -> None:
    found = entrants(["none", "ADA", "none"], setting_of("image"))
    assert [entrant.arm.name for entrant in found] == ["none", "ADA"]


def test_variants_replace_registered_generators() -> None:
    op = generated(steps=1)
    setting = Setting(IMAGES, ("generated", "hflip"), {"generated": 0.3}, variants={op.name: op})
    constant, generative = entrants(["constant", "generative"], setting)
    assert constant.arm.ops == (op, "hflip")
    assert isinstance(generative.arm.controller, Constant)
    assert generative.arm.ops == (op,)
    assert generative.arm.controller.magnitudes == [0.3]


def test_unknown_arm_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(AdaptAugError, match=r"an arm must be one of none, crop, .*'nones'"):
        entrants(["nones"], setting_of("image"))


def test_colour_ops_are_left_out_on_grayscale_data() -> None:
    assert load("digits").channels == 1
    [entrant] = entrants(["cheap ops"], setting_of("image"))
    assert "saturation" in HAND_SET["cheap ops"]["image"]
    assert "saturation" not in entrant.arm.ops
