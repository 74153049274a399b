"""Checkpoints, from which a search resumes bit for bit; they hold tensors and numbers only."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from safetensors.torch import save as tensor_bytes
from stable_baselines3 import PPO

from adaptaug.errors import AdaptAugError
from adaptaug.utils.files import make_folder, write_bytes
from envs.vector import GroupedVecEnv

CHECKPOINT = Path("checkpoints") / "last.safetensors"
"""Path of the checkpoint in a run folder."""

COUNTS = ("updates", "episodes", "child_steps", "seconds")
"""Counters of a search that a checkpoint holds."""


def save_checkpoint(path: Path, agent: PPO, counts: Mapping[str, float], *, running: bool) -> None:
    """Writes weights, optimiser, random states and counters.

    Args:
        path: the checkpoint.
        agent: PPO between two updates, on a `GroupedVecEnv`.
        counts: values of the `COUNTS`.
        running: whether PPO has begun an episode in every group. A resumed search begins these
            episodes again.
    """
    make_folder(path.parent)
    tensors = {f"policy.{k}": v for k, v in agent.policy.state_dict().items()}
    for index, state in agent.policy.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{k}": torch.as_tensor(v) for k, v in state.items()}
    _, keys, position, _, _ = np.random.get_state()  # noqa: NPY002
    tensors |= {
        "random.torch": torch.get_rng_state(),
        "random.numpy": torch.from_numpy(np.asarray(keys).astype(np.int64)),
        "random.numpy_position": torch.tensor(position),
        "env.episodes": torch.from_numpy(grouped_env(agent).episodes - int(running)),
        "timesteps": torch.tensor(agent.num_timesteps),
    }
    tensors |= {f"count.{k}": torch.tensor(counts[k], dtype=torch.float64) for k in COUNTS}
    write_bytes(path, tensor_bytes({k: v.contiguous() for k, v in tensors.items()}))


def load_checkpoint(path: Path, agent: PPO) -> dict[str, float]:
    """Restores agent, environment and random states; returns the `COUNTS`.

    Raises:
        AdaptAugError: there is no checkpoint, or it is damaged or of another search.
    """
    try:
        tensors = read_tensors(path.read_bytes())
        agent.policy.load_state_dict(_under("policy.", tensors))
        optimizer = agent.policy.optimizer.state_dict() | {"state": {}}
        for key, value in _under("optimizer.", tensors).items():
            index, name = key.split(".")
            optimizer["state"].setdefault(int(index), {})[name] = value
        agent.policy.optimizer.load_state_dict(optimizer)
        keys = tensors["random.numpy"].numpy().astype(np.uint32)
        position = int(tensors["random.numpy_position"])
        np.random.set_state(("MT19937", keys, position, 0, 0.0))  # noqa: NPY002
        torch.set_rng_state(tensors["random.torch"])
        grouped_env(agent).episodes = tensors["env.episodes"].numpy().copy()
        agent.num_timesteps = int(tensors["timesteps"])
        return {name: float(tensors[f"count.{name}"]) for name in COUNTS}
    except OSError:
        raise AdaptAugError(f"a resumed search needs a checkpoint, got none at {path}") from None
    except (SafetensorError, RuntimeError, KeyError, ValueError) as error:
        raise AdaptAugError(
            f"the checkpoint at {path} is damaged or of another search: {error}"
        ) from None


def grouped_env(agent: PPO) -> GroupedVecEnv:
    """The agent's environment without its wrappers."""
    wrapped = agent.get_env()
    assert wrapped is not None
    env = wrapped.unwrapped
    assert isinstance(env, GroupedVecEnv)
    return env


def _under(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
