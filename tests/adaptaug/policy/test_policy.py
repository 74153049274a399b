"""The policy artefact: an exact round trip, every fault refused, and loading runs no code."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from adaptaug.errors import AdaptAugError
from adaptaug.ops import Op, register
from adaptaug.policy import policy as policy_module
from adaptaug.policy.cost import CostTable
from adaptaug.policy.network import PolicyNetwork
from adaptaug.policy.observation import observation_size
from adaptaug.policy.policy import BUNDLED, Policy, load_policy, save_policy

OPS = ("rotate", "noise", "mixup")


def policy(seed: int = 0, **changes: Any) -> Policy:
    """A policy with random weights."""
    network = PolicyNetwork(len(OPS), hidden=(8, 4))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 8)
    network.standardise.fit(torch.randn(16, observation_size(len(OPS)), generator=generator))
    made = Policy(
        network,
        OPS,
        decisions=5,
        network_kwargs={"hidden": (8, 4)},
        costs=CostTable({"geometry": 0.25}, observe=2.0),
        provenance={"seed": 3, "tasks": [{"rows": (0, 100)}]},
    )
    return replace(made, **changes)


def magnitudes(policy: Policy) -> list[list[float]]:
    random = np.random.default_rng(0)
    flat = random.uniform(-1, 1, (5, observation_size(len(policy.ops)))).astype(np.float32)
    return [policy.network.magnitudes(row) for row in flat]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_policy(tmp_path / "policy", policy())
    return tmp_path / "policy"


def rewrite(
    folder: Path, change: Callable[[dict[str, Any]], object], *, sign: bool = False
) -> None:
    """Changes config.json; with `sign`, the checksum is made right again."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    change(config)
    if sign:
        del config["checksum"]
        model = (folder / "model.safetensors").read_bytes()
        config["checksum"] = policy_module._checksum(config, model)
    path.write_text(json.dumps(config))


def test_saved_policy_is_loaded_exactly(folder: Path) -> None:
    read, written = load_policy(folder), policy()
    assert magnitudes(read) == magnitudes(written)
    assert (read.ops, read.decisions, read.decision_interval) == (OPS, 5, None)
    assert read.network_kwargs == {"hidden": (8, 4)}
    assert read.costs == written.costs
    assert read.provenance == {"seed": 3, "tasks": [{"rows": [0, 100]}]}
    assert read.op_space.names == OPS
    assert load_policy(str(folder), ops=OPS).ops == OPS


@pytest.mark.parametrize("name", [path.name for path in BUNDLED.iterdir()])
def test_bundled_policy_is_learned_and_in_the_current_format(name: str, tmp_path: Path) -> None:
    bundled = load_policy(name)
    assert bundled.provenance["episodes"] >= 1000
    assert bundled.network.op_bias.any()
    save_policy(tmp_path, bundled)
    for path in (BUNDLED / name).iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()


def test_loaded_policy_is_saved_byte_for_byte(folder: Path, tmp_path: Path) -> None:
    save_policy(tmp_path / "copy", load_policy(folder))
    for name in ("config.json", "model.safetensors", "README.md"):
        assert (tmp_path / "copy" / name).read_bytes() == (folder / name).read_bytes()


def test_provenance_that_json_cannot_hold_keeps_the_checksum_valid(tmp_path: Path) -> None:
    provenance = {"gain": math.nan, "path": Path("runs"), 7: np.float32(0.5)}
    save_policy(tmp_path, policy(provenance=provenance))
    assert load_policy(tmp_path).provenance == {"gain": None, "path": "runs", "7": 0.5}


def test_metric_is_that_of_the_search_also_after_adaptation() -> None:
    searched = {"tasks": [{"metric": "f1"}]}
    assert policy(provenance=searched).metric == "f1"
    assert policy(provenance={"adapted_from": searched, "dataset": "x"}).metric == "f1"
    for unknown in ({}, {"tasks": []}, {"tasks": "digits"}, {"adapted_from": None}):
        assert policy(provenance=unknown).metric == "accuracy"


