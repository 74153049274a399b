"""The policy artefact: a folder that holds a policy and nothing that can run code.

`config.json` (op space, observation version, decision interval, provenance, checksum),
`model.safetensors` (actor and observation statistics) and a `README.md` card.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from safetensors.torch import save as tensor_bytes
from torch import Tensor

from adaptaug.errors import AdaptAugError
from adaptaug.ops import OpSpace
from adaptaug.policy.cost import CostTable
from adaptaug.policy.network import PolicyNetwork
from adaptaug.policy.observation import OBSERVATION_VERSION
from adaptaug.policy.schedules import DECISIONS
from adaptaug.utils.files import make_folder, plain, write_bytes, write_json, write_text

FORMAT_VERSION = 2
"""Changes whenever files or keys of the artefact do."""

BUNDLED = Path(__file__).parent / "bundled"
"""Policies that come with the package, a folder each, loaded by its name."""

_KEYS = {
    "format_version", "observation_version", "ops", "decisions", "decision_interval", "network",
    "costs", "provenance", "checksum",
}  # fmt: skip


@dataclass(frozen=True)
class Policy:
    """A policy with all it needs to be used on a new training run."""

    network: PolicyNetwork
    """Observation to magnitudes."""
    ops: tuple[str, ...]
    """Names of the ops, in the order of the magnitudes."""
    decisions: int = DECISIONS
    """Decisions in a run, where `decision_interval` is None."""
    decision_interval: int | None = None
    """Batches between decisions."""
    network_kwargs: Mapping[str, Any] = field(default_factory=dict)
    """Arguments that the network was built with, but for the number of ops."""
    costs: CostTable = field(default_factory=CostTable)
    """Costs that the policy was searched with."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Where the policy comes from: tasks, seeds, episodes, versions."""

    @property
    def op_space(self) -> OpSpace:
        """The op space, built from the installed ops."""
        return OpSpace(self.ops)

    @property
    def metric(self) -> str:
        """The validation score of its search, 'accuracy' or 'f1', as its provenance has it."""
        searched = self.provenance
        try:
            while "adapted_from" in searched:
                searched = searched["adapted_from"]
            return str(searched["tasks"][0]["metric"])
        except (LookupError, TypeError):
            return "accuracy"


def save_policy(folder: Path, policy: Policy) -> None:
    """Writes the artefact, each file atomically; an artefact that is there is replaced.

    Raises:
        AdaptAugError: the system refuses, or the network is not one that `ops` and
            `network_kwargs` describe, so that nobody could read it.
    """
    tensors = {name: value.contiguous() for name, value in policy.network.state_dict().items()}
    described = PolicyNetwork(len(policy.ops), **_network_kwargs(policy.network_kwargs))
    if (
        _shapes(described.state_dict()) != _shapes(tensors)
        or described.fewest_passes != policy.network.fewest_passes
    ):
        raise AdaptAugError(
            f"a policy's network must be built for its {len(policy.ops)} ops with its "
            f"network_kwargs {dict(policy.network_kwargs)}, got other parameters"
        )
    make_folder(folder)
    model = tensor_bytes(tensors)
    written = {
        "format_version": FORMAT_VERSION,
        "observation_version": OBSERVATION_VERSION,
        "ops": _op_rows(policy.ops),
        "decisions": policy.decisions,
        "decision_interval": policy.decision_interval,
        "network": dict(policy.network_kwargs),
        "costs": policy.costs.to_dict(),
        "provenance": dict(policy.provenance),
    }
    config: Any = plain(written)  # what reading the file gives: the checksum is of that
    config["checksum"] = _checksum(config, model)
    write_bytes(folder / "model.safetensors", model)
    write_json(folder / "config.json", config)
    write_text(folder / "README.md", _card(config))


