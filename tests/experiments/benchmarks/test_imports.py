"""The contest of imports."""

import subprocess

import pytest

from experiments.benchmarks import imports
from experiments.benchmarks.imports import import_contest, import_seconds


def test_import_is_timed_in_a_fresh_process() -> None:
    assert import_seconds("adaptaug") > 0
    with pytest.raises(subprocess.CalledProcessError):
        import_seconds("no_such_module")


def test_import_contest_divides_adaptaug_by_torch_in_at_most_five_rounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(imports, "import_seconds", {"torch": 2.0, "adaptaug": 3.0}.get)
    result, [ratio] = import_contest(100)
    assert result.seconds == {"import torch": 5 * [2.0], "import adaptaug": 5 * [3.0]}
    assert (ratio.name, ratio.values) == ("import_over_torch", 5 * [1.5])
