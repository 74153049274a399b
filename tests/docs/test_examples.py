"""Every file of docs/examples is a whole script that runs by itself, without a download.

It runs as the pages say: `python -m docs.examples.X` in the root of a checkout. Every other script
needs the package `adaptaug` alone and runs in any folder.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "docs/examples").glob("*.py"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SHOWN: dict[str, str] = dict(
    found
    for page in PAGES
    for found in re.findall(
        r"^\$ python docs/examples/(\w+\.py)\n((?:[^$`].*\n)+)", page.read_text("utf-8"), re.M
    )
)
"""What a page shows as the output of an example."""
IN_A_CHECKOUT = {
    f"{name}.py"
    for page in PAGES
    for name in re.findall(r"python -m docs\.examples\.(\w+)", page.read_text("utf-8"))
}
"""The examples that a page runs as a module, in the root of a checkout."""


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_runs_as_the_pages_say(path: Path, tmp_path: Path) -> None:
    """It prints something: what a page shows of it, but for numbers, which machines round apart."""
    settings = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""}
    folder = tmp_path / "here"  # what the script writes lands here
    folder.mkdir()
    if path.name in IN_A_CHECKOUT:
        for name in ("adaptaug", "agents", "docs", "envs"):
            (folder / name).symlink_to(ROOT / name)
        command = ["-m", f"docs.examples.{path.stem}"]
    else:
        (tmp_path / "installed").mkdir()
        (tmp_path / "installed/adaptaug").symlink_to(ROOT / "adaptaug")
        settings["PYTHONPATH"] = str(tmp_path / "installed")
        command = [str(path)]
    ended = subprocess.run(
        [sys.executable, *command],
        cwd=folder, env=os.environ | settings, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, f"{path.name} ended with\n{ended.stderr[-4000:]}"
    assert ended.stdout.strip(), f"{path.name} must print what came out"
    if path.name in SHOWN:
        assert masked(ended.stdout) == masked(SHOWN[path.name])


def test_the_pages_run_files_that_exist() -> None:
    assert IN_A_CHECKOUT
    assert IN_A_CHECKOUT.issubset(path.name for path in EXAMPLES)


def masked(text: str) -> str:
    """The text with N in place of every number."""
    return re.sub(r"\d+(\.\d+)?", "N", text)


def test_the_readme_shows_what_its_loop_prints() -> None:
    assert {"plain_loop.py", "loop.py"} <= set(SHOWN)
