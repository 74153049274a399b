"""The code in README.md and docs/*.md: Python stands in an example, commands parse.

The rules, for whoever writes a page:

- A ```python block stands word for word in one of docs/examples/*.py. Indentation may differ as a
  whole, so that a part of a function can be shown by itself.
- A ```diff block is the whole of a change: what it shows of the old and of the new side stands in
  one example each.
- In a ```sh block every `python -m experiments.X` and `make search` or `make benchmark` has options
  that the script's own parser accepts, every `python docs/examples/X.py` exists, every `make`
  target and every extra of a `pip install` too.
- A block with output is ```text.
"""

import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import tyro

ROOT = Path(__file__).parents[2]
LOG = ROOT / "docs/LOG.md"
PAGES = [ROOT / "README.md", *sorted({*ROOT.glob("docs/*.md"), *ROOT.glob("docs/*/*.md")} - {LOG})]
EXAMPLES = {path.name: path.read_text("utf-8") for path in (ROOT / "docs/examples").glob("*.py")}
CHECKED = {"python", "diff", "sh"}
AS_THEY_ARE = {"text", "json", "toml", "mermaid"}
SCRIPTS = {"search": "train_policy", "benchmark": "benchmark"}
"""The script behind a target of the Makefile that passes ARGS on to one."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, dedented."""

    page: Path
    line: int
    """Of the opening fence, from 1."""
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, those inside lists and tabs included."""
    opened: tuple[int, str, str] | None = None
    inside: list[str] = []
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        fence = re.fullmatch(r"(\s*(?:`{3,}|~{3,}))\s*(.*)", line)
        if opened is None and fence:
            language = re.match(r"[\w+-]*", fence[2])
            assert language is not None
            opened, inside = (number, fence[1], language[0]), []
        elif opened and fence and fence[1] == opened[1] and not fence[2]:
            yield Block(page, opened[0], opened[2], textwrap.dedent("\n".join(inside)))
            opened = None
        elif opened:
            inside.append(line)
    assert opened is None, f"the block that opens in line {opened and opened[0]} of {page} is open"


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def each(language: str) -> pytest.MarkDecorator:
    """Parametrises a test by the blocks of a language."""
    found = [pytest.param(block, id=block.place) for block in BLOCKS if block.language == language]
    return pytest.mark.parametrize("block", found)


def stands_in(code: str, source: str) -> bool:
    """Whether the lines of `code` follow one another in `source`, indentation as a whole aside."""
    wanted, lines = code.strip("\n").splitlines(), source.splitlines()
    wanted = textwrap.dedent("\n".join(wanted)).splitlines()
    starts = range(len(lines) - len(wanted) + 1)
    return any(
        lines[start].strip() == wanted[0].strip()
        and textwrap.dedent("\n".join(lines[start : start + len(wanted)])).splitlines() == wanted
        for start in starts
    )


def check_stands(code: str, block: Block, what: str = "this code") -> None:
    """Fails unless some example has the code, and shows the example that has most of its lines."""
    if any(stands_in(code, source) for source in EXAMPLES.values()):
        return
    lines = [line.strip() for line in code.splitlines() if line.strip()]

    def missing(name: str) -> list[str]:
        known = {line.strip() for line in EXAMPLES[name].splitlines()}
        return [line for line in lines if line not in known]

    nearest = min(EXAMPLES, key=lambda name: len(missing(name)))
    absent = "\n    ".join(missing(nearest)) or "none, but their order or indentation differs"
    pytest.fail(
        f"{what} in {block.place} stands in no file of docs/examples; "
        f"the nearest is {nearest}, which lacks the lines\n    {absent}",
        pytrace=False,
    )


@each("python")
def test_python_stands_in_an_example(block: Block) -> None:
    check_stands(block.text, block)


@each("diff")
def test_both_sides_of_a_diff_stand_in_an_example(block: Block) -> None:
    lines = block.text.splitlines()
    strange = [line for line in lines if line and line[0] not in " +-"]
    assert not strange, f"a line of a diff starts with ' ', '+' or '-', in {block.place}: {strange}"
    for side, what in (("-", "the old side"), ("+", "the new side")):
        code = "\n".join(line[1:] for line in lines if line[:1] in ("", " ", side))
        check_stands(code, block, what)


def commands(text: str) -> list[list[str]]:
    """The commands of a shell block as words, without prompts, comments and leading variables."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line.removeprefix("$ "), comments=True)
        while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            words.pop(0)
        if words:
            found.append(words)
    return found


def check_options(script: str, arguments: list[str], place: str) -> None:
    """Fails unless the script's own parser takes the arguments."""
    try:
        options = import_module(f"experiments.{script}").Options
    except ModuleNotFoundError:
        pytest.fail(f"there is no experiments/{script}.py, named in {place}", pytrace=False)
    try:
        tyro.cli(options, args=arguments)
    except SystemExit as ended:
        if ended.code:
            line = shlex.join(arguments)
            pytest.fail(f"{place}: experiments.{script} does not take {line}", pytrace=False)


