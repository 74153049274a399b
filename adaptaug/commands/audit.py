"""`adaptaug audit`: whether the labels of a data set survive each op, as a table and a figure."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adaptaug.evaluation.audit import Audit

HOW_TO_READ = """\
Each number says how often the nearest neighbours of an op's outputs, among other examples, have
their label: 1 as often as those of unchanged examples, 0 no more often than by chance. Keeping
labels does not yet make an op useful, and one that breaks some may still be, if used gently."""

UNSURE = """\
Neighbours of unchanged examples hardly agree either, so that little can be said about these data:
more labelled examples may help."""


def audited(dataset: str, lexicon: str | None = None, figure: str | None = None) -> str:
    """Audits a data set and, if it holds images, draws the op that is worst for their labels.

    Args:
        dataset: see `adaptaug.data.load`.
        lexicon: see `adaptaug.data.load_lexicon`; without it, ops that need one are left out.
        figure: the PNG file to write, "audit.png" by default.

    Returns:
        The table and how to read it.

    Raises:
        AdaptAugError: the data set or the lexicon cannot be loaded, or the figure cannot be
            written or is asked for without images.
    """
    # Imported late, so that the other commands start fast.
    from adaptaug.data.loading import load
    from adaptaug.evaluation.audit import MAGNITUDES, audit
    from adaptaug.evaluation.audit_figure import audit_figure
    from adaptaug.ops import OpSpace, ops_for
    from adaptaug.training.setup import bind
    from adaptaug.utils.files import write_bytes

    source = load(dataset)
    ops = [op for op in ops_for(source.modality).values() if op.fit is None]
    op_space = bind(OpSpace(ops), source, source.train, lexicon, seed=0)
    found = audit(
        source.train.inputs, source.train.targets,
        op_space=op_space, num_classes=source.num_classes,
    )  # fmt: skip
    note = ""
    if figure is not None or source.modality == "image":
        path = Path("audit.png" if figure is None else figure)
        picture = audit_figure(op_space, found.worst, source.train, MAGNITUDES, source.classes)
        write_bytes(path, picture)
        note = f"\n\n{path} shows images under {found.worst}, the worst."
    return f"{dataset}, {source.num_classes} classes\n\n{table(found)}{note}"


def table(found: "Audit") -> str:
    """An audit for people: a row for each op, the worst first, and how to read it."""
    magnitudes = list(dict.fromkeys(row.magnitude for row in found.rows))
    lines: dict[str, list[tuple[float, str]]] = {}
    for row in found.rows:
        lines.setdefault(row.op, []).append((row.agreement, row.verdict))
    heading = "".join(f"  {magnitude:<13g}" for magnitude in magnitudes)
    text = [f"{'op at strength':<14}{heading}".rstrip()]
    for op, cells in sorted(lines.items(), key=lambda line: min(line[1])):
        text.append(f"{op:<14}{''.join(f'  {a:.2f} {v:<8}' for a, v in cells)}".rstrip())
    return "\n".join([*text, "", HOW_TO_READ, *([UNSURE] if found.unsure else [])])