@pytest.mark.parametrize(
    ("ops", "words"),
    [
        (("rotate", "noise", "mixup"), ""),
        (("swap", "deletion", "masking"), ", vocabulary=vocabulary"),
        (("synonym", "swap", "masking"), ", vocabulary=vocabulary, lexicon=lexicon"),
        (
            ("labelwise", "mention", "masking"),
            ", vocabulary=vocabulary, train=(x_train, y_train), classes=classes",
        ),
    ],
)
def test_card_shows_the_arguments_that_the_ops_need(
    tmp_path: Path, ops: tuple[str, ...], words: str
) -> None:
    save_policy(tmp_path, policy(ops=ops))
    assert f"model{words}, **budget)" in (tmp_path / "README.md").read_text()


def test_artefact_is_three_small_files(folder: Path) -> None:
    names = ["README.md", "config.json", "model.safetensors"]
    assert sorted(path.name for path in folder.iterdir()) == names
    json.loads((folder / "config.json").read_text())
    assert "op_bias" in load_file(folder / "model.safetensors")
    assert "rotate, noise, mixup" in (folder / "README.md").read_text()
    assert sum(path.stat().st_size for path in folder.iterdir()) < 20_000


def test_loading_runs_no_code(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("reading a policy ran code")

    monkeypatch.setattr("pickle.Unpickler", refuse)
    monkeypatch.setattr("pickle.loads", refuse)
    monkeypatch.setattr(torch, "load", refuse)
    monkeypatch.setattr("builtins.exec", refuse)
    (folder / "policy.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")  # must not be read
    assert load_policy(folder).ops == OPS


def test_other_op_space_than_expected_is_refused(folder: Path) -> None:
    with pytest.raises(AdaptAugError, match=r"is for the ops \('rotate', 'noise', 'mixup'\), got"):
        load_policy(folder, ops=("noise", "rotate", "mixup"))


def test_op_that_is_not_installed_is_refused(folder: Path) -> None:
    rewrite(folder, lambda c: c["ops"][0].update(name="rotat"), sign=True)
    with pytest.raises(AdaptAugError, match=r"unknown op 'rotat'; known ops: .*rotate, "):
        load_policy(folder)


def test_op_whose_range_has_changed_is_refused(folder: Path) -> None:
    rewrite(folder, lambda c: c["ops"][0].update(high=45), sign=True)
    with pytest.raises(AdaptAugError, match=r"was searched with op .*45.* here it is .*30"):
        load_policy(folder)


def test_registered_op_of_the_user_is_found(tmp_path: Path) -> None:
    invert = Op("invert of test_policy", "pixel", 1.0, "", lambda i, amount, generator: 1 - i)
    register(invert)
    own = Policy(PolicyNetwork(1), (invert.name,))
    save_policy(tmp_path, own)
    assert load_policy(tmp_path).op_space.ops == (invert,)


@pytest.mark.parametrize(("name", "known"), [("observation_version", 1), ("format_version", 3)])
def test_other_version_is_refused_with_both_numbers(folder: Path, name: str, known: int) -> None:
    rewrite(folder, lambda c: c.update({name: 99}), sign=True)
    with pytest.raises(AdaptAugError, match=f"{name} of a policy must be {known}, got 99 in "):
        load_policy(folder)


def test_format_version_2_is_refused_by_its_number(folder: Path) -> None:
    """Its `min_epochs` stood among the arguments of the network."""

    def age(config: dict[str, Any]) -> None:
        config["format_version"] = 2
        config["network"]["fewest_passes"] = config.pop("min_epochs")

    rewrite(folder, age, sign=True)
    with pytest.raises(AdaptAugError, match="format_version of a policy must be 3, got 2 in "):
        load_policy(folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [("decisions", 9), ("costs", {}), ("provenance", {}), ("network", {}), ("checksum", "0" * 64)],
)
def test_altered_config_is_refused(folder: Path, name: str, value: object) -> None:
    rewrite(folder, lambda c: c.update({name: value}))
    with pytest.raises(AdaptAugError, match="is truncated or altered: its checksum is not"):
        load_policy(folder)


def test_altered_weights_are_refused(folder: Path) -> None:
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(AdaptAugError, match="is truncated or altered"):
        load_policy(folder)


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_truncated_weights_are_refused(folder: Path, kept: float) -> None:
    path = folder / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(AdaptAugError, match="is truncated or altered"):
        load_policy(folder)


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_truncated_config_is_refused(folder: Path, kept: float) -> None:
    path = folder / "config.json"
    text = path.read_text()
    path.write_text(text[: int(len(text) * kept)])
    with pytest.raises(AdaptAugError, match=r"config.json must be JSON, got"):
        load_policy(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(AdaptAugError, match=f"a policy needs a {re.escape(name)}, got none in "):
        load_policy(folder)


def test_card_may_be_missing(folder: Path) -> None:
    (folder / "README.md").unlink()
    assert load_policy(folder).ops == OPS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "format_version of a policy must be 3, got None"),
        ("[1, 2]", "must hold an object, got list"),
        ('{"format_version": 3, "observation_version": 1}', "must hold .*'checksum'.*, got"),
        ("[" * 200_000, "must be JSON"),
        ("\x00\x01", "must be JSON"),
    ],
)
def test_config_of_another_form_is_refused(folder: Path, text: str, message: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(AdaptAugError, match=message):
        load_policy(folder)


def test_config_that_is_not_text_is_refused(folder: Path) -> None:
    (folder / "config.json").write_bytes(b"\xff\xfe\x80")
    with pytest.raises(AdaptAugError, match="must be JSON"):
        load_policy(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(ops=[{}]),
        lambda c: c.update(ops=None),
        lambda c: c["ops"].pop(),
        lambda c: c.update(network={"depth": 3}),
        lambda c: c.update(network={"hidden": [8, 8]}),
        lambda c: c.update(costs={"price": 1}),
    ],
)
def test_inconsistent_config_with_a_right_checksum_is_refused(
    folder: Path, change: Callable[..., object]
) -> None:
    rewrite(folder, change, sign=True)
    with pytest.raises(AdaptAugError, match="does not fit together"):
        load_policy(folder)


