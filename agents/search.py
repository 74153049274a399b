"""The search: PPO learns a policy over many child trainings, with checkpoints and resumption."""

import copy
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger

from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.train_child import worker_pool
from adaptaug.ops import OpSpace
from adaptaug.policy.cost import CostTable
from adaptaug.policy.policy import Policy, load_policy, save_policy
from adaptaug.training.calibration import calibrate
from adaptaug.training.task import TaskRange
from adaptaug.utils.files import make_folder, write_json
from adaptaug.utils.seeding import RandomStream, one_thread
from agents.callbacks import Progress
from agents.checkpoint import CHECKPOINT, COUNTS, load_checkpoint
from agents.config import SearchConfig
from agents.min_epochs import FEWEST_PAIRS, evidence, fewest_passes, gains, guarded
from agents.objective import Trial
from agents.ppo_policy import OpPolicy
from agents.warm_start.screening import Screening, screen
from envs.vector import GroupedVecEnv

SCREENING = "screening.json"
"""Where it says what each op is worth, in a run folder; beside the checkpoint, what it was told."""

SAFEGUARD = "safeguard.json"
"""Where a run folder says what the policy gains over none, by the passes of a run."""


@dataclass(frozen=True)
class SearchResult:
    """What a search leaves besides its files."""

    policy: Policy
    """The learned policy."""
    untrained: Policy
    """The policy as it was before the first update: the arm to beat."""
    costs: Sequence[CostTable]
    """The measured cost table of each task."""
    episodes: int
    """Child trainings done."""
    child_steps: int
    """Batches that children were trained on."""
    seconds: float
    """Elapsed time."""
    interrupted: bool
    """Whether Ctrl-C ended it."""
    history: list[dict[str, float]]
    """Mean gain, cost and validation accuracy of each update."""
    safeguard: dict[str, Any] | None
    """What `safeguard.json` says; None without one."""


