"""The arms of every comparison: each has a name, ops and a controller of their magnitudes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import torch
from torchvision.transforms import v2

from adaptaug.controllers import (
    ADA,
    AugNet,
    Constant,
    Controller,
    Learned,
    Online,
    Ramp,
    Random,
    Reactive,
)
from adaptaug.data import load
from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.train_child import Arm
from adaptaug.ops import Op, ops_for, wrap
from adaptaug.policy.network import PolicyNetwork
from adaptaug.policy.policy import Policy
from adaptaug.training.task import Task
from adaptaug.utils.types import Modality
from experiments.common.defaults import DEFAULTS
from experiments.common.hand_set import HAND_SET, magnitudes_of
from experiments.common.setting import Entrant, Setting, ops_fit
from experiments.common.trivial_augment import TrivialAugment

USUAL: dict[Modality, Callable[[], dict[str, tuple[str | Op, ...]]]] = {
    "image": lambda: {
        "crop": ("crop",),
        "crop and flip": ("crop", "hflip"),
        "RandAugment": (wrap(v2.RandAugment()),),
        "TrivialAugment": (wrap(TrivialAugment()),),
    },
    "text": lambda: {"EDA": ("eda",)},
    "tagging": dict,
}
"""The usual default augmentations by modality: the ops of each arm, all at magnitude 1."""

PLAIN = ("none", "crop and flip", "EDA")
"""The arms without search that stay with --no-defaults."""

BASE = ("crop", "hflip", "synonym", "masking")
"""The only ops in the lowest level of the arm 'reactive'."""

GENERATED = {"image": "generated", "text": "generated_text"}
"""The op that puts a generator's samples into a batch, by modality."""

SHARE = 0.3
"""Magnitude of that op in the arm 'generative'."""

OFTEN = 40
"""Decisions in a run of the arms that react to feedback, unless the task sets the interval."""


def fixed_arms(ops: Sequence[str], task: Task) -> list[Arm]:
    """Arms that need no search: none, hand-set rules and the usual defaults.

    Args:
        ops: op space of the policy that is compared with them.
        task: the task; usual defaults that do not suit its data are left out.
    """
    names, modality = tuple(ops), load(task.dataset).modality
    setting = Setting(task, names, DEFAULTS[modality].hand_set)
    rules = entrants(("none", "constant", "ramp", "random"), setting)
    return [*(entrant.arm for entrant in rules), *usual_arms(task)]


def usual_arms(task: Task) -> list[Arm]:
    """The usual default augmentations for the task's data; EDA only with a lexicon."""
    return [
        Arm(name, ops, Constant([1.0] * len(ops)))
        for name, ops in USUAL[load(task.dataset).modality]().items()
        if all(ops_fit(ops, task))
    ]


def note_metrics(policies: Mapping[str, Policy], task: Task) -> None:
    """Prints which policies were searched with another metric than the task's."""
    for name, policy in policies.items():
        if policy.metric != task.metric:
            print(
                f"policy {name!r} was searched with metric {policy.metric!r} and observes "
                f"{task.metric!r} here; --training.metric changes that"
            )


def ops_that_fit(ops: Sequence[str], task: Task) -> tuple[str, ...]:
    """Those of the ops that suit the task's data."""
    return tuple(op for op, fits in zip(ops, ops_fit(ops, task), strict=True) if fits)


def pool_size(task: Task) -> int:
    """Number of labelled examples from which training and reward-validation rows are drawn."""
    rows = task.rows or (0, len(load(task.dataset).train))
    return rows[1] - rows[0]


def with_all_labels(task: Task) -> Task | None:
    """The task with its reward-validation examples moved to the training examples.

    Every training validates on at least one example per class, so in a pool without other examples
    as many are not trained on. None if there is then nothing to move.
    """
    pool, source = pool_size(task), load(task.dataset)
    n_train = min(task.n_train + task.n_validation, pool - source.num_classes)
    if n_train <= task.n_train:
        return None
    return task.but(n_train=n_train, n_validation=min(task.n_validation, pool - n_train))


def policy_arm(name: str, policy: Policy) -> Arm:
    """An arm whose magnitudes a policy chooses."""
    return Arm(name, policy.ops, Learned(policy.network, policy.min_epochs))


def constant_arm(name: str, ops: Sequence[str], magnitudes: Sequence[float]) -> Arm:
    """An arm of constant magnitudes."""
    return Arm(name, tuple(ops), Constant(magnitudes))


def entrants(names: Iterable[str], setting: Setting) -> list[Entrant]:
    """The arms of these names that suit the setting, each once.

    Raises:
        AdaptAugError: a name is unknown; the sentence lists the known ones.
    """
    names = list(dict.fromkeys(names))
    check_arms(names)
    return [
        replace(entrant, arm=replace(entrant.arm, name=entrant.arm.name or name))
        for name in names
        for entrant in ARMS[name](setting)
    ]


def check_arms(names: Iterable[str]) -> None:
    """Checks that all arms are known.

    Raises:
        AdaptAugError: an arm is unknown; the sentence lists the known ones.
    """
    for name in names:
        if name not in ARMS:
            raise AdaptAugError(f"an arm must be one of {', '.join(ARMS)}, got {name!r}")


Maker = Callable[[Setting], list[Entrant]]
"""Makes one arm, an arm for each policy, or no arm if it does not suit the setting. An arm with an
empty name gets its name in `ARMS`."""


def _rule(make: Callable[[Setting], Controller], often: bool = False) -> Maker:
    """A rule on the setting's ops; `often` gives it `OFTEN` decisions."""

    def maker(setting: Setting) -> list[Entrant]:
        task = setting.task
        if often and task.patience is None and task.decision_interval is None:
            task = task.but(decisions=OFTEN)
        arm = Arm("", setting.acting(setting.ops), make(setting))
        return [Entrant(arm, task, setting.costs)]

    return maker


