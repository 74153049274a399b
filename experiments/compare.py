r"""Compare any arms on any tasks, with the same seeds.

    python -m experiments.compare --name table --tasks digits:100x400 digits:400x400 \
        ../shared/data/mnist:500x400 --policy runs/digits/policy --seeds 10

Policies that were searched at different prices of compute, and a searched constant:

    python -m experiments.compare --name front --tasks digits:100x400 \
        --policy runs/cheap/policy runs/middle/policy runs/dear/policy \
        --arms none constant "best constant" learned --constant-trainings 96

Three searches that differ in their seed, as one arm with one interval:

    python -m experiments.compare --name searches --tasks digits:100x400 --seeds 20 --as-one \
        --policy runs/digits-0/policy runs/digits-1/policy runs/digits-2/policy

Another child for one of the tasks, and a small run:

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
    read_warm_starts,
    run_comparison,
    usual_arms_of,
)

TASK = re.compile(r"(?P<dataset>.+):(?P<n_train>\d+)x(?P<steps>\d+)(?:@(?P<child>\w+))?")
"""Form of a task on the command line."""

ALL = tuple(name for name in ARMS if name != "generative")
"""The arms of `--arms all`."""


@dataclass(frozen=True)
class Options:
    """Compare arms, write runs/NAME."""

    name: str = "table"
    """Name of the run folder in runs/."""
    tasks: tuple[str, ...] = ("digits:100x400",)
    """Tasks as DATASET:N_TRAINxSTEPS or DATASET:N_TRAINxSTEPS@CHILD; steps are batches. A data set
    is built in ('digits', 'opinions', 'mentions'), a hub id or a folder."""
    arms: tuple[str, ...] = ("all",)
    """Names of arms. 'all' stands for all that suit the tasks, except 'generative', which trains a
    generator for every seed; arms that need a policy or a search are included if there is one."""
    policy: tuple[str, ...] = ()
    """Policies for the arms 'learned' and 'online': folders, hub ids, or 'digits', which is part of
    the package. With several policies each arm's name contains the policy's folder."""
    as_one: bool = False
    """Whether policies whose folders differ only in a final number ('-0', '-1') are those of
    searches that differ only in their seed. Each of their arms is then one arm, with means and
    intervals over searches and seeds together."""
    seeds: int = 10
    """Number of evaluation seeds, the same for every arm."""
    constant_trainings: int = 0
    """Child trainings in the random search for the best constant, on each task; 0 leaves out this
    arm."""
    strong: bool = False
    """Adds the arms 'best constant (GP)' and 'best ramp' to 'all', each searched on every task with
    as many child trainings as the policy had (1,800 without one); with 200 where one takes over
    5 s."""
    strong_trainings: int | None = None
    """Child trainings of each of these two arms, in place of these numbers."""
    cost_weight: float = COST_WEIGHT
    """Lambda, the price of compute in the searches for constants and ramps."""
    robustness: bool = True
    """Whether children are also evaluated on attacked and corrupted inputs."""
    training: ChildOptions = field(default_factory=ChildOptions)
    """Training of the children."""


def run(options: Options) -> int:
    """Runs the script; returns the exit code."""
    policies = read_policies(options.policy)
    warm_starts = read_warm_starts(options.policy, policies)
    usual = usual_arms_of(ALL, policies, options.constant_trainings, options.strong)
    comparison = Comparison(
        "a comparison",
        tasks=list(dict.fromkeys(read_task(text, options.training) for text in options.tasks)),
        arms=[arm for name in options.arms for arm in (usual if name == "all" else [name])],
        seeds=options.seeds,
        required=[name for name in options.arms if name != "all"],
        policies=policies,
        warm_starts=warm_starts,
        as_one=options.as_one,
        constant_trainings=options.constant_trainings,
        strong_trainings=options.strong_trainings,
        cost_weight=options.cost_weight,
        robustness=options.robustness,
        processes=options.training.processes,
        device=options.training.device,
    )
    return run_comparison(comparison, options.name, options)


def read_task(text: str, training: ChildOptions) -> Task:
    """A task from DATASET:N_TRAINxSTEPS[@CHILD].

    Raises:
        AdaptAugError: the text has another form, or the data set cannot be loaded.
    """
    found = TASK.fullmatch(text)
    if found is None:
        raise AdaptAugError(
            f"a task must have the form DATASET:N_TRAINxSTEPS[@CHILD], got {text!r}"
        )
    child = found["child"] or training.child
    return replace(training, child=child).task(
        found["dataset"], int(found["n_train"]), int(found["steps"])
    )


if __name__ == "__main__":
    main(Options, run, __doc__)
