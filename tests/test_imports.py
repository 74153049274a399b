"""`from adaptaug import Augmenter` loads no search code, children, generators or studies."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOST = 70
"""Modules of the project's own: an Augmenter takes batches, models and tokenizers of many forms."""

UNWANTED = (
    "adaptaug.training",
    "adaptaug.children",
    "adaptaug.generative",
    "adaptaug.evaluation",
    "adaptaug.commands",
    "adaptaug.data.toy",
    "adaptaug.data.hub",
    "envs",
    "agents",
    "experiments",
    "transformers",
    "datasets",
    "gymnasium",
    "stable_baselines3",
    "torchvision",
    "sklearn",
    "scipy",
    "matplotlib",
    "tensorboard",
    "tyro",
    "huggingface_hub",
)


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """The modules in a new process after the import."""
    code = "from adaptaug import Augmenter; import sys; print(*sys.modules)"
    run = [sys.executable, "-c", code]
    return set(subprocess.check_output(run, cwd=ROOT, text=True).split())


def test_few_modules_of_the_project_are_loaded(loaded: set[str]) -> None:
    own = sorted(name for name in loaded if name.partition(".")[0] == "adaptaug")
    assert "adaptaug.augmenter.augmenter" in own
    assert len(own) <= MOST, own


@pytest.mark.parametrize("unwanted", UNWANTED)
def test_search_children_and_generators_are_not_loaded(loaded: set[str], unwanted: str) -> None:
    assert [name for name in loaded if f"{name}.".startswith(f"{unwanted}.")] == []
