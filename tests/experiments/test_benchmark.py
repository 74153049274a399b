"""The benchmark: its files, its ratios and its timing."""

import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from adaptaug.errors import AdaptAugError
from adaptaug.ops import IMAGE_OPS, OpSpace
from experiments.benchmark import Options, benchmark_folder, ratio_rows, run, time_rows
from experiments.benchmarks import contests, imports, text_contests, timing, workers
from experiments.benchmarks.timing import Race, Ratio

FIXED_KEYS = {
    "env_step_over_bare_loop",
    "image_ops_vs_torchvision",
    "image_ops_vs_kornia",
    "image_ops_vs_albumentations",
    "text_ops_vs_string_eda",
    "controller_share_of_step",
}
"""Ratios that scripts outside the project read."""
STAGE_KEYS = {f"cost_{stage}" for stage in OpSpace(IMAGE_OPS).stages}
TEXT_KEYS = {"text_ops_vs_list_eda", *text_contests.BATCHES}
WORKER_KEYS = {
    f"randaugment_in_{place}_over_training_{case}"
    for place in ("process", "workers")
    for case in ("digits", "cnn32")
}
MORE_KEYS = {
    "image_ops_vs_randaugment", "observe_share_of_interval", "import_over_torch", *STAGE_KEYS,
    *TEXT_KEYS, *WORKER_KEYS,
}  # fmt: skip
TINY = Options(rounds=1, steps=8)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run folder of a benchmark that is made as quick as possible."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(timing, "SHORTEST", 0.0)  # no repeats
    monkeypatch.setattr(contests, "CHUNK", 1)
    monkeypatch.setattr(text_contests, "CHUNK", 1)
    monkeypatch.setattr(
        workers, "CASES", {k: replace(c, batches=1) for k, c in workers.CASES.items()}
    )
    monkeypatch.setattr(text_contests, "SENTENCES", 8)
    monkeypatch.setattr(imports, "import_seconds", len)  # a fresh process takes seconds
    return tmp_path / "runs" / "benchmark"


def summary(folder: Path) -> dict[str, float]:
    return json.loads((folder / "summary.json").read_text(encoding="utf-8"))


def test_summary_is_a_flat_object_with_all_ratios(folder: Path, capsys) -> None:
    pytest.importorskip("kornia")
    pytest.importorskip("albumentations")
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text("of an older benchmark")
    assert run(TINY) == 0
    ratios = summary(folder)
    assert set(ratios) == FIXED_KEYS | MORE_KEYS
    assert all(isinstance(value, float) for value in ratios.values())
    assert all(math.isfinite(value) and value > 0 for value in ratios.values())
    printed, report = capsys.readouterr().out, (folder / "report.md").read_text(encoding="utf-8")
    assert all(name in printed and name in report for name in ratios)
    assert {path.name for path in folder.iterdir()} == {"config.json", "report.md", "summary.json"}
    assert benchmark_folder(folder) == folder  # and may be replaced by the next benchmark


def test_missing_library_leaves_out_only_its_ratio(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    for name in ("kornia", "kornia.augmentation", "albumentations"):
        monkeypatch.setitem(sys.modules, name, None)
    assert run(TINY) == 0
    missing = {"image_ops_vs_kornia", "image_ops_vs_albumentations"}
    assert set(summary(folder)) == (FIXED_KEYS | MORE_KEYS) - missing
    printed = capsys.readouterr().out.splitlines()
    sentences = [line for line in printed if "is left out" in line]
    assert len(sentences) == 2
    assert all("pip install -e '.[bench]'" in sentence for sentence in sentences)


def test_benchmark_does_not_overwrite_another_run(folder: Path) -> None:
    (folder / "policy").mkdir(parents=True)
    (folder / "summary.json").write_text("of a search")
    with pytest.raises(AdaptAugError, match=r"must be new or of a benchmark, got one .* 'policy'"):
        run(TINY)
    assert (folder / "summary.json").read_text() == "of a search"


def test_run_folder_that_is_a_file_is_a_one_sentence_error(folder: Path) -> None:
    folder.parent.mkdir()
    folder.touch()
    with pytest.raises(AdaptAugError, match="cannot make run folder 'runs/benchmark': File exists"):
        run(TINY)


def test_rounds_below_one_are_an_error(folder: Path) -> None:
    with pytest.raises(AdaptAugError, match="rounds must be at least 1, got 0"):
        run(Options(rounds=0))
    assert not folder.exists()


def test_contestants_take_turns_after_a_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "SHORTEST", 0.0)
    calls: list[str] = []
    works = {name: lambda name=name: calls.append(name) for name in "ab"}
    result = timing.race(works, 3, "a label")
    assert "".join(calls) == "aabb" + "ababab"  # warm-up, then three rounds
    assert {name: len(values) for name, values in result.seconds.items()} == {"a": 3, "b": 3}


def test_time_rows_show_tokens_per_second_if_counted() -> None:
    races = [Race({"a": [0.5, 0.25, 0.125]}, tokens=1000), Race({"b": [0.5]})]
    assert [row[0] for row in time_rows(races)[1:]] == ["a", "b"]
    assert [row[-1] for row in time_rows(races)] == ["tokens per second", "4,000", ""]


def test_ratios_are_computed_within_each_round() -> None:
    result = Race({"a": [1.0, 6.0, 8.0], "b": [2.0, 3.0, 2.0]})
    assert result.ratio("a", "b") == [0.5, 2.0, 4.0]
    assert result.ratio("a", "b", scale=10) == [5.0, 20.0, 40.0]
    assert Ratio("x", result.ratio("a", "b")).median == 2.0


@pytest.mark.parametrize(
    ("ratio", "goal", "verdict"),
    [
        (Ratio("x", [1.04]), "", ""),
        (Ratio("x", [9.0, 1.04, 1.0], at_most=1.05), "at most 1.05", "met"),
        (Ratio("x", [1.06], at_most=1.05), "at most 1.05", "missed"),
        (Ratio("x", [5.0], at_least=5), "at least 5", "met"),
        (Ratio("x", [4.99], at_least=5), "at least 5", "missed"),
    ],
)
def test_verdict_compares_the_median_with_the_goal(ratio: Ratio, goal: str, verdict: str) -> None:
    assert (ratio.goal, ratio.verdict) == (goal, verdict)
    assert ratio_rows([ratio])[1][-2:] == (goal, verdict)
