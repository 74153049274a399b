r"""Any arms over any tasks in one table, on equal seeds.

    python -m experiments.compare --name table --tasks digits:100x400 digits:400x400 \
        ../shared/data/mnist:500x400 --policy runs/digits/policy --seeds 10

Policies searched at several prices of compute, against each other and a searched constant:

    python -m experiments.compare --name front --tasks digits:100x400 \
        --policy runs/cheap/policy runs/middle/policy runs/dear/policy \
        --arms none constant "best constant" learned --constant-trainings 96

Another child for one of the tasks, and a laptop-sized look:

    python -m experiments.compare --name children --tasks digits:100x400 \
        ../shared/data/cifar10:1000x100@resnet18
    python -m experiments.compare --name tiny --tasks digits:50x20 --seeds 2
"""

import re
from dataclasses import dataclass, field, replace

from adaptaug.errors import AdaptAugError
from adaptaug.policy.cost import COST_WEIGHT
from adaptaug.training.task import Task
from experiments.common.arms import ARMS
from experiments.common.cli import ChildOptions, main
from experiments.common.comparison import (
    Comparison,
    read_policies,
    run_comparison,
    usual_arms_of,
)

TASK = re.compile(r"(?P<dataset>.+):(?P<n_train>\d+)x(?P<steps>\d+)(?:@(?P<child>\w+))?")
"""How a task is written on the command line."""

ALL = tuple(name for name in ARMS if name != "generative")
"""The arms of `--arms all`."""


@dataclass(frozen=True)
class Options:
    """Compare arms, write runs/NAME."""

    name: str = "table"
    """Name of the run folder in runs/."""
    tasks: tuple[str, ...] = ("digits:100x400",)
    """What is trained: DATASET:N_TRAINxSTEPS, with @CHILD behind it for a child that is not the
    usual one. A data set is built in ('digits', 'opinions', 'mentions'), a hub id or a folder."""
    arms: tuple[str, ...] = ("all",)
    """Names of arms; 'all' stands for those that suit the tasks and that what is given allows, but
    for 'generative', which trains a generator for every seed."""
    policy: tuple[str, ...] = ()
    """Policy folders, hub ids, or 'digits', which comes with the package; with several, the arms
    are named by folder."""
    seeds: int = 10
    """Evaluation seeds, the same for every arm."""
    constant_trainings: int = 0
    """Child trainings in the random search of the best constant, on each task; 0: no such arm."""
    cost_weight: float = COST_WEIGHT
    """Lambda in that search."""
    robustness: bool = True
    """Whether children are also tested on attacked and corrupted inputs."""
    training: ChildOptions = field(default_factory=ChildOptions)
    """How children are trained."""


def run(options: Options) -> int:
    """Does the whole job; returns the exit code."""
    policies = read_policies(options.policy)
    usual = usual_arms_of(ALL, policies, options.constant_trainings)
    comparison = Comparison(
        "a comparison",
        tasks=list(dict.fromkeys(read_task(text, options.training) for text in options.tasks)),
        arms=[arm for name in options.arms for arm in (usual if name == "all" else [name])],
        seeds=options.seeds,
        required=[name for name in options.arms if name != "all"],
        policies=policies,
        constant_trainings=options.constant_trainings,
        cost_weight=options.cost_weight,
        robustness=options.robustness,
        processes=options.training.processes,
        device=options.training.device,
    )
    return run_comparison(comparison, options.name, options)


def read_task(text: str, training: ChildOptions) -> Task:
    """A task from DATASET:N_TRAINxSTEPS[@CHILD].

    Raises:
        AdaptAugError: it reads otherwise, or the data set cannot be loaded.
    """
    found = TASK.fullmatch(text)
    if found is None:
        raise AdaptAugError(f"a task must read DATASET:N_TRAINxSTEPS[@CHILD], got {text!r}")
    child = found["child"] or training.child
    return replace(training, child=child).task(
        found["dataset"], int(found["n_train"]), int(found["steps"])
    )


if __name__ == "__main__":
    main(Options, run, __doc__)
