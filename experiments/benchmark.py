"""Time the environment, the ops, the controller and the import against their alternatives.

    python -m experiments.benchmark
    python -m experiments.benchmark --rounds 3

Everything runs on one thread, but for two ratios with DataLoader workers; every ratio is the median
over the rounds. The extra `bench` installs kornia and albumentations; without them their ratios are
left out.
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
from experiments.benchmarks.imports import ROUNDS, import_contest
from experiments.benchmarks.text_contests import SENTENCES, string_contest, text_step_contest
from experiments.benchmarks.timing import Race, Ratio
from experiments.benchmarks.workers import WORKERS, worker_contest
from experiments.common.cli import main, run_path
from experiments.reports.tables import Row, fixed_width, markdown

FILES = {"config.json", "summary.json", "report.md"}
"""Files in the run folder of a benchmark."""

MEANINGS = {
    "env_step_over_bare_loop": "a whole episode of the environment / the same training in a bare "
    "loop, on digits with the default child",
    "image_ops_vs_...": f"a library's nine per-sample ops on {BATCH} images of 3x32x32 / those of "
    "AdaptAug; randaugment: torchvision's RandAugment, image by image / AdaptAug's nine ops",
    "text_ops_vs_string_eda": f"EDA as its authors wrote it, on {SENTENCES} strings of 20 to 30 "
    "words, ids included / AdaptAug's ops for the same four techniques on the ids of all sentences",
    "text_ops_vs_list_eda": "the four techniques of EDA alone, on lists of words / the same ops",
    "text_ops_share_of_step": "all ops at magnitude 0.5 on 32 sentences of 20 to 30 words / one "
    "training step of the BiLSTM of width 64 on as many; 64: 64 sentences",
    "controller_share_of_step": "one decision of a learned policy / one training step of the CNN "
    f"of width 32 on {BATCH} images of 3x32x32",
    "observe_share_of_interval": "one observation, which is a validation and the probes of nine "
    f"ops / {INTERVAL} training steps of that CNN",
    "cost_...": "augmenting a batch at magnitude 0.5 / one training step of that CNN; geometry is "
    "all geometric ops together, colour all colour ops together",
    "randaugment_in_..._over_training_...": "elapsed time of an epoch with RandAugment, image by "
    f"image in the training process or in {WORKERS} DataLoader workers / of an epoch without "
    "augmentation; digits: the default child on images of 1x8x8; cnn32: that CNN. The costs in "
    "comparisons are those in the training process",
    "import_over_torch": "`import adaptaug` / `import torch`, each in a fresh process with its "
    "files in the disk cache",
}
"""What is divided by what in each ratio, or family of ratios."""


@dataclass(frozen=True)
class Options:
    """Time AdaptAug against its alternatives, write runs/NAME."""

    name: str = "benchmark"
    """Name of the run folder in runs/; a benchmark that is already there is replaced."""
    rounds: int = 15
    """Number of measurements of each contestant; imports are measured at most 5 times."""
    steps: int = 400
    """Length of the episode that the environment is timed on, in batches."""


def run(options: Options) -> int:
    """Times everything, prints and writes the results; returns the exit code."""
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
            worker_contest(options.rounds),
            import_contest(options.rounds),
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
    """Makes the run folder, or returns that of an older benchmark, whose files are then replaced.

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
            f"run folder '{folder}' must be new or of a benchmark, got one that holds "
            f"'{min(names - FILES)}'; choose another name"
        )
    return folder


def time_rows(races: Sequence[Race]) -> list[Row]:
    """Headings, then a row for each contestant: milliseconds per call and tokens per second."""
    rows: list[Row] = [("milliseconds per call", "median", "min", "max", "tokens per second")]
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
    """Both tables as Markdown, with explanations and the machine."""
    meanings = "\n".join(f"- `{name}`: {meaning}." for name, meaning in MEANINGS.items())
    sections = [
        "# AdaptAug: benchmark",
        f"Contestants take turns on one thread for {options.rounds} rounds (imports: "
        f"{min(options.rounds, ROUNDS)}). A ratio is computed within each round; the result is its "
        "median over the rounds.",
        markdown(ratios),
        meanings,
        "## Times",
        "Processor time of one call: a whole episode, one batch of ops, one decision, one "
        f"observation, {CHUNK} batches of training or of a stage of ops, EDA of all sentences, one "
        "import. RandAugment in process or workers: elapsed time of one epoch, so leave the "
        f"machine idle; it needs {WORKERS + 1} processor cores.",
        markdown(times),
        f"Measured on {platform.machine()} with {os.cpu_count()} processors and {_versions()}.",
    ]
    return "\n\n".join(sections) + "\n"


def _versions() -> str:
    """Versions of Python and of the libraries that are installed."""
    versions = [f"Python {platform.python_version()}"]
    for name in ("torch", "torchvision", "kornia", "albumentations"):
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(versions)


if __name__ == "__main__":
    main(Options, run, __doc__)