def load_policy(reference: str | Path, ops: Sequence[str] | None = None) -> Policy:
    """Reads an artefact.

    Args:
        reference: a folder, a model id on the Hugging Face hub, or the name of a policy that comes
            with the package, such as "digits".
        ops: names of the ops that the caller expects; None takes the artefact's.

    Raises:
        AdaptAugError: there is no artefact, or it is truncated, altered, or of another format,
            observation version or op space; the sentence says which.
    """
    folder = _resolve(str(reference))
    config = _read_config(folder / "config.json")
    for name, version in (
        ("format_version", FORMAT_VERSION), ("observation_version", OBSERVATION_VERSION)
    ):  # fmt: skip
        if config.get(name) != version:
            raise AdaptAugError(
                f"{name} of a policy must be {version}, got {config.get(name)!r} in {folder}"
            )
    if set(config) != _KEYS:
        raise AdaptAugError(
            f"a policy's config.json must hold {sorted(_KEYS)}, got {sorted(config)} in {folder}"
        )
    try:
        model = (folder / "model.safetensors").read_bytes()
    except OSError:
        raise AdaptAugError(f"a policy needs a model.safetensors, got none in {folder}") from None
    expected = config.pop("checksum")
    if _checksum(config, model) != expected:
        raise AdaptAugError(
            f"the policy in {folder} is truncated or altered: its checksum is not {expected!r}"
        )
    try:
        return _policy(config, model, folder, ops)
    except AdaptAugError:
        raise
    except (SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise AdaptAugError(f"the policy in {folder} does not fit together: {reason}") from None


def _policy(
    config: Mapping[str, Any], model: bytes, folder: Path, ops: Sequence[str] | None
) -> Policy:
    """The policy of an artefact whose checksum is right."""
    names = tuple(row["name"] for row in config["ops"])
    if ops is not None and tuple(ops) != names:
        raise AdaptAugError(f"the policy in {folder} is for the ops {names}, got {tuple(ops)}")
    for theirs, ours in zip(config["ops"], _op_rows(names), strict=True):
        if theirs != ours:
            raise AdaptAugError(
                f"the policy in {folder} was searched with op {theirs}, but here it is {ours}"
            )
    network_kwargs = _network_kwargs(config["network"])
    network = PolicyNetwork(len(names), **network_kwargs)
    network.load_state_dict(read_tensors(model))
    return Policy(
        network.eval(),
        names,
        config["decisions"],
        config["decision_interval"],
        network_kwargs,
        CostTable(**config["costs"]),
        config["provenance"],
    )


def _resolve(reference: str) -> Path:
    """The local folder of an artefact, fetched from the hub where it is none."""
    bundled = sorted(folder.name for folder in BUNDLED.iterdir())
    if Path(reference).is_dir():
        return Path(reference)
    if reference in bundled:
        return BUNDLED / reference
    if reference.count("/") == 1 and not reference.startswith((".", "/", "~")):
        from huggingface_hub import snapshot_download

        try:
            return Path(
                snapshot_download(reference, allow_patterns=["*.json", "*.safetensors", "*.md"])
            )
        except Exception as error:  # noqa: BLE001 - the hub raises a dozen unrelated classes
            raise AdaptAugError(
                f"a policy must be a folder or a reachable hub id, got {reference!r} "
                f"({type(error).__name__})"
            ) from None
    raise AdaptAugError(
        f"a policy must be an existing folder, a hub id or one of {bundled}, got {reference!r}"
    )


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise AdaptAugError(f"a policy needs a config.json, got none in {path.parent}") from None
    except (ValueError, RecursionError) as error:
        raise AdaptAugError(f"{path} must be JSON, got {error}") from None
    if not isinstance(config, dict):
        raise AdaptAugError(f"{path} must hold an object, got {type(config).__name__}")
    return config


def _network_kwargs(config: Mapping[str, Any]) -> dict[str, Any]:
    return dict(config) | {"hidden": tuple(config.get("hidden", (32, 32)))}


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}


def _op_rows(names: Sequence[str]) -> list[dict[str, Any]]:
    """What of each op the magnitudes depend on."""
    return [
        {"name": op.name, "stage": op.stage, "high": op.high, "signed": op.signed}
        for op in OpSpace(names).ops
    ]


def _checksum(config: Mapping[str, Any], model: bytes) -> str:
    text = json.dumps(config, sort_keys=True, ensure_ascii=True).encode()
    return hashlib.sha256(text + model).hexdigest()


def _card(config: Mapping[str, Any]) -> str:
    names = [row["name"] for row in config["ops"]]
    ops = [op for op in OpSpace(names).ops if op.stage == "token"]
    more = ", vocabulary=vocabulary" if ops else ""
    more += ", lexicon=lexicon" if any(op.needs_lexicon for op in ops) else ""
    if any("text" not in op.modalities for op in ops):
        more += ", train=(x_train, y_train), classes=classes"
    provenance = json.dumps(config["provenance"], indent=2, sort_keys=True)
    return f"""---
library_name: adaptaug
tags: [data-augmentation, reinforcement-learning]
---
# An AdaptAug augmentation policy

Picks the magnitudes of these ops while a model trains: {", ".join(names)}.

```python
from adaptaug import Augmenter

budget = dict(total_steps=1000, batch_size=32, n_train=len(x_train))
augmenter = Augmenter("path/to/this/folder", model, held_out=(x_val, y_val), **budget{more})
for x, y in loader:
    x, targets = augmenter(x, y)
    ...  # a step as usual
    augmenter.record(loss, accuracy)
```

Where it comes from:

```json
{provenance}
```
"""
