"""The site of docs/ builds without a warning: links, anchors and the names in api.md are right."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site, from a copy of the pages."""
    for tool in ("zensical", "mkdocstrings_handlers.python"):
        try:
            missing = importlib.util.find_spec(tool) is None
        except ModuleNotFoundError:
            missing = True
        if missing:
            pytest.skip(f"building the site needs the extra `docs`, got no {tool}")
    project = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "mkdocs.yml", project)
    shutil.copytree(DOCS, project / "docs", ignore=shutil.ignore_patterns("__pycache__"))
    built = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return project / "build" / "site"


def html(site: Path, page: Path) -> str:
    """What a page was made into."""
    folder = site if page.stem == "index" else site / page.stem
    return (folder / "index.html").read_text(encoding="utf-8")


@each_page
def test_every_page_is_built(site: Path, page: Path) -> None:
    title = page.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
    assert re.search(rf"<h1[^>]*>{re.escape(title)}", html(site, page))


def test_the_api_page_is_made_from_docstrings(site: Path) -> None:
    page = html(site, DOCS / "api.md")
    for name in re.findall(r"^::: (\S+)$", (DOCS / "api.md").read_text("utf-8"), re.MULTILINE):
        assert f'id="{name}"' in page
    assert "adaptaug.Augmenter.record" in page
    assert "total_steps" in page


def test_the_api_page_has_all_that_the_package_exports() -> None:
    import adaptaug
    from adaptaug import data

    listed = re.findall(r"^::: (\S+)$", (DOCS / "api.md").read_text("utf-8"), re.MULTILINE)
    assert {f"adaptaug.{name}" for name in adaptaug.__all__} <= set(listed)
    functions = {name for name in data.__all__ if name[0].islower()} - {"synonym_table"}
    assert {f"adaptaug.data.{name}" for name in functions} <= set(listed)


def test_a_browser_fetches_nothing_from_other_hosts(site: Path) -> None:
    fetched = r'<(?:script|img|iframe)[^>]+src="(https?:[^"]+)|<link[^>]+href="(https?:[^"]+)'
    for page in PAGES:
        assert re.findall(fetched, html(site, page)) == [], page.name


@each_page
def test_files_that_a_page_links_to_exist(page: Path) -> None:
    """The build checks links to pages; these are those to pictures and code."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    local = [target.partition("#")[0] for target in targets if "://" not in target]
    assert [name for name in local if name and not (DOCS / name).is_file()] == []


@each_page
def test_links_into_a_page_lead_to_the_same_place_on_github(page: Path) -> None:
    """GitHub makes a heading's anchor in its own way; both must agree where a link leads."""
    for name, anchor in re.findall(r"\]\((\w[\w.-]*\.md)?#([^)\s]+)\)", page.read_text("utf-8")):
        target = DOCS / name if name else page
        headings = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
        anchors = {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}
        assert anchor in anchors, f"{page.name} links to {target.name}#{anchor}"


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    assert sorted(re.findall(r"(\S+\.md)$", navigation, re.MULTILINE)) == [p.name for p in PAGES]


def test_the_environment_page_has_every_feature_in_order() -> None:
    from adaptaug.policy.observation import GLOBAL_FEATURES, OP_FEATURES

    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", (DOCS / "environment.md").read_text("utf-8"),
                      re.MULTILINE)  # fmt: skip
    expected = [*enumerate(GLOBAL_FEATURES, 1), *enumerate(OP_FEATURES, 1)]
    assert [(int(number), name) for number, name in rows] == expected


def test_the_baselines_page_has_every_arm() -> None:
    from experiments.common.arms import ARMS

    table = (DOCS / "baselines.md").read_text("utf-8").partition("## Compare")[0]
    assert set(re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)) == set(ARMS)
