"""PPO of stable-baselines3, set up for episodes that are whole child trainings."""

import math
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.type_aliases import RolloutBufferSamples
from stable_baselines3.common.vec_env import VecEnv

from adaptaug.policy.observation import FEATURES, GLOBAL_FEATURES, log_epochs
from adaptaug.policy.schedules import SCHEDULES
from adaptaug.training.task import TaskRange
from agents.config import SearchConfig
from agents.ppo_policy import OpPolicy
from envs.vector import GroupedVecEnv

BUDGET_FEATURES = ("progress", "log_epochs", "log_epochs_left", "learning_rate")
"""Features whose statistics follow from the tasks alone, without any training."""

DRAWS = 1000
"""Number of tasks that are drawn for these statistics."""

_PROGRESS = GLOBAL_FEATURES.index("progress")


class EpisodeBuffer(RolloutBuffer):
    """A rollout buffer that leaves out the transitions of children whose run is over.

    A child that waits for the end of the rollout has progress 1. Its actions do nothing, so that
    updates must not learn from them. Its reward still reaches its earlier transitions.
    """

    def get(self, batch_size: int | None = None) -> Generator[RolloutBufferSamples, None, None]:
        """Yields all other transitions once, in random order.

        Args:
            batch_size: transitions in a minibatch if none is left out. Otherwise the minibatches
                are smaller, not fewer. None gives a single one.
        """
        if not self.generator_ready:
            for name in ("observations", "actions", "values", "log_probs", "advantages", "returns"):
                setattr(self, name, self.swap_and_flatten(getattr(self, name)))
            self.generator_ready = True
        rows = np.flatnonzero(self.observations[:, _PROGRESS] < 1)
        rows = np.random.permutation(rows)  # noqa: NPY002 - as SB3; the search seeds it
        count = math.ceil(len(self.observations) / (batch_size or len(self.observations)))
        for part in np.array_split(rows, min(count, len(rows))):
            yield self._get_samples(part)


def build_agent(config: SearchConfig, env: VecEnv, decisions: int) -> PPO:
    """Builds PPO without discounting, whose rollouts are whole episodes.

    Args:
        config: the settings of the search.
        env: the environment.
        decisions: decisions of an episode, the largest number of all tasks.
    """
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
        rollout_buffer_class=EpisodeBuffer,
        policy_kwargs={
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


def op_policy(agent: PPO) -> OpPolicy:
    """The agent's actor and critic."""
    policy = agent.policy
    assert isinstance(policy, OpPolicy)
    return policy


def standardise_on_first_rollout(agent: PPO, features: Sequence[str] = FEATURES) -> None:
    """Fits the observation statistics of the policy to one rollout before any update.

    Features that are not among the observed `features` are 0 there, and stay 0 for the policy. The
    statistics of the `BUDGET_FEATURES` are those of many draws from the tasks' ranges, as one
    rollout has a single budget for each group.
    """
    env, policy = agent.get_env(), op_policy(agent)
    assert env is not None
    observations: list[Any] = [env.reset()]
    for _ in range(agent.n_steps - 1):
        actions, _ = policy.predict(observations[-1])
        env.step_async(actions)
        observations.append(env.step_wait()[0])
    seen = np.concatenate(observations)
    policy.network.standardise.fit(torch.from_numpy(seen[seen[:, _PROGRESS] < 1]))
    if isinstance(env.unwrapped, GroupedVecEnv):
        budgets = torch.from_numpy(draw_budget_features(env.unwrapped.tasks))
        kept = [index for index, name in enumerate(BUDGET_FEATURES) if name in features]
        names = [BUDGET_FEATURES[index] for index in kept]
        policy.network.standardise.fit_run(names, budgets[:, kept])


def draw_budget_features(tasks: Sequence[TaskRange]) -> np.ndarray:
    """Values of the `BUDGET_FEATURES` at all decisions of `DRAWS` tasks, float32 (N, 4)."""
    random, rows = np.random.default_rng(0), []
    for _ in range(DRAWS):
        task = tasks[int(random.integers(len(tasks)))].draw(random)
        for step in (0, *task.boundaries()[:-1]):
            done, epochs = step / task.steps, task.epochs
            left = log_epochs(epochs * (1 - done))
            rows.append((done, log_epochs(epochs), left, SCHEDULES[task.schedule](done)))
    return np.array(rows, np.float32)
