"""A search of 16 child trainings with a fixed cost table, and Ctrl-C in the middle of it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adaptaug.policy.cost import CostTable
from agents.config import SearchConfig
from agents.search import SearchResult, search

TASK = {
    "steps": (8, 16), "n_train": (20, 60), "n_validation": 50, "batch_size": 8, "width": 2,
    "decisions": 2,
}  # fmt: skip


@pytest.fixture(scope="session")
def config() -> SearchConfig:
    """Four updates of four children; no warm start, and too few trainings for the last phase."""
    return SearchConfig(
        tasks=(TASK,), ops=("rotate", "noise"), episodes=16, groups=2, group_size=2, processes=0
    )


@pytest.fixture(autouse=True, scope="session")
def fixed_costs() -> Iterator[None]:
    """Replaces the measured costs, which depend on the clock."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("agents.search.calibrate", lambda *arguments: CostTable({}, 1.25))
        yield


@pytest.fixture(scope="session")
def complete(
    config: SearchConfig, tmp_path_factory: pytest.TempPathFactory, fixed_costs: None
) -> tuple[SearchResult, Path]:
    """Result and folder of a search that nothing interrupts."""
    folder = tmp_path_factory.mktemp("complete")
    return search(config, folder), folder


@pytest.fixture
def interrupt() -> Iterator[Callable[[object, str, int], None]]:
    """Makes a function raise what Ctrl-C raises, after its work, at its n-th call, once."""
    with pytest.MonkeyPatch.context() as patch:

        def at(owner: object, name: str, call: int) -> None:
            original: Callable[..., Any] = getattr(owner, name)
            calls = iter(range(1, 10**6))

            def function(*arguments: Any, **keywords: Any) -> Any:
                result = original(*arguments, **keywords)
                if next(calls) == call:
                    raise KeyboardInterrupt
                return result

            patch.setattr(owner, name, function)

        yield at
