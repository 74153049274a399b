"""The search for a policy: a warm start, PPO, and the shortest run worth augmenting."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from adaptaug.ops import OpSpace
from adaptaug.policy.cost import CostTable
from adaptaug.policy.policy import Policy, load_policy, save_policy
from adaptaug.training.calibration import calibrate
from adaptaug.training.task import TaskRange
from adaptaug.utils.files import make_folder, write_json
from adaptaug.utils.seeding import RandomStream, one_thread
from agents.callbacks import SearchCallback
from agents.checkpoint import CHECKPOINT, COUNTS, load_checkpoint
from agents.config import SearchConfig
from agents.group_baseline import GroupBaseline
from agents.objective import Objective
from agents.phases import (
    UNTRAINED,
    PPOUpdates,
    SearchState,
    ShortestUsefulRun,
    WarmStart,
    discard,
    read_rows,
)
from agents.ppo import build_agent, standardise_on_first_rollout
from envs.vector import GroupedVecEnv

COSTS = CHECKPOINT.parent / "costs.json"
"""Path in a run folder of the measured cost tables."""


@dataclass(frozen=True)
class SearchResult:
    """Result of a search."""

    policy: Policy
    """The learned policy."""
    untrained: Policy
    """The policy before the first phase, a baseline."""
    costs: Sequence[CostTable]
    """The measured cost table of each task."""
    episodes: int
    """Child trainings of all phases."""
    child_steps: int
    """Batches of these trainings."""
    seconds: float
    """Elapsed seconds, including those before the search was resumed."""
    interrupted: bool
    """Whether Ctrl-C ended the search."""
    history: list[dict[str, float]]
    """`gain`, `cost`, `reward` and `score` of each update; see `SearchCallback.history`."""
    evidence: dict[str, Any] | None
    """Shortest useful run and its pairs, see `agents.min_epochs.evidence`; None if not measured."""


def search(config: SearchConfig, folder: Path, *, resume: bool = False) -> SearchResult:
    """Searches a policy and saves it in `folder/policy`.

    A checkpoint is saved after every update. Ctrl-C ends the search: the update in progress is
    dropped, and the policy is saved as it was before.

    Args:
        config: the settings.
        folder: the run folder; must exist.
        resume: continues from the checkpoint in the folder.

    Raises:
        AdaptAugError: a task or an op is not valid; the checkpoint is missing, damaged or of
            another search.
    """
    tasks = [TaskRange.from_dict(task) for task in config.tasks]
    costs = _costs(config, tasks, folder / COSTS, resume)
    env = GroupedVecEnv(
        {
            "tasks": list(config.tasks),
            "ops": config.ops,
            "cost_weight": config.cost_weight,
            "costs": [table.to_dict() for table in costs],
            "features": config.features,
            "device": config.device,
        },
        groups=config.groups,
        group_size=config.group_size,
        processes=config.processes,
        seed=config.seed,
    )
    stream = RandomStream(config.seed)
    numpy_state = np.random.get_state()  # noqa: NPY002 - SB3 shuffles minibatches with it
    try:
        with stream.active(), one_thread():
            state = _begin(config, folder, env, tasks, costs, resume)
            return _run_phases(state)
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        env.close()


def _begin(
    config: SearchConfig,
    folder: Path,
    env: GroupedVecEnv,
    tasks: Sequence[TaskRange],
    costs: Sequence[CostTable],
    resume: bool,
) -> SearchState:
    """Builds agent and callback, new or as in the checkpoint."""
    agent = build_agent(config, GroupBaseline(env, config.group_size), env.horizon)
    counts = dict.fromkeys(COUNTS, 0.0)
    if resume:
        counts = load_checkpoint(folder / CHECKPOINT, agent)
    else:
        discard(folder)
        standardise_on_first_rollout(agent, config.features)
        if config.warm_start_rounds:
            # Skips the seed that an extra reset once used, so that a seed keeps its policy.
            env.episodes += 1
    objective = Objective(tasks, costs, config.cost_weight, config.seed, config.device)
    state = SearchState(config, folder, agent, objective, SearchCallback(config, folder, counts))
    if not resume:
        save_policy(folder / UNTRAINED, state.policy(0))
    return state


def _run_phases(state: SearchState) -> SearchResult:
    """Runs the phases that are not done, and saves the policy."""
    folder, callback = state.folder, state.callback
    untrained = load_policy(folder / UNTRAINED, state.config.ops)
    warm_start, ppo, shortest = WarmStart(state), PPOUpdates(state), ShortestUsefulRun(state)
    interrupted = False
    try:
        if not (warm_start.done() and ppo.done()):
            shortest.discard()
        if not warm_start.done():
            warm_start.run()
        if warm_start.done() and not ppo.done():  # else the time limit ended the warm start
            ppo.run()
        if not shortest.done():
            shortest.run()
    except KeyboardInterrupt:
        interrupted = True
        if (folder / CHECKPOINT).exists():  # drops the update in progress
            callback.counts = load_checkpoint(folder / CHECKPOINT, state.agent)
    finally:
        callback.close()
    episodes, child_steps = (round(callback.counts[name]) for name in ("episodes", "child_steps"))
    evidence = shortest.evidence()
    if evidence:
        episodes, child_steps = episodes + 2 * shortest.pairs, child_steps + shortest.child_steps
    policy = state.policy(episodes)
    if evidence:
        policy = replace(policy, min_epochs=evidence["min_epochs"])
    save_policy(folder / "policy", policy)
    return SearchResult(
        policy, untrained, state.objective.costs, episodes, child_steps,
        callback.seconds(), interrupted, callback.history, evidence,
    )  # fmt: skip


def _costs(
    config: SearchConfig, tasks: Sequence[TaskRange], path: Path, resume: bool
) -> list[CostTable]:
    """The given costs of augmentation, or measured ones; a resumed search reads those it had."""
    op_space = OpSpace(config.ops)
    if resume and path.exists():
        return [CostTable.from_dict(row) for row in read_rows(path)]
    costs = [CostTable.from_dict(row) for row in config.costs]
    costs = costs or [calibrate(task.task, op_space, config.device) for task in tasks]
    make_folder(path.parent)
    write_json(path, [table.to_dict() for table in costs])
    return costs