def _none(setting: Setting) -> list[Entrant]:
    """No augmentation."""
    return [Entrant(constant_arm("", (), ()), setting.task, setting.costs)]


def _all_labels(setting: Setting) -> list[Entrant]:
    """No augmentation, and training on the reward-validation examples too."""
    task = with_all_labels(setting.task)
    return [] if task is None else [Entrant(constant_arm("", (), ()), task, setting.costs)]


def _usual(name: str) -> Maker:
    """One of the usual default augmentations."""

    def maker(setting: Setting) -> list[Entrant]:
        arms = [arm for arm in usual_arms(setting.task) if arm.name == name]
        return [Entrant(arm, setting.task, setting.costs) for arm in arms]

    return maker


def _hand_set(name: str) -> Maker:
    """A constant of `HAND_SET`, without the ops that do not suit the data."""

    def maker(setting: Setting) -> list[Entrant]:
        amounts = HAND_SET[name].get(setting.modality, {})
        kept = {op: value for op, value in amounts.items() if all(ops_fit((op,), setting.task))}
        if not kept:
            return []
        magnitudes = magnitudes_of(kept)
        arm = constant_arm("", tuple(magnitudes), list(magnitudes.values()))
        return [Entrant(arm, setting.task, setting.costs)]

    return maker


def _generative(setting: Setting) -> list[Entrant]:
    """A constant fraction of generated samples in every batch."""
    op = GENERATED.get(setting.modality)
    if op is None or op not in ops_for(setting.modality):
        return []
    arm = Arm("", setting.acting((op,)), Constant([SHARE]))
    return [Entrant(arm, setting.task, setting.costs)]


def _best(setting: Setting) -> list[Entrant]:
    """The best constant that a random search found."""
    arm = Arm("", setting.acting(setting.ops), Constant(setting.best))
    return [Entrant(arm, setting.task, setting.costs)] if setting.best else []


def _found(name: str) -> Maker:
    """A schedule that a Gaussian process found."""

    def maker(setting: Setting) -> list[Entrant]:
        if name not in setting.found:
            return []
        arm = Arm("", setting.acting(setting.ops), setting.found[name])
        return [Entrant(arm, setting.task, setting.costs)]

    return maker


def _levels(setting: Setting) -> list[list[float]]:
    """Study 1's levels: first the base ops alone, then all hand-set magnitudes."""
    rows = list(zip(setting.ops, setting.magnitudes, strict=True))
    return [[m if name in BASE else 0.0 for name, m in rows], [m for _, m in rows]]


def _policies(make: Callable[..., Controller], word: str) -> Maker:
    """An arm for each policy, with `word` in place of "learned" in its name."""

    def maker(setting: Setting) -> list[Entrant]:
        return [
            Entrant(
                Arm(
                    name.replace("learned", word, 1),
                    policy.ops,
                    make(policy.network, min_epochs=policy.min_epochs),
                ),
                setting.task_for(policy),
                policy.costs,
            )
            for name, policy in setting.policies.items()
        ]

    return maker


def _replay(setting: Setting) -> list[Entrant]:
    """The mean magnitudes of each policy, without observing the run."""
    return [
        Entrant(
            Arm(name.replace("learned", "replay", 1), policy.ops, setting.schedules[name]),
            setting.task_for(policy),
            policy.costs,
        )
        for name, policy in setting.policies.items()
        if name in setting.schedules
    ]


def _warm_start(setting: Setting) -> list[Entrant]:
    """Each policy before PPO, at the decisions of the policy."""
    return [
        Entrant(
            policy_arm(name.replace("learned", "warm start", 1), setting.warm_starts[name]),
            setting.task_for(policy),
            policy.costs,
        )
        for name, policy in setting.policies.items()
        if name in setting.warm_starts
    ]


def _untrained(setting: Setting) -> list[Entrant]:
    """A randomly initialised policy network on the first policy's ops, else on the setting's."""
    first = next(iter(setting.policies.values()), None)
    ops, kwargs = (setting.ops, {}) if first is None else (first.ops, dict(first.network_kwargs))
    network = PolicyNetwork(len(ops), generator=torch.Generator().manual_seed(0), **kwargs)
    task = setting.task if first is None else setting.task_for(first)
    return [Entrant(Arm("", ops, Learned(network)), task, setting.costs)]


ARMS: dict[str, Maker] = {
    "none": _none,
    "crop": _usual("crop"),
    "crop and flip": _usual("crop and flip"),
    "EDA": _usual("EDA"),
    "RandAugment": _usual("RandAugment"),
    "TrivialAugment": _usual("TrivialAugment"),
    "none on all labels": _all_labels,
    **{name: _hand_set(name) for name in HAND_SET},
    "constant": _rule(lambda s: Constant(s.magnitudes)),
    "best constant": _best,
    "best constant (GP)": _found("best constant (GP)"),
    "best ramp": _found("best ramp"),
    "ramp": _rule(lambda s: Ramp(s.magnitudes)),
    "random": _rule(lambda s: Random([0.25] * len(s.ops))),
    "reactive": _rule(lambda s: Reactive(_levels(s)), often=True),
    "ADA": _rule(lambda s: ADA(s.magnitudes), often=True),
    "AugNet": _rule(lambda s: AugNet(len(s.ops)), often=True),
    "generative": _generative,
    "untrained policy": _untrained,
    "warm start": _warm_start,
    "replay": _replay,
    "learned": _policies(Learned, "learned"),
    "online": _policies(Online, "online"),
}
"""All arms by name."""
