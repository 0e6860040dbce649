"""A table drawn as coloured cells, on the heat scale of the page or on the scale of differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from fairbench.report.scales import DIFFERENCE_LIGHT, HEAT_LIGHT, STEPS
from fairbench.report.style import DIFFERENCE_INKS, HEAT_INKS, LIGHT

_MOST_LINED = 60
"""Up to so many columns there is room for a line between them."""
_SHORT = 3
"""So many characters fit below a cell without touching the next name."""


def draw_heat(axes: Axes, values: np.ndarray, *, scale: float = 1.0, write: Callable[[float], str] | None) -> None:
    """Cells coloured from none to all.

    Args:
        axes: to draw on; row 0 is at the top.
        values: (R, C) from 0 to ``scale``, NaN for nothing.
        scale: the value of the last step.
        write: the number in a cell; None where there is no room.
    """
    steps = np.rint(np.clip(values / scale, 0, 1) * (STEPS - 1))
    _draw(axes, values, steps, colours=HEAT_LIGHT.colours, inks=HEAT_INKS, write=write)


def draw_differences(axes: Axes, values: np.ndarray, *, scale: float, write: Callable[[float], str] | None) -> None:
    """Cells coloured by sign: values from ``-scale`` to ``scale``, with nothing at 0."""
    steps = np.rint((np.clip(values / scale, -1, 1) + 1) / 2 * (STEPS - 1))
    _draw(axes, values, steps, colours=DIFFERENCE_LIGHT.colours, inks=DIFFERENCE_INKS, write=write)


def label_cells(axes: Axes, rows: Sequence[str], columns: Sequence[str]) -> None:
    """Names of rows and columns, the latter aslant unless all are short."""
    rotation = 40 if any(len(name) > _SHORT for name in columns) else 0
    axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
    axes.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=rotation, ha="right" if rotation else "center")
    axes.tick_params(axis="y", labelcolor=LIGHT["ink"])


def _draw(
    axes: Axes,
    values: np.ndarray,
    steps: np.ndarray,
    *,
    colours: Sequence[str],
    inks: Sequence[str],
    write: Callable[[float], str] | None,
) -> None:
    # One path for all cells of a colour: a path for each cell makes a page of many methods slow.
    is_fine = values.shape[1] > _MOST_LINED
    for step, colour in enumerate(colours):
        bars = _bars(steps == step, joined=is_fine)
        if len(bars):
            edge = {"edgecolor": colour, "linewidth": 0.3} if is_fine else {"edgecolor": LIGHT["paper"], "linewidth": 1}
            axes.add_patch(PathPatch(_outline(bars), facecolor=colour, **edge))
    if is_fine:
        axes.hlines(range(1, len(values)), 0, values.shape[1], color=LIGHT["paper"], linewidth=1)
    axes.set_xlim(0, values.shape[1])
    axes.set_ylim(len(values), 0)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if write is None:
        return
    # In the order of the steps, so that numbers of one colour are neighbours in the drawing.
    for row, column in sorted(np.argwhere(np.isfinite(values)).tolist(), key=lambda place: steps[tuple(place)]):
        ink = inks[int(steps[row, column])]
        text = write(values[row, column])
        axes.text(column + 0.5, row + 0.5, text, color=ink, ha="center", va="center", fontsize=7.5)


def _bars(is_there: np.ndarray, *, joined: bool) -> np.ndarray:
    """(R, C) -> (n, 3) row, column and width of a bar for each cell, or for each run of neighbours in a row."""
    if not joined:
        return np.column_stack([np.argwhere(is_there), np.ones(is_there.sum(), dtype=int)])
    steps = np.diff(is_there.astype(int), axis=1, prepend=0, append=0)
    starts, ends = np.argwhere(steps == 1), np.argwhere(steps == -1)
    return np.column_stack([starts, ends[:, 1] - starts[:, 1]])


def _outline(bars: np.ndarray) -> Path:
    """A path around each of the bars."""
    rows, columns, widths = bars.T
    x = np.stack([columns, columns + widths, columns + widths, columns, columns], axis=1)
    y = np.stack([rows, rows, rows + 1, rows + 1, rows], axis=1)
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    return Path(np.stack([x, y], axis=-1).reshape(-1, 2), codes * len(bars))
