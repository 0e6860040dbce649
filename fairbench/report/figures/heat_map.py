"""A table drawn as coloured cells, on the heat scale of the page or on the scale of differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from fairbench.report.scales import DIFFERENCE_LIGHT, HEAT_LIGHT, STEPS
from fairbench.report.style import DIFFERENCE_INKS, HEAT_INKS, LIGHT

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
    for step, colour in enumerate(colours):
        cells = np.argwhere(steps == step)
        if len(cells):
            axes.add_patch(PathPatch(_squares(cells), facecolor=colour, edgecolor=LIGHT["paper"], linewidth=1.0))
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


def _squares(cells: np.ndarray) -> Path:
    """(n, 2) rows and columns -> a path around each of the cells."""
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)])
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    return Path((cells[:, None, ::-1] + corners).reshape(-1, 2), codes * len(cells))
