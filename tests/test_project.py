"""The project's own files agree with each other, and no file that it reads can run code."""

import ast
import re
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES: list[str] = PROJECT["tool"]["mypy"]["packages"]
FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]

# Modules and calls that can run code out of a data file. `model.eval()` is another matter.
UNSAFE = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
UNSAFE |= {"torch.load", "eval", "exec"}

# The extras that a package may import. `adaptaug` does so where they are used (test_imports.py).
EXTRAS = {
    "adaptaug": ("search", "transformers", "wn"),
    "envs": ("search",),
    "agents": ("search",),
    "experiments": ("search", "bench"),
}

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))


def full_names(node: ast.AST) -> list[str]:
    """The dotted names that a node imports, reads as an attribute, or calls."""
    match node:
        case ast.Import(names=aliases):
            return [alias.name for alias in aliases]
        case ast.ImportFrom(module=str(module), names=aliases):
            return [f"{module}.{alias.name}" for alias in aliases]
        case ast.Attribute():
            return [ast.unparse(node)]
        case ast.Call(func=ast.Name(id=name)):
            return [name]
        case ast.keyword(arg="allow_pickle", value=ast.Constant(value=True)):
            return ["pickle"]
        case _:
            return []


def unsafe_uses(source: str) -> list[str]:
    """The names in `source` that could run code out of a data file."""
    names = [name for node in ast.walk(ast.parse(source)) for name in full_names(node)]
    return [name for name in names if name in UNSAFE or name.split(".")[0] in UNSAFE]


def normalised(name: str) -> str:
    """A distribution's name as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements: list[str]) -> set[str]:
    """The normalised names in a list of requirements, the project's own extras left out."""
    names = {normalised(re.split(r"[\[<>=!~; ]", line)[0]) for line in requirements}
    return names - {PROJECT["project"]["name"]}


@cache
def distributions() -> Mapping[str, list[str]]:
    """The installed distributions by module: "sklearn" to ["scikit-learn"]. Takes half a second."""
    return packages_distributions()


@each_file
def test_no_file_format_that_runs_code(path: Path) -> None:
    assert unsafe_uses(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import joblib.numpy_pickle",
        "from pickle import loads",
        "from torch import load",
        "policy = torch.load(path, weights_only=True)",
        "value = eval(text)",
        "rows = numpy.load(path, allow_pickle=True)",
    ],
)
def test_an_unsafe_use_is_found(source: str) -> None:
    assert len(unsafe_uses(source)) == 1


def test_safe_namesakes_pass() -> None:
    source = "model.eval()\nre.compile('x')\njson.load(file)\nnumpy.load(path, allow_pickle=False)"
    assert unsafe_uses(source) == []


def test_every_folder_with_code_is_a_package() -> None:
    assert [path for path in FILES if not (path.parent / "__init__.py").is_file()] == []


@each_file
def test_imports_are_declared_dependencies(path: Path) -> None:
    allowed = declared(PROJECT["project"]["dependencies"])
    for extra in EXTRAS[path.relative_to(ROOT).parts[0]]:
        allowed |= declared(PROJECT["project"]["optional-dependencies"][extra])
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {name.split(".")[0] for node in imports for name in full_names(node)}
    foreign = modules - set(sys.stdlib_module_names) - set(PACKAGES)
    known_as = distributions()
    assert [name for name in foreign if not allowed & declared(known_as.get(name, [name]))] == []


def test_constraints_pin_every_declared_dependency() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[\w.-]+==[\w.!]+", pin)] == []
    project = PROJECT["project"]
    extras = project["optional-dependencies"].values()
    assert declared(sum(extras, project["dependencies"])) - declared(pins) == set()


def test_no_file_is_longer_than_400_lines() -> None:
    code = [*FILES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "docs").rglob("*.py")]
    lengths = {str(p.relative_to(ROOT)): len(p.read_text("utf-8").splitlines()) for p in code}
    assert {name: length for name, length in lengths.items() if length > 400} == {}
