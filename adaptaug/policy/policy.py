"""The policy artefact: a folder that holds a policy and no file that can run code.

It holds `config.json` (op space, observation version, decision interval, provenance, checksum),
`model.safetensors` (the network's parameters and observation statistics) and `README.md`, a card.
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

FORMAT_VERSION = 3
"""Changes whenever files or keys of the artefact change."""

BUNDLED = Path(__file__).parent / "bundled"
"""The policies that come with the package: one folder each, whose name `load_policy` takes."""

_KEYS = {
    "format_version", "observation_version", "ops", "decisions", "decision_interval", "min_epochs",
    "network", "costs", "provenance", "checksum",
}  # fmt: skip


@dataclass(frozen=True)
class Policy:
    """A policy with all that a new training run needs to use it."""

    network: PolicyNetwork
    """Maps an observation to magnitudes."""
    ops: tuple[str, ...]
    """Names of the ops, in the order of the magnitudes."""
    decisions: int = DECISIONS
    """Decisions in a run; read only if `decision_interval` is None."""
    decision_interval: int | None = None
    """Batches between decisions; None divides a run into `decisions` parts."""
    network_kwargs: Mapping[str, Any] = field(default_factory=dict)
    """Arguments that the network was built with, except the number of ops."""
    costs: CostTable = field(default_factory=CostTable)
    """Cost table of the search."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """How the policy was made: tasks, seeds, episodes, versions."""
    min_epochs: float = 0.0
    """Epochs of the shortest run that the policy augments; in shorter runs all ops are off."""

    def __post_init__(self) -> None:
        """Checks `min_epochs`.

        Raises:
            AdaptAugError: `min_epochs` is negative or NaN.
        """
        if not self.min_epochs >= 0:  # also true of NaN
            raise AdaptAugError(f"min_epochs must be at least 0, got {self.min_epochs}")

    @property
    def op_space(self) -> OpSpace:
        """The op space, built from the registered ops."""
        return OpSpace(self.ops)

    @property
    def metric(self) -> str:
        """The validation score of the search, 'accuracy' or 'f1', read from the provenance."""
        searched = self.provenance
        try:
            while "adapted_from" in searched:
                searched = searched["adapted_from"]
            return str(searched["tasks"][0]["metric"])
        except (LookupError, TypeError):
            return "accuracy"


def save_policy(folder: Path, policy: Policy) -> None:
    """Writes the artefact, each file atomically; replaces an existing artefact.

    Raises:
        AdaptAugError: the folder cannot be written, or the network does not match `ops` and
            `network_kwargs`, so that `load_policy` could not rebuild it.
    """
    tensors = {name: value.contiguous() for name, value in policy.network.state_dict().items()}
    described = PolicyNetwork(len(policy.ops), **_network_kwargs(policy.network_kwargs))
    if _shapes(described.state_dict()) != _shapes(tensors):
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
        "min_epochs": policy.min_epochs,
        "network": dict(policy.network_kwargs),
        "costs": policy.costs.to_dict(),
        "provenance": dict(policy.provenance),
    }
    config: Any = plain(written)  # as read back from the file, since the checksum covers that
    config["checksum"] = _checksum(config, model)
    write_bytes(folder / "model.safetensors", model)
    write_json(folder / "config.json", config)
    write_text(folder / "README.md", _card(config))


def load_policy(reference: str | Path, ops: Sequence[str] | None = None) -> Policy:
    """Reads an artefact.

    Args:
        reference: a folder, a model id on the Hugging Face hub, or the name of a policy that comes
            with the package, such as "digits".
        ops: names of the ops that the caller expects; None accepts those of the artefact.

    Raises:
        AdaptAugError: there is no artefact; it is truncated or altered; or it has another format,
            observation version or op space. The message says which.
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
    """Builds the policy of an artefact whose checksum is right."""
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
        config["min_epochs"],
    )


def _resolve(reference: str) -> Path:
    """The local folder of an artefact, downloaded from the hub if `reference` is a hub id."""
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
    """The properties of each op that determine what a magnitude means."""
    return [
        {"name": op.name, "stage": op.stage, "high": op.high, "signed": op.signed}
        for op in OpSpace(names).ops
    ]


def _checksum(config: Mapping[str, Any], model: bytes) -> str:
    text = json.dumps(config, sort_keys=True, ensure_ascii=True).encode()
    return hashlib.sha256(text + model).hexdigest()


def usage(reference: str, op_space: OpSpace) -> str:
    """Python code that trains with the policy of that name or folder, which acts on these ops."""
    ops = [op for op in op_space.ops if op.stage == "token"]
    words = ["vocabulary=vocabulary"] if ops else []
    words += ["lexicon=lexicon"] if any(op.needs_lexicon for op in ops) else []
    if any("text" not in op.modalities for op in ops):
        words += ["train=(x_train, y_train)", "classes=classes"]
    arguments = [f'"{reference}"', "model", *words, "**budget"]
    return f"""\
from adaptaug import Augmenter

budget = dict(total_steps=1000, batch_size=32, n_train=len(x_train))
augmenter = Augmenter({", ".join(arguments)})
for x, y in loader:
    x, targets = augmenter(x, y)
    ...  # a training step on x and targets, as usual
    augmenter.record(loss, accuracy)"""


def _card(config: Mapping[str, Any]) -> str:
    """The text of README.md: the ops, how to use the policy, its provenance."""
    op_space = OpSpace([row["name"] for row in config["ops"]])
    provenance = json.dumps(config["provenance"], indent=2, sort_keys=True)
    return f"""---
library_name: adaptaug
tags: [data-augmentation, reinforcement-learning]
---
# An AdaptAug augmentation policy

It picks the magnitudes of these ops during a training run: {", ".join(op_space.names)}.

```python
{usage("path/to/this/folder", op_space)}
```

Provenance:

```json
{provenance}
```
"""
