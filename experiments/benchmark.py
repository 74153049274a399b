"""Time the environment, the ops and the controller against what they compete with, side by side.

    python -m experiments.benchmark
    python -m experiments.benchmark --rounds 3

Everything runs on one thread; every ratio is the median over the rounds. kornia and albumentations
come with the extra `bench`; without them the rest still runs.
"""

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from adaptaug.errors import AdaptAugError
from adaptaug.utils.files import write_json, write_text
from adaptaug.utils.seeding import one_thread
from experiments.benchmarks.contests import (
    BATCH,
    CHUNK,
    INTERVAL,
    environment,
    image_op_contest,
    step_contest,
)
from experiments.benchmarks.text_contests import SENTENCES, string_contest, text_step_contest
from experiments.benchmarks.timing import Race, Ratio
from experiments.common.cli import main, run_path
from experiments.reports.tables import Row, fixed_width, markdown

FILES = {"config.json", "summary.json", "report.md"}
"""What a benchmark's run folder holds."""

MEANINGS = {
    "env_step_over_bare_loop": "a whole episode of the environment over the same training in a "
    "bare loop, digits and the default child",
    "image_ops_vs_...": f"a library's time for nine per-sample ops on {BATCH} images 3x32x32 over "
    "AdaptAug's; randaugment: torchvision's RandAugment, image by image, over AdaptAug's nine ops",
    "text_ops_vs_string_eda": f"EDA as its authors wrote it, from {SENTENCES} strings of 20 to 30 "
    "words to ids, over AdaptAug's ops for the same four techniques on the ids of all of them",
    "text_ops_vs_list_eda": "the same techniques alone, on lists of words, over the same ops",
    "text_ops_share_of_step": "augmenting a batch of 32 sentences of 20 to 30 words with all "
    "ops at half magnitude over one training step of the BiLSTM at width 64; 64: batches of 64",
    "controller_share_of_step": "one decision of a learned policy over one training step of the "
    f"CNN at width 32, {BATCH} images 3x32x32",
    "observe_share_of_interval": f"one observation, that is validation and the probes of nine ops, "
    f"over {INTERVAL} such training steps",
    "cost_...": "augmenting one such batch at half magnitude over one training step; geometry is "
    "all geometric ops together and colour all colour ops",
}
"""What each ratio, or family of ratios, is."""


@dataclass(frozen=True)
class Options:
    """Time AdaptAug against its rivals, write runs/NAME."""

    name: str = "benchmark"
    """Name of the run folder in runs/; an older benchmark there is replaced."""
    rounds: int = 15
    """Measurements of every contestant."""
    steps: int = 400
    """Batches in the episode that the environment is timed on."""


def run(options: Options) -> int:
    """Times everything, prints and writes it; returns the exit code."""
    if options.rounds < 1:
        raise AdaptAugError(f"rounds must be at least 1, got {options.rounds}")
    folder = benchmark_folder(run_path(options.name))
    write_json(folder / "config.json", options)
    with one_thread():
        contests = [
            environment(options.rounds, options.steps),
            image_op_contest(options.rounds),
            step_contest(options.rounds),
            string_contest(options.rounds),
            text_step_contest(options.rounds),
        ]
    times = time_rows([race for race, _ in contests])
    ratios = [ratio for _, measured in contests for ratio in measured]
    rows = ratio_rows(ratios)
    print(fixed_width(times), fixed_width(rows), sep="\n\n")
    write_json(folder / "summary.json", {ratio.name: ratio.median for ratio in ratios})
    write_text(folder / "report.md", report(options, rows, times))
    print(f"\nreport: {folder / 'report.md'}")
    return 0


def benchmark_folder(folder: Path) -> Path:
    """Makes the run folder, or takes an older benchmark's, whose files are then replaced.

    Raises:
        AdaptAugError: the folder cannot be made, or holds another kind of run.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    except OSError as error:
        raise AdaptAugError(f"cannot make run folder '{folder}': {error.strerror}") from error
    if names - FILES:
        raise AdaptAugError(
            f"run folder '{folder}' must be new or a benchmark's, got one that holds "
            f"'{min(names - FILES)}'; choose another name"
        )
    return folder


def time_rows(races: Sequence[Race]) -> list[Row]:
    """Headings, then a row for each contestant, in milliseconds a call, and tokens a second."""
    rows: list[Row] = [("milliseconds a call", "median", "min", "max", "tokens a second")]
    for race in races:
        for name, seconds in race.seconds.items():
            times = (statistics.median(seconds), min(seconds), max(seconds))
            rate = f"{race.tokens / times[0]:,.0f}" if race.tokens else ""
            rows.append((name, *(f"{1000 * value:.3f}" for value in times), rate))
    return rows


def ratio_rows(ratios: Sequence[Ratio]) -> list[Row]:
    """Headings, then a row for each ratio."""
    rows: list[Row] = [("ratio", "median", "min", "max", "goal", "verdict")]
    for ratio in ratios:
        values = (ratio.median, min(ratio.values), max(ratio.values))
        cells = (f"{value:.4f}" if value < 0.1 else f"{value:.3f}" for value in values)
        rows.append((ratio.name, *cells, ratio.goal, ratio.verdict))
    return rows


def report(options: Options, ratios: Sequence[Row], times: Sequence[Row]) -> str:
    """Both tables as Markdown, with what they mean and what was measured."""
    meanings = "\n".join(f"- `{name}`: {meaning}." for name, meaning in MEANINGS.items())
    sections = [
        "# AdaptAug: benchmark",
        f"Contestants take turns on one thread, {options.rounds} rounds; a ratio is taken within "
        "each round, and its median over the rounds is the result.",
        markdown(ratios),
        meanings,
        "## Times",
        "Processor time of one call: a whole episode, one batch of ops, one decision, one "
        f"observation; training, and each stage of ops, on {CHUNK} batches; EDA, all sentences.",
        markdown(times),
        f"Measured on {platform.machine()}, {os.cpu_count()} processors, with {_versions()}.",
    ]
    return "\n\n".join(sections) + "\n"


def _versions() -> str:
    """Versions of Python and of what is timed, as far as it is installed."""
    versions = [f"Python {platform.python_version()}"]
    for name in ("torch", "torchvision", "kornia", "albumentations"):
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(versions)


if __name__ == "__main__":
    main(Options, run, __doc__)
