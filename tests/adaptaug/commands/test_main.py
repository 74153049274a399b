"""The console command: what it prints, and that a mistake is one sentence and exit code 2."""

import ast
import re
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from adaptaug.commands.main import main
from adaptaug.commands.show import card
from adaptaug.ops import OpSpace
from adaptaug.policy.network import PolicyNetwork
from adaptaug.policy.policy import Policy, save_policy, usage

TASK = {
    "dataset": "letters", "child": "cnn", "n_train": [50, 400], "steps": [100, 800],
    "batch_size": 32, "metric": "accuracy",
}  # fmt: skip
SEARCH = {"tasks": [TASK], "episodes": 1200, "seed": 3, "cost_weight": 0.05}


def policy(*ops: str, **fields: Any) -> Policy:
    network = PolicyNetwork(len(ops))
    return Policy(network.eval(), ops, **({"provenance": SEARCH} | fields))


def rows(text: str) -> dict[str, str]:
    """The card's facts by name, each on one line."""
    found: dict[str, str] = {}
    name = ""
    for line in text.split("\n\n")[1].splitlines():
        name = line[2:15].strip() or name  # a long fact goes on under itself
        found[name] = f"{found.get(name, '')} {line[15:]}".strip()
    return found


def test_the_card_of_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "policy"
    save_policy(folder, policy("rotate", "mixup", min_epochs=13.7))
    assert main(["show", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[0] == f"{folder}: an AdaptAug policy"
    assert rows(printed) == {
        "ops": "rotate, mixup",
        "data": "images",
        "decisions": "8 in a run",
        "min_epochs": "13.7; shorter runs are not augmented",
        "search": "1200 trainings, seed 3",
        "searched on": "letters, child cnn, 50 to 400 training examples, 100 to 800 steps, "
        "batches of 32, metric accuracy",
    }
    assert f'Augmenter("{folder}", model, **budget)' in printed


def test_the_card_of_a_bundled_policy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "digits"]) == 0
    facts = rows(capsys.readouterr().out)
    assert facts["min_epochs"].startswith("9.5;")
    assert facts["searched on"].startswith("digits, child cnn, 50 to 400 training examples")


def test_the_card_of_a_hub_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    save_policy(tmp_path, policy("rotate"))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(tmp_path))
    assert main(["show", "someone/policy"]) == 0
    assert "someone/policy: an AdaptAug policy" in capsys.readouterr().out


def test_an_adapted_policy_names_both_data_sets() -> None:
    adapted = {"adapted_from": SEARCH, "dataset": "signs", "episodes": 60}
    facts = rows(card("mine", policy("rotate", provenance=adapted)))
    assert facts["adapted to"] == "signs"
    assert facts["search"] == "1200 trainings, seed 3"
    assert facts["searched on"].startswith("letters")


def test_facts_that_differ_from_the_defaults() -> None:
    odd = policy("swap", "masking", decision_interval=50, provenance={})
    facts = rows(card("mine", odd))
    assert facts["decisions"] == "one every 50 steps"
    assert facts["min_epochs"] == "0, no lower limit"
    assert facts["data"] == "sentences or tagged sentences"
    assert "search" not in facts


@pytest.mark.parametrize(
    "provenance",
    [
        {"tasks": "digits"},
        {"tasks": None},
        {"tasks": [None, {}]},
        {"tasks": [{"n_train": [], "steps": 100}]},
        {"adapted_from": "digits"},
    ],
)
def test_any_provenance_can_be_shown(provenance: dict[str, Any]) -> None:
    assert "an AdaptAug policy" in card("mine", policy("rotate", provenance=provenance))


def test_a_task_of_one_size_names_one_number() -> None:
    one = SEARCH | {"tasks": [TASK | {"n_train": 100, "steps": [400, 400]}]}
    searched = rows(card("mine", policy("rotate", provenance=one)))["searched on"]
    assert "100 training examples, 400 steps" in searched


@pytest.mark.parametrize(
    ("ops", "arguments"),
    [
        (("rotate",), set()),
        (("swap",), {"vocabulary"}),
        (("synonym", "swap"), {"vocabulary", "lexicon"}),
        (("labelwise", "masking"), {"vocabulary", "train", "classes"}),
    ],
)
def test_the_example_names_what_the_ops_need(ops: tuple[str, ...], arguments: set[str]) -> None:
    tree = ast.parse(usage("mine", OpSpace(ops)))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    (call,) = (node for node in calls if getattr(node.func, "id", "") == "Augmenter")
    named = {keyword.arg for keyword in call.keywords} - {None}
    assert named == arguments


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["show", "no-such-policy"], "error: a policy must be an existing folder"),
        (["show", "."], "error: a policy needs a config.json, got none in ."),
    ],
)
def test_a_wrong_policy_is_one_sentence(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(sentence)
    assert len(captured.err.splitlines()) == 1
    assert captured.out == ""


@pytest.mark.parametrize("arguments", [["show"], ["train"], ["show", "digits", "more"]])
def test_a_wrong_command_line_exits_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_without_a_command_it_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert "adaptaug show digits" in printed
    assert "adaptaug search" in printed


def test_search_prints_commands_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search"]) == 0
    printed = capsys.readouterr().out
    root = Path(__file__).parents[3]
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^ +make (\w+)", printed, re.MULTILINE)
    assert targets
    assert all(f"\n{target}:" in makefile for target in targets)
    (module,) = set(re.findall(r"python -m ([\w.]+)", printed))
    assert (root / f"{module.replace('.', '/')}.py").is_file()
