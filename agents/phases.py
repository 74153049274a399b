"""The phases of a search: warm start, PPO, shortest useful run.

Each phase keeps its results in the run folder: `done` reads there whether the phase is complete,
and `run` continues from there, so that a resumed search replays an uninterrupted one bit for bit.
"""

import copy
import json
import shutil
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stable_baselines3 import PPO

from adaptaug.errors import AdaptAugError
from adaptaug.evaluation.train_child import worker_pool
from adaptaug.policy.policy import Policy, save_policy
from adaptaug.utils.files import write_json
from agents.callbacks import SearchCallback
from agents.checkpoint import CHECKPOINT
from agents.config import SearchConfig
from agents.min_epochs import evidence, gains_over_none, read_evidence, shortest_useful_run
from agents.objective import Objective
from agents.ppo import op_policy
from agents.warm_start.screening import Screening, screen

WARM_START = Path("warm_start.json")
"""Path in a run folder of what the warm start found of each op; see `Screening.op_effects`."""

WARM_START_TRAININGS = CHECKPOINT.parent / WARM_START
"""Path in a run folder of the trainings of the warm start, from which it resumes."""

MIN_EPOCHS = Path("min_epochs.json")
"""Path in a run folder of the shortest useful run; see `agents.min_epochs.evidence`."""


UNTRAINED = CHECKPOINT.parent / "untrained"
"""Path in a run folder of the policy before the first phase."""

WARM_START_POLICY = CHECKPOINT.parent / "warm_start"
"""Path in a run folder of the policy after the warm start and before PPO, a baseline."""


@dataclass(frozen=True)
class SearchState:
    """What the phases of a search share."""

    config: SearchConfig
    """The settings."""
    folder: Path
    """The run folder."""
    agent: PPO
    """PPO, with the policy that is searched."""
    objective: Objective
    """Draws and scores the child trainings of the first and the last phase."""
    callback: SearchCallback
    """Counts what is done and saves checkpoints."""

    def policy(self, episodes: int) -> Policy:
        """A copy of the current policy, with `episodes` child trainings in its provenance."""
        config, tasks = self.config, self.objective.tasks
        network = copy.deepcopy(op_policy(self.agent).network).eval()
        kwargs = {"hidden": list(config.hidden), "op_bias": config.op_bias}
        provenance = {
            "tasks": [task.to_dict() for task in tasks],
            "episodes": episodes,
            "seed": config.seed,
            "cost_weight": config.cost_weight,
        }
        first = tasks[0].task
        return Policy(
            network, tuple(config.ops), first.decisions, first.decision_interval, kwargs,
            self.objective.costs[0], provenance,
        )  # fmt: skip


class Phase(ABC):
    """One phase of a search."""

    def __init__(self, state: SearchState) -> None:
        """Takes what the phases share."""
        self._state, self._config = state, state.config

    @abstractmethod
    def done(self) -> bool:
        """Whether the phase is complete."""

    @abstractmethod
    def run(self) -> None:
        """Runs the phase from where it was, to its end or the time limit."""


