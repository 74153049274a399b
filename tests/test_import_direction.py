"""Imports run one way: adaptaug <- envs <- agents <- experiments.

And adaptaug, which a user puts into a training run, imports no reinforcement learning library.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("adaptaug", "envs", "agents", "experiments")  # each may import itself and those before it
FORBIDDEN = {"adaptaug": {"gymnasium", "stable_baselines3"}}
FILES = [path for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py"))]


def imported_packages(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yields (line, top-level package) of every import, `import_module("literal")` included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module.split(".")[0]
        elif isinstance(node, ast.Call) and node.args:
            called = getattr(node.func, "attr", getattr(node.func, "id", None))
            name = node.args[0]
            if called in {"import_module", "__import__"} and isinstance(name, ast.Constant):
                yield node.lineno, str(name.value).split(".")[0]


def violations(source: str, layer: str) -> list[str]:
    """One sentence for each import in `source`, a module of `layer`, that runs the wrong way."""
    above = set(LAYERS[LAYERS.index(layer) + 1 :]) | FORBIDDEN.get(layer, set())
    found = imported_packages(ast.parse(source))
    return [f"line {line}: {layer} must not import {name}" for line, name in found if name in above]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    layer = path.relative_to(ROOT).parts[0]
    assert violations(path.read_text(encoding="utf-8"), layer) == []


def test_every_layer_has_files() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in FILES} == set(LAYERS)


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        ("adaptaug", "import envs"),
        ("adaptaug", "from agents.search import search"),
        ("adaptaug", "def late():\n    import gymnasium as gym"),
        ("adaptaug", "from stable_baselines3.common import utils"),
        ("adaptaug", "importlib.import_module('experiments.reports.report')"),
        ("envs", "import numpy, agents.search"),
        ("agents", "if TYPE_CHECKING:\n    from experiments import report"),
    ],
)
def test_a_wrong_import_is_found(layer: str, source: str) -> None:
    assert len(violations(source, layer)) == 1


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        ("adaptaug", "import torch\nfrom adaptaug.ops import OpSpace\nfrom . import ops"),
        ("envs", "import gymnasium\nfrom adaptaug.data import load"),
        ("experiments", "import adaptaug, envs, agents"),
        ("adaptaug", "# import envs\nname = 'envs'"),
    ],
)
def test_a_right_import_passes(layer: str, source: str) -> None:
    assert violations(source, layer) == []