def search(config: SearchConfig, folder: Path, *, resume: bool = False) -> SearchResult:
    """Learns a policy and exports it to `folder/policy`.

    Every update leaves a checkpoint in `folder/checkpoints`. Ctrl-C ends the search after the
    last complete update, with its policy exported.

    Args:
        config: what to search.
        folder: the run folder; it exists.
        resume: go on from the folder's checkpoint.

    Raises:
        AdaptAugError: tasks, ops or checkpoint are not usable.
    """
    tasks = [TaskRange.from_dict(task) for task in config.tasks]
    costs = _costs(config, tasks, folder / "checkpoints" / "costs.json", resume)
    env = GroupedVecEnv(
        {
            "tasks": list(config.tasks),
            "ops": config.ops,
            "cost_weight": config.cost_weight,
            "costs": [table.to_dict() for table in costs],
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
            return _search(config, folder, env, tasks, costs, resume)
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        env.close()


def _search(
    config: SearchConfig,
    folder: Path,
    env: GroupedVecEnv,
    tasks: Sequence[TaskRange],
    costs: Sequence[CostTable],
    resume: bool,
) -> SearchResult:
    agent = build_agent(config, env, decisions=max(len(t.task.boundaries()) for t in tasks))
    policy = agent.policy
    assert isinstance(policy, OpPolicy)
    screening = int(config.screening * config.episodes) // env.num_envs if config.op_bias else 0
    pairs = _pairs(config, config.episodes * (1 - config.safeguard))
    updates = max(1, (config.episodes - 2 * pairs) // env.num_envs - screening)
    checkpoint = folder / CHECKPOINT
    counts = dict.fromkeys(COUNTS, 0.0)
    if resume:
        counts = load_checkpoint(checkpoint, agent, env)
        untrained = load_policy(folder / "checkpoints" / "untrained", config.ops)
    else:
        standardise_on_first_rollout(policy, env, agent.n_steps)
        untrained = _export(config, policy, tasks, costs, 0)
        save_policy(folder / "checkpoints" / "untrained", untrained)
    callback = Progress(config, folder, screening + updates, counts)
    trial = Trial(tasks, costs, config.cost_weight, config.seed, config.device)
    interrupted, found = False, None
    if counts["updates"] >= updates:
        found = _found(folder / SAFEGUARD)
    else:  # of a policy that learns on now
        (folder / SAFEGUARD).unlink(missing_ok=True)
    try:
        screened = counts["episodes"] >= screening * env.num_envs
        screened &= (folder / SCREENING).exists() or not screening
        if not screened:
            screened = _screen_ops(config, agent, env, trial, screening, folder, callback, resume)
        if screened:
            agent.learn(
                round(updates - counts["updates"]) * agent.n_steps * env.num_envs,
                callback=callback,
                reset_num_timesteps=not resume,
            )
        pairs = _pairs(config, callback.counts["episodes"])  # fewer where time was up
        if pairs:
            first = screening * config.groups
            trials = range(first, first + pairs)
            learned = _export(config, policy, tasks, costs, 0)
            found = found or _safeguard(learned, trial, trials, config.processes, folder)
            steps = sum(trial.draw(number)[0].steps for number in trials)
            callback.counts["episodes"] += 2 * pairs
            callback.counts["child_steps"] += 2 * steps
    except KeyboardInterrupt:
        interrupted = True
        if checkpoint.exists():  # the update in progress is dropped
            callback.counts = load_checkpoint(checkpoint, agent, env)
    finally:
        callback.close()
    episodes = round(callback.counts["episodes"])
    learned = _export(config, policy, tasks, costs, episodes)
    if found:
        learned = guarded(learned, found["fewest_passes"])
    save_policy(folder / "policy", learned)
    return SearchResult(
        learned, untrained, costs, episodes, round(callback.counts["child_steps"]),
        callback.seconds(), interrupted, callback.history, found,
    )  # fmt: skip


def _screen_ops(
    config: SearchConfig,
    agent: PPO,
    env: GroupedVecEnv,
    trial: Trial,
    rollouts: int,
    folder: Path,
    progress: Progress,
    resume: bool,
) -> bool:
    """Screens the ops, and notes what they are worth; returns whether there was time for all."""
    policy, path = agent.policy, folder / CHECKPOINT.parent / SCREENING
    assert isinstance(policy, OpPolicy)
    screening = Screening(len(config.ops), config.screened_at, config.seed)
    if resume and path.exists():
        screening.recall(_read_rows(path))
    env.reset()  # a checkpoint is of episodes that have begun
    size = config.group_size

    def save() -> None:
        done = [trial.draw(number)[0].steps for number in range(len(screening.told))]
        progress.counts |= {"episodes": size * len(done), "child_steps": size * sum(done)}
        progress.save(agent, env)

    save()
    with worker_pool([item.task.dataset for item in trial.tasks], config.processes) as pool:
        for _ in screen(
            screening, config.ops, trial, rollouts, pool, groups=config.groups, group_size=size
        ):
            write_json(path, screening.told)
            save()
            progress.after_rollout()
            if progress.time_is_up():
                break
    screening.start(policy.network, learns=True)
    progress.save(agent, env)
    worth = screening.worth(policy.network)
    write_json(folder / SCREENING, dict(zip(config.ops, worth, strict=True)))
    return len(screening.told) == rollouts * config.groups


def _pairs(config: SearchConfig, episodes: float) -> int:
    """How many pairs of the safeguard go with so many other episodes; none where too few."""
    pairs = round(config.safeguard / (1 - config.safeguard) * episodes) // 2
    return pairs if pairs >= FEWEST_PAIRS else 0


def _safeguard(
    policy: Policy, trial: Trial, trials: Sequence[int], processes: int, folder: Path
) -> dict[str, Any]:
    """Measures from how many passes on a policy is of use, and notes why."""
    with worker_pool([item.task.dataset for item in trial.tasks], processes) as pool:
        passes, (gained,) = gains([policy], trial, trials, pool)
    found = evidence(passes, gained, fewest_passes(passes, gained))
    write_json(folder / SAFEGUARD, found)
    return found


def _found(path: Path) -> dict[str, Any] | None:
    """What a safeguard has found before; None where there was none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        passes, gained = (np.array(found[key], dtype=float) for key in ("passes", "gains"))
        return evidence(passes, gained, fewest_passes(passes, gained))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise AdaptAugError(f"{path} must be what the search wrote, got {error}") from None


def _costs(
    config: SearchConfig, tasks: Sequence[TaskRange], path: Path, resume: bool
) -> list[CostTable]:
    """Measures what augmenting costs; a resumed search keeps the tables that it began with."""
    op_space = OpSpace(config.ops)
    if resume and path.exists():
        return [CostTable.from_dict(row) for row in _read_rows(path)]
    costs = [calibrate(task.task, op_space, config.device) for task in tasks]
    make_folder(path.parent)
    write_json(path, [table.to_dict() for table in costs])
    return costs


def _read_rows(path: Path) -> list[dict[str, Any]]:
    """A JSON list of objects that a search left beside its checkpoint."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AdaptAugError(f"{path} must be what the search wrote, got {error}") from None
    if not (isinstance(rows, list) and all(isinstance(row, dict) for row in rows)):
        raise AdaptAugError(f"{path} must be what the search wrote, a list of objects")
    return rows


def build_agent(config: SearchConfig, env: GroupedVecEnv, decisions: int) -> PPO:
    """PPO for whole episodes of `decisions` decisions, undiscounted."""
    transitions = decisions * env.num_envs
    agent = PPO(
        OpPolicy,
        env,
        learning_rate=lambda left: config.learning_rate * left,
        n_steps=decisions,
        batch_size=math.ceil(transitions / config.minibatches),
        n_epochs=config.epochs,
        gamma=1.0,
        gae_lambda=1.0,
        ent_coef=0.0,
        target_kl=config.target_kl,
        policy_kwargs={
            "actor": config.actor,
            "hidden": config.hidden,
            "op_bias": config.op_bias,
            "log_std_init": config.log_std,
            "seed": config.seed,
        },
        device="cpu",
    )
    np.random.seed(config.seed)  # noqa: NPY002 - SB3 shuffles minibatches with it
    agent.set_logger(Logger(None, []))
    return agent


def standardise_on_first_rollout(policy: OpPolicy, env: GroupedVecEnv, decisions: int) -> None:
    """Fits the observation statistics to one rollout of the untrained policy."""
    observations = [env.reset()]
    for _ in range(decisions - 1):
        actions, _ = policy.predict(observations[-1])
        env.step_async(actions)
        observations.append(env.step_wait()[0])
    policy.network.standardise.fit(torch.from_numpy(np.concatenate(observations)))


def _export(
    config: SearchConfig,
    policy: OpPolicy,
    tasks: Sequence[TaskRange],
    costs: Sequence[CostTable],
    episodes: int,
) -> Policy:
    kwargs = {"actor": config.actor, "hidden": list(config.hidden), "op_bias": config.op_bias}
    network = copy.deepcopy(policy.network)
    first = tasks[0].task
    provenance = {
        "tasks": [task.to_dict() for task in tasks],
        "episodes": episodes,
        "seed": config.seed,
        "cost_weight": config.cost_weight,
    }
    return Policy(
        network.eval(), tuple(config.ops), first.decisions, first.decision_interval, kwargs,
        costs[0], provenance,
    )  # fmt: skip
