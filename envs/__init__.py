"""Gymnasium environments: importing this package registers `adaptaug/ChildTraining-v0`."""

import gymnasium

from envs.child_training import ChildTrainingEnv

ENV_ID = "adaptaug/ChildTraining-v0"

if ENV_ID not in gymnasium.registry:
    gymnasium.register(ENV_ID, entry_point="envs.child_training:ChildTrainingEnv")

__all__ = ["ENV_ID", "ChildTrainingEnv"]
