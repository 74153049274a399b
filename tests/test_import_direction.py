"""Imports run one way: between the packages, and between the folders of adaptaug.

Imports inside functions and under `if TYPE_CHECKING` count too. Not counted are names that a
package exports through `adaptaug.utils.lazy` or a registry's table: they are strings.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PACKAGES = ("experiments", "agents", "envs", "adaptaug")
"""From top to bottom: a package may import itself and those below it."""

ROOMS = (
    "commands",
    "augmenter",
    "evaluation",
    "training",
    "controllers",
    "policy",
    "generative",
    "children",
    "ops",
    "metrics",
    "tensorboard",
    "data",
    "utils",
    "errors",
)
"""The folders and loose modules of adaptaug, from top to bottom: likewise."""

FORBIDDEN = {
    "adaptaug": {"gymnasium", "stable_baselines3"},
    # What a user's own training run has no use for.
    "adaptaug.augmenter": {
        "adaptaug.evaluation", "adaptaug.training", "adaptaug.generative", "adaptaug.children",
    },
    "adaptaug.controllers": {"adaptaug.generative", "adaptaug.children"},
    "adaptaug.policy": {"adaptaug.generative", "adaptaug.children"},
}  # fmt: skip
"""What a package or folder must not import, although it lies below or outside."""

FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def module(path: Path) -> str:
    """The dotted name of a module, "adaptaug.ops" for its `__init__`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yields (line, dotted name) of every import, `import_module("literal")` included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args:
            called = getattr(node.func, "attr", getattr(node.func, "id", None))
            name = node.args[0]
            if called in {"import_module", "__import__"} and isinstance(name, ast.Constant):
                yield node.lineno, str(name.value)


def place(name: str) -> str:
    """Where a dotted name belongs: "adaptaug.ops" for "adaptaug.ops.op.Op", "envs", "torch".

    "adaptaug" itself stands for `adaptaug/__init__.py`, from which nothing below may import.
    """
    first, _, rest = name.partition(".")
    room = rest.partition(".")[0]
    return f"adaptaug.{room}" if first == "adaptaug" and room in ROOMS else first


def depth(where: str) -> tuple[int, int]:
    """The position from the top: of the package, then of the folder in adaptaug."""
    package, _, room = where.partition(".")
    return PACKAGES.index(package), ROOMS.index(room) if room else -1


def allowed(importer: str, name: str) -> bool:
    """Whether module `importer` may import `name`."""
    here, there = place(importer), place(name)
    rules = (here, here.partition(".")[0])
    if any({there, name.partition(".")[0]} & FORBIDDEN.get(rule, set()) for rule in rules):
        return False
    if there.partition(".")[0] not in PACKAGES:
        return True
    return depth(here) <= depth(there)


def violations(source: str, importer: str) -> list[str]:
    """One sentence for each import in `source`, a module's code, that runs the wrong way."""
    found = imported(ast.parse(source))
    return [
        f"line {line}: {place(importer)} must not import {name}"
        for line, name in found
        if not allowed(importer, name)
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    assert violations(path.read_text(encoding="utf-8"), module(path)) == []


def test_every_folder_and_loose_module_of_adaptaug_has_its_place() -> None:
    found = {module(path).split(".")[1] for path in FILES if module(path).startswith("adaptaug.")}
    assert found == set(ROOMS)


def test_every_package_has_files() -> None:
    assert {module(path).split(".")[0] for path in FILES} == set(PACKAGES)


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("adaptaug", "import envs"),
        ("adaptaug.ops.op", "from agents.search import search"),
        ("adaptaug.ops.op", "def late():\n    import gymnasium as gym"),
        ("adaptaug.training.task", "from stable_baselines3.common import utils"),
        ("adaptaug.data.hub", "importlib.import_module('experiments.reports.report')"),
        ("envs.vector", "import numpy, agents.search"),
        ("agents.search", "if TYPE_CHECKING:\n    from experiments import report"),
        ("adaptaug.ops.op", "from adaptaug.policy.policy import Policy"),
        ("adaptaug.ops.op", "from adaptaug.generative import bank"),
        ("adaptaug.ops.op", "def late():\n    import adaptaug.generative.ops"),
        ("adaptaug.data", "if TYPE_CHECKING:\n    from adaptaug.ops import Op"),
        ("adaptaug.metrics", "from adaptaug.ops import Op"),
        ("adaptaug.policy.observation", "from adaptaug.training.task import Task"),
        ("adaptaug.augmenter.augmenter", "from adaptaug.training import Task"),
        ("adaptaug.augmenter.augmenter", "from adaptaug.generative.bank import bank"),
        ("adaptaug.errors", "from adaptaug import Augmenter"),
        ("adaptaug.commands.main", "from adaptaug import Augmenter"),
    ],
)
def test_a_wrong_import_is_found(importer: str, source: str) -> None:
    assert len(violations(source, importer)) == 1


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("adaptaug", "import torch\nfrom adaptaug.ops import OpSpace"),
        ("adaptaug.ops.op_space", "from adaptaug.ops.op import Op\nfrom . import op"),
        ("adaptaug.training.episode", "from adaptaug.controllers.base import Controller"),
        ("envs.vector", "import gymnasium\nfrom adaptaug import Task"),
        ("experiments.compare", "import adaptaug, envs, agents"),
        ("adaptaug.ops.op", "# import envs\nname = 'adaptaug.generative.ops'"),
    ],
)
def test_a_right_import_passes(importer: str, source: str) -> None:
    assert violations(source, importer) == []
