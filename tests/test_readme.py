"""The README is short and points to what exists; tests/docs looks after its code and commands."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text("utf-8")
PROSE = re.sub(r"^```.*?^```", "", TEXT, flags=re.MULTILINE | re.DOTALL)
LINKS = sorted(set(re.findall(r"\]\(([^)#]+)", PROSE)))
TREE = TEXT.split("## The tree")[1].split("```")[1]


def test_at_most_900_words_beside_the_code() -> None:
    assert len(PROSE.split()) <= 900


@pytest.mark.parametrize("command", ["make search NAME=digits", "make test"])
def test_the_two_commands_stand_near_the_top(command: str) -> None:
    assert re.search(rf"^{command}\b", TEXT.split("## In your loop")[0], re.MULTILINE)


@pytest.mark.parametrize("link", LINKS)
def test_links_lead_to_files(link: str) -> None:
    assert "://" in link or (ROOT / link).exists()


def test_the_picture_is_small() -> None:
    (picture,) = re.findall(r"!\[[^]]+\]\((?!https:)([^)]+)\)", TEXT)  # badges are elsewhere
    assert (ROOT / picture).stat().st_size < 150_000


def test_the_tree_has_every_folder_with_code() -> None:
    lines = re.findall(r"^( *)(\w+)/", TREE, re.MULTILINE)
    said = {name if not indent else f"adaptaug/{name}" for indent, name in lines}
    inside = {f"adaptaug/{path.parent.name}" for path in (ROOT / "adaptaug").glob("*/__init__.py")}
    assert said == inside | {"adaptaug", "envs", "agents", "experiments", "docs", "tests"}
