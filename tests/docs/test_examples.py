"""Every file of docs/examples is a whole script that runs by itself, without a download."""

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


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_runs_in_an_empty_folder(path: Path, tmp_path: Path) -> None:
    """It prints something: what a page shows of it, but for numbers, which machines round apart."""
    settings = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    ended = subprocess.run(
        [sys.executable, str(path)],
        cwd=tmp_path, env=os.environ | settings, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, f"{path.name} ended with\n{ended.stderr[-4000:]}"
    assert ended.stdout.strip(), f"{path.name} must print what came out"
    if path.name in SHOWN:
        assert masked(ended.stdout) == masked(SHOWN[path.name])


def masked(text: str) -> str:
    """The text with N in place of every number."""
    return re.sub(r"\d+(\.\d+)?", "N", text)


def test_the_readme_shows_what_its_loop_prints() -> None:
    assert {"plain_loop.py", "loop.py"} <= set(SHOWN)
