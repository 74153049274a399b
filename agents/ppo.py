"""PPO of stable-baselines3, set up for episodes that are whole child trainings."""

import math
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv

from agents.config import SearchConfig
from agents.ppo_policy import OpPolicy


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


def standardise_on_first_rollout(agent: PPO) -> None:
    """Fits the observation statistics of the policy to one rollout before any update."""
    env, policy = agent.get_env(), op_policy(agent)
    assert env is not None
    observations: list[Any] = [env.reset()]
    for _ in range(agent.n_steps - 1):
        actions, _ = policy.predict(observations[-1])
        env.step_async(actions)
        observations.append(env.step_wait()[0])
    policy.network.standardise.fit(torch.from_numpy(np.concatenate(observations)))
