"""What the README shows beside the loops of an Augmenter (see tests/adaptaug), as it is."""

import re
from pathlib import Path
from typing import Any

import pytest

from adaptaug.data import load
from adaptaug.policy.policy import load_policy
from agents import search

README = Path(__file__).parents[1] / "README.md"


def block(word: str) -> str:
    """The Python block that holds a word."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    (found,) = (text for text in blocks if word in text)
    return found


def test_a_search_on_tensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    digits, tiny = load("digits"), search.SearchConfig
    small = {"episodes": 18, "processes": 0, "groups": 1}
    monkeypatch.setattr("agents.config.SearchConfig", lambda *given: tiny(*given, **small))
    names: dict[str, Any] = {
        "__name__": "__main__",
        "images": digits.train.inputs, "labels": digits.train.targets,
        "test_images": digits.test.inputs, "test_labels": digits.test.targets,
    }  # fmt: skip
    code = block("from_tensors").replace("(100, 800)", "(4, 8)").replace("(50, 200)", "(50, 60)")
    exec(code, names)
    policy = load_policy(tmp_path / "runs" / "mine" / "policy")
    assert policy.provenance["tasks"][0]["dataset"] == "mine"


def test_the_environment() -> None:
    names: dict[str, Any] = {}
    exec(block("gymnasium.make"), names)
    assert names["env"].observation_space.contains(names["observation"])
    assert isinstance(names["reward"], float)
