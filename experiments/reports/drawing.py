"""Parts shared by all figures: new figure, colours, rows of intervals, labels beside points.

The colours are of Okabe and Ito's palette for colour-blind readers. Learned arms also have bold
names. Neither pyplot nor its global state is used.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

LEARNED, PLAIN, OTHER, GRID = "#d55e00", "#0072b2", "#4d5a66", "#d9dde1"
"""Colours of learned arms, of training without augmentation, of every other arm, of grid lines."""


def new_figure(width: float, height: float, title: str) -> Figure:
    """A figure of this size in inches, with a title of one or more lines."""
    layout = ConstrainedLayoutEngine(wspace=0.1)
    figure = Figure(figsize=(width, height), dpi=150, layout=layout)
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    return figure


def png(figure: Figure) -> bytes:
    """The figure as the content of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def colour(arm: str) -> str:
    """Colour of an arm; names that start with "learned" are highlighted."""
    return LEARNED if arm.startswith("learned") else PLAIN if arm == "none" else OTHER


def weight(arm: str) -> str:
    """Font weight of an arm's name."""
    return "bold" if arm.startswith("learned") else "normal"


def tidy(axes: Axes, grid: str) -> None:
    """Pale grid lines along "x", "y" or "both"; no frame, no tick marks."""
    axes.grid(axis=grid, color=GRID, linewidth=0.8)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.tick_params(which="both", length=0)


def name_rows(axes: Axes, names: Sequence[str], ticks: int) -> None:
    """Labels one row for each name, the first on top, and limits the ticks of the x axis."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    for tick, arm in zip(axes.get_yticklabels(), names, strict=False):  # inner panels have none
        tick.set(color=colour(arm), fontweight=weight(arm))
    axes.xaxis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 5, 10]))
    tidy(axes, "x")


def draw_interval(
    axes: Axes, row: int, score: Mapping[str, Any], shade: str, number: str | None = None
) -> None:
    """A dot at the mean and, if there is one, a bar over the 95% interval; both times 100.

    Args:
        axes: where to draw.
        row: vertical position.
        score: `mean` and `ci95` (None with one value) as fractions.
        shade: colour.
        number: format of the mean written behind the bar, such as "+.1f"; None writes none.
    """
    mean = 100 * score["mean"]
    ends = [100 * end for end in score["ci95"] or ()]
    if ends:
        axes.plot(ends, [row, row], color=shade, linewidth=2.5, solid_capstyle="butt", zorder=2)
    axes.plot([mean], [row], "o", color=shade, markersize=6, zorder=3)
    if number is not None:
        axes.annotate(
            format(mean, number).replace("-", "−"),
            (max([mean, *ends]), row),
            (6, 0),
            textcoords="offset points",
            va="center",
            color=shade,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )


def label_points(figure: Figure, axes: Axes, points: Mapping[str, tuple[float, float]]) -> None:
    """Writes each arm's name near its point, without covering other names or points.

    Greedy, highest point first: among places on rings around the point, it takes the one that
    covers least, and the nearest if several do. A thin line leads to a name that is far away.

    Args:
        figure: the figure, complete except for the names; its layout is fixed here.
        axes: the axes that hold the points.
        points: position of each arm's point, in data units.
    """
    figure.draw_without_rendering()  # settles the layout, so that pixel positions are final
    figure.set_layout_engine("none")
    frame = np.array(axes.get_window_extent().extents)[None]
    centres = {arm: axes.transData.transform(point) for arm, point in points.items()}
    # Boxes in pixels: left, bottom, right, top.
    taken = [(x - 9, y - 9, x + 9, y + 9) for x, y in centres.values()]
    radii, angles = np.meshgrid(np.arange(16, 300, 6), np.linspace(0, 2 * np.pi, 32, False))
    offsets = np.stack([radii * np.cos(angles), radii * np.sin(angles)], -1).reshape(-1, 2)
    for arm in sorted(points, key=lambda arm: -points[arm][1]):
        style = {"color": colour(arm), "fontweight": weight(arm), "va": "center"}
        text = axes.text(*points[arm], arm, **style)  # type: ignore[arg-type]
        size = text.get_window_extent()
        ends = centres[arm] + offsets
        left = np.where(offsets[:, 0] >= 0, ends[:, 0], ends[:, 0] - size.width)
        low = ends[:, 1] - size.height / 2
        boxes = np.stack([left - 4, low, left + size.width + 4, low + size.height], -1)
        hidden = _overlaps(boxes, np.array(taken)).sum(1)
        outside = (size.width + 8) * size.height - _overlaps(boxes, frame)[:, 0]
        best = int(np.argmin(10 * (hidden + outside) + radii.ravel()))
        taken.append(tuple(boxes[best]))
        x, y = axes.transData.inverted().transform((left[best], ends[best, 1]))
        text.set_position((x, y))
        if np.hypot(*offsets[best]) > 30:
            line = axes.transData.inverted().transform([centres[arm], ends[best]])
            axes.plot(*line.T, color=OTHER, linewidth=0.6, zorder=1, scalex=False, scaley=False)


def _overlaps(boxes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area that each of the boxes (n, 4) shares with each of the others (m, 4): (n, m)."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    area: NDArray[np.float64] = (high - low).clip(min=0).prod(-1)
    return area