def check_make(words: list[str], place: str) -> None:
    """Fails unless the Makefile has the targets and variables, and a script takes its ARGS."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = [word for word in words[1:] if "=" not in word]
    values = dict(word.split("=", 1) for word in words[1:] if "=" in word)
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"no target {target}: {place}"
    for name in values:
        assert re.search(rf"^{name}\b", makefile, re.MULTILINE), f"no variable {name}: {place}"
    for script in (SCRIPTS[target] for target in targets if target in SCRIPTS):
        named = ["--name", values["NAME"]] if "NAME" in values else []
        check_options(script, [*named, *shlex.split(values.get("ARGS", ""))], place)


def project() -> dict[str, Any]:
    """The table `project` of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def check_install(words: list[str], place: str) -> None:
    """Fails unless the package has every extra that is installed."""
    asked = re.findall(r"\[([\w,]+)\]", " ".join(words))
    for extra in (name for names in asked for name in names.split(",")):
        assert extra in project()["optional-dependencies"], f"no extra {extra!r}: {place}"


def check_console(words: list[str], place: str) -> None:
    """Fails unless the command `adaptaug` has the subcommand and its options."""
    module, function = project()["scripts"]["adaptaug"].split(":")
    code = f"import sys; from {module} import {function}; sys.exit({function}())"
    asked = [sys.executable, "-c", code, *words[1:2], "--help"]
    ended = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{place}: {shlex.join(words)}: {ended.stderr}"
    for option in (word for word in words if word.startswith("--")):
        assert option in ended.stdout, f"no option {option}: {place}"


@each("sh")
def test_commands_parse(block: Block) -> None:
    for words in commands(block.text):
        program, rest = Path(words[0]).name, words[1:]
        if program.startswith("python") and rest[:1] == ["-m"]:
            module = rest[1]
            if module.startswith("experiments."):
                check_options(module.removeprefix("experiments."), rest[2:], block.place)
            elif module == "pip":
                check_install(rest, block.place)
        elif program.startswith("python") and rest and rest[0].endswith(".py"):
            assert Path(rest[0]).name in EXAMPLES, f"no example {rest[0]}: {block.place}"
        elif program == "make":
            check_make(words, block.place)
        elif program == "pip":
            check_install(rest, block.place)
        elif program == "adaptaug":
            check_console(words, block.place)


@pytest.mark.parametrize("block", [pytest.param(block, id=block.place) for block in BLOCKS])
def test_every_block_has_a_language_that_is_checked_or_needs_no_check(block: Block) -> None:
    known = CHECKED | AS_THEY_ARE
    assert block.language in known, f"{block.place}: one of {sorted(known)}"


# The checks find what they are for.


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("x = 1\ny = 2", True),
        ("    x = 1\n    y = 2", True),
        ("y = 2\nif y:\n    z = 3", True),
        ("x = 1\nz = 3", False),
        ("y = 2\nif y:\nz = 3", False),
        ("x = 1 ", False),
    ],
)
def test_code_is_found_word_for_word(code: str, found: bool) -> None:
    source = "def f():\n    x = 1\n    y = 2\n    if y:\n        z = 3\n"
    assert stands_in(code, source) == found


def test_blocks_are_found_with_their_lines(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n```python\nx = 1\n```\n- b\n\n  ```sh\n  make test\n  ```\n")
    found = [(block.line, block.language, block.text) for block in blocks_of(page)]
    assert found == [(2, "python", "x = 1"), (7, "sh", "make test")]


@pytest.mark.parametrize(
    "line",
    [
        "python -m experiments.train_policy --no-such-option 3",
        ".venv/bin/python -m experiments.transfer_policy --seeds 5",  # no --policy
        "python -m experiments.no_such_script",
        'make search NAME=mine ARGS="--no-such-option 3"',
        "make no-such-target",
        "make test NO_SUCH_VARIABLE=1",
        'pip install ".[no_such_extra]"',
        "python docs/examples/no_such_example.py",
    ],
)
def test_a_wrong_command_fails(line: str) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        test_commands_parse(Block(ROOT / "README.md", 1, "sh", line))


@pytest.mark.parametrize(
    "line",
    [
        "# a comment",
        "git clone address",
        'make search NAME=mine ARGS="--dataset path/or/hub-id --n-train 500"  # in an hour',
        "python -m experiments.transfer_policy --policy digits \\\n    --budgets 50x400 100x400",
    ],
)
def test_a_right_command_passes(line: str) -> None:
    test_commands_parse(Block(ROOT / "README.md", 1, "sh", line))