def test_reference_that_is_no_policy_is_refused(folder: Path, tmp_path: Path) -> None:
    sentence = r"must be an existing folder, a hub id or one of \['digits'\], got '/"
    for reference in (folder / "config.json", tmp_path / "nothing"):
        with pytest.raises(AdaptAugError, match=sentence):
            load_policy(reference)


def test_policy_is_loaded_from_the_hub(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    asked: list[tuple[str, list[str]]] = []

    def download(name: str, allow_patterns: list[str]) -> str:
        asked.append((name, allow_patterns))
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert magnitudes(load_policy("someone/policy")) == magnitudes(policy())
    assert asked == [("someone/policy", ["*.json", "*.safetensors", "*.md"])]


def test_unreachable_hub_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*args: Any, **kwargs: Any) -> str:
        raise ConnectionError("offline")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(AdaptAugError, match="reachable hub id, got 'runs/typo' \\(ConnectionError"):
        load_policy("runs/typo")


def test_saving_again_replaces_all_files(folder: Path) -> None:
    save_policy(folder, policy(seed=1, decisions=9))
    assert magnitudes(load_policy(folder)) == magnitudes(policy(seed=1))
    assert load_policy(folder).decisions == 9
    assert len(list(folder.iterdir())) == 3  # no temporary file stays


def test_failed_write_keeps_the_old_policy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(AdaptAugError, match=r"cannot write .*: no space left on device"):
            save_policy(folder, policy(seed=1))
    assert magnitudes(load_policy(folder)) == magnitudes(policy())
    assert len(list(folder.iterdir())) == 3


def test_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AdaptAugError, match=r"cannot make .*policy': not a directory"):
        save_policy(tmp_path / "file" / "policy", policy())


@pytest.mark.parametrize("changes", [{"ops": ("rotate", "noise")}, {"network_kwargs": {}}])
def test_policy_whose_network_does_not_fit_is_not_saved(
    folder: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(AdaptAugError, match=r"network must be built for its . ops"):
        save_policy(folder, policy(seed=1, **changes))
    assert magnitudes(load_policy(folder)) == magnitudes(policy())


@pytest.mark.parametrize("epochs", [-1.0, float("nan")])
def test_min_epochs_below_zero_is_refused(epochs: float) -> None:
    with pytest.raises(AdaptAugError, match=f"min_epochs must be at least 0, got {epochs}"):
        Policy(PolicyNetwork(1), ("rotate",), min_epochs=epochs)


def test_min_epochs_survives_a_file(tmp_path: Path) -> None:
    save_policy(tmp_path, policy(min_epochs=12.5))
    assert load_policy(tmp_path).min_epochs == 12.5
