"""The wheel: `adaptaug` alone, and enough with its core dependencies to run the README's loop.

The fresh environment is a new virtual environment in which the core dependencies are links to
those of the environment that runs this test: nothing is downloaded, and nothing else is there.
"""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from sklearn.datasets import load_digits

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

ABSENT = (
    "envs", "agents", "experiments", "gymnasium", "stable_baselines3", "datasets", "tensorboard",
    "sklearn", "scipy", "matplotlib", "tyro", "torchvision", "seqeval", "transformers", "pytest",
)  # fmt: skip
"""Modules that the fresh environment must not see."""

pytestmark = pytest.mark.slow

STAND_IN = """
from pathlib import Path
from types import SimpleNamespace
import numpy as np

def load_digits():
    folder = Path(__file__).parent
    return SimpleNamespace(
        images=np.load(folder / "images.npy"), target=np.load(folder / "target.npy")
    )
"""
"""scikit-learn's digits without scikit-learn, for the README's loop."""

WORDS = Path(__file__).with_name("words_without_extras.py")
"""A script that trains on sentences and on tagged sentences."""


MISSING = """
import importlib, pkgutil, torch, adaptaug
from adaptaug import AdaptAugError
from adaptaug.children.torchvision_models import VisionNet
from adaptaug.data import load, load_lexicon
from adaptaug.metrics import f1
from adaptaug.tensorboard import Board

for module in pkgutil.walk_packages(adaptaug.__path__, "adaptaug."):
    if module.name != "adaptaug.data.hub":
        importlib.import_module(module.name)
labels = torch.tensor([0, 1])
for use in (
    lambda: load("digits"),
    lambda: load("someone/data"),
    lambda: f1(labels, labels, "ab"),
    lambda: f1(labels[None], labels[None], ("O", "B-X")),
    lambda: Board("board"),
    lambda: VisionNet("resnet18", 3, (32, 32), 10),
    lambda: load_lexicon("wordnet"),
):
    try:
        use()
    except AdaptAugError as error:
        print(error)
"""
"""Imports every module that needs no extra, uses what the extras bring, prints the errors."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built of a copy of the sources, so that no build output stays in the checkout."""
    sources, out = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, sources)
    for package in ("adaptaug", "envs", "agents", "experiments", "tests"):
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, sources / package, ignore=skipped)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(out), str(sources))
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment: the wheel, its core dependencies, nothing else."""
    folder = tmp_path_factory.mktemp("fresh")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    interpreter = folder / "bin" / "python"
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.check_output([interpreter, "-c", code], text=True).strip())
    for found in closure(PROJECT["dependencies"]):
        link(found, site)
    # pip checks here that the core dependencies, as they are installed, are all that is needed.
    pip("--python", str(interpreter), "install", "--no-index", str(wheel))
    return interpreter


def pip(*arguments: str) -> None:
    """Runs the tests' own pip, without the internet."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def closure(requirements: list[str]) -> list[Distribution]:
    """The installed distributions that meet the requirements, and those that these require."""
    found: dict[str, Distribution] = {}
    seen: set[str] = set()
    queue = [Requirement(line) for line in requirements]
    while queue:
        wanted = queue.pop()
        if str(wanted) in seen:
            continue
        seen.add(str(wanted))
        found[wanted.name] = installed = distribution(wanted.name)
        for line in installed.requires or []:
            needed = Requirement(line)
            extras = [*wanted.extras, ""]
            if needed.marker is None or any(needed.marker.evaluate({"extra": e}) for e in extras):
                queue.append(needed)
    return list(found.values())


def link(installed: Distribution, site: Path) -> None:
    """Makes a distribution's files and folders visible in another environment."""
    assert installed.files, f"{installed.name} does not say what it installed"
    names = {file.parts[0] for file in installed.files} - {"..", "__pycache__"}
    for name in names:
        place = Path(str(installed.locate_file(name)))
        if place.exists() and not (site / name).exists():
            (site / name).symlink_to(place)


def run(*command: str | Path, cwd: Path, path: Path | None = None) -> str:
    """The output of a command in the fresh environment, outside the checkout."""
    environment = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HOME": str(cwd)}
    environment |= {"PYTHONPATH": str(path)} if path else {}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_adaptaug_alone(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"adaptaug", f"adaptaug-{PROJECT['version']}.dist-info"}
    kinds = {Path(name).suffix for name in names if name.startswith("adaptaug/")}
    assert kinds == {".py", ".typed", ".json", ".safetensors", ".md"}


def test_the_wheel_holds_every_file_of_adaptaug(wheel: Path) -> None:
    folder = ROOT / "adaptaug"
    files = [
        path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in str(path)
    ]
    expected = {path.relative_to(ROOT).as_posix() for path in files}
    assert {"adaptaug/py.typed", "adaptaug/policy/bundled/digits/model.safetensors"} <= expected
    assert expected - set(zipfile.ZipFile(wheel).namelist()) == set()


def test_no_extra_of_the_project_is_a_core_dependency() -> None:
    core = {found.name.lower() for found in closure(PROJECT["dependencies"])}
    extras = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    names = {re.split(r"[\[<>=!~; ]", line)[0].lower() for line in extras}
    assert names & core <= {"tqdm", "setuptools"}  # the hub's and torch's own


def test_the_fresh_environment_sees_nothing_else(python: Path, tmp_path: Path) -> None:
    code = (
        "import importlib.util as u; "
        f"print(*[name for name in {ABSENT} if u.find_spec(name) is not None])"
    )
    assert run(python, "-c", code, cwd=tmp_path).split() == []


def test_the_readme_loop_runs_in_the_fresh_environment(python: Path, tmp_path: Path) -> None:
    package = tmp_path / "sklearn" / "datasets"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").write_text(STAND_IN)
    digits = load_digits()
    np.save(package / "images.npy", digits.images)
    np.save(package / "target.npy", digits.target)
    output = run(python, ROOT / "docs" / "examples" / "loop.py", cwd=tmp_path, path=tmp_path)
    accuracy = re.search(r"(\d+\.\d)%", output)
    assert accuracy, output
    assert float(accuracy[1]) > 90


def test_sentences_and_tags_need_no_more(python: Path, tmp_path: Path) -> None:
    run(python, WORDS, tmp_path, cwd=tmp_path)


def test_a_missing_package_is_named_with_its_extra(python: Path, tmp_path: Path) -> None:
    sentences = run(python, "-c", MISSING, cwd=tmp_path).splitlines()
    assert [sentence.split(" needs the package ")[1] for sentence in sentences] == [
        "sklearn: pip install 'adaptaug[search]'",
        "datasets: pip install 'adaptaug[search]'",
        "sklearn: pip install 'adaptaug[search]'",
        "seqeval: pip install 'adaptaug[search]'",
        "tensorboard: pip install 'adaptaug[search]'",
        "torchvision: pip install 'adaptaug[search]'",
        "wn: pip install 'adaptaug[wn]'",
    ]


def test_the_console_command_shows_a_policy_of_the_hub(python: Path, tmp_path: Path) -> None:
    cached = tmp_path / ".cache" / "huggingface" / "hub" / "models--someone--policy"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("0" * 40)
    shutil.copytree(ROOT / "adaptaug/policy/bundled/digits", cached / "snapshots" / ("0" * 40))
    output = run(python.with_name("adaptaug"), "show", "someone/policy", cwd=tmp_path)
    assert "someone/policy: an AdaptAug policy" in output