class WarmStart(Phase):
    """Trains children under constant magnitudes and initialises the policy from their scores."""

    def done(self) -> bool:
        """Whether all rounds are trained and the policy is initialised."""
        trainings = self._config.warm_start_rounds * self._config.children
        enough = self._state.callback.counts["episodes"] >= trainings
        return trainings == 0 or (enough and (self._state.folder / WARM_START).exists())

    def run(self) -> None:
        """Trains the remaining rounds, then initialises the policy; see `Screening`."""
        state, config, callback = self._state, self._config, self._state.callback
        screening = Screening(len(config.ops), config.warm_start_magnitude, config.seed)
        path = state.folder / WARM_START_TRAININGS
        if path.exists():
            screening.replay(read_rows(path))
        self._save(screening)
        datasets = [item.task.dataset for item in state.objective.tasks]
        with worker_pool(datasets, config.processes) as pool:
            for _ in screen(
                screening, config.ops, state.objective, config.warm_start_rounds, pool,
                groups=config.groups, group_size=config.group_size,
            ):  # fmt: skip
                write_json(path, screening.history)
                self._save(screening)
                callback.advance_bar()
                if callback.time_is_up():
                    break
        network = op_policy(state.agent).network
        screening.initialise(network, before_ppo=True)
        callback.save(state.agent, running=False)
        save_policy(
            state.folder / WARM_START_POLICY, state.policy(round(callback.counts["episodes"]))
        )
        effects = screening.op_effects(network)
        write_json(state.folder / WARM_START, dict(zip(config.ops, effects, strict=True)))

    def _save(self, screening: Screening) -> None:
        """Counts the trainings and saves a checkpoint."""
        state, size = self._state, self._config.group_size
        steps = [state.objective.draw(trial)[0].steps for trial in range(len(screening.history))]
        state.callback.counts |= {"episodes": size * len(steps), "child_steps": size * sum(steps)}
        state.callback.save(state.agent, running=False)


class PPOUpdates(Phase):
    """Improves the policy by PPO."""

    def done(self) -> bool:
        """Whether all updates are done."""
        return self._state.callback.counts["updates"] >= self._config.updates

    def run(self) -> None:
        """Does the remaining updates."""
        agent, callback = self._state.agent, self._state.callback
        updates = self._config.updates - round(callback.counts["updates"])
        steps = updates * agent.n_steps * self._config.children
        agent.learn(steps, callback=callback, reset_num_timesteps=False)


class ShortestUsefulRun(Phase):
    """Trains pairs of children with and without the policy; see `agents.min_epochs`."""

    def done(self) -> bool:
        """Whether the pairs are trained, or the search has too few trainings for them."""
        return self.pairs == 0 or self.evidence() is not None

    def run(self) -> None:
        """Trains the pairs and writes the shortest useful run."""
        state = self._state
        datasets = [item.task.dataset for item in state.objective.tasks]
        with worker_pool(datasets, self._config.processes) as pool:
            epochs, (gains,) = gains_over_none(
                [state.policy(0)], state.objective, self._trials, pool
            )
        found = evidence(epochs, gains, shortest_useful_run(epochs, gains))
        write_json(state.folder / MIN_EPOCHS, found)

    def evidence(self) -> dict[str, Any] | None:
        """What the phase found; None before it is done."""
        return read_evidence(self._state.folder / MIN_EPOCHS)

    def discard(self) -> None:
        """Removes what the phase found, because the policy learns on."""
        (self._state.folder / MIN_EPOCHS).unlink(missing_ok=True)

    @property
    def pairs(self) -> int:
        """Number of pairs; fewer if the time limit ended the other phases early."""
        return self._config.pairs(self._state.callback.counts["episodes"])

    @property
    def child_steps(self) -> int:
        """Batches of all trainings of the phase."""
        return 2 * sum(self._state.objective.draw(trial)[0].steps for trial in self._trials)

    @property
    def _trials(self) -> range:
        """Numbers of the trials: those after the warm start's."""
        first = self._config.warm_start_rounds * self._config.groups
        return range(first, first + self.pairs)


def discard(folder: Path) -> None:
    """Removes what another search left in a run folder, so that no phase takes it for its own."""
    for path in (CHECKPOINT, WARM_START_TRAININGS, WARM_START, MIN_EPOCHS):
        (folder / path).unlink(missing_ok=True)
    shutil.rmtree(folder / WARM_START_POLICY, ignore_errors=True)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Reads a JSON list of objects that a search wrote.

    Raises:
        AdaptAugError: the file is missing or damaged.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AdaptAugError(f"{path} must be what the search wrote, got {error}") from None
    if not (isinstance(rows, list) and all(isinstance(row, dict) for row in rows)):
        raise AdaptAugError(f"{path} must be what the search wrote, a list of objects")
    return rows
