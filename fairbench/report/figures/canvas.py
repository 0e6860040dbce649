"""What every drawing shares: the sheet it is drawn on, and what stands beside it for those who do not see it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fairbench.leaderboard.ranking import Entry
from fairbench.report.style import FIGURE_SETTINGS, LIGHT, SERIES_LIGHT
from fairbench.report.wording import clean

WIDE = (9.6, 2.7)
SQUARE = (7.2, 4.2)
MAX_SERIES = len(SERIES_LIGHT)
"""A figure shows as many methods as there are colours that can be told apart."""
MAX_ROWS = 30
"""A figure with a line for each method shows as many of them."""
MAX_BAR_CLASSES = 20
"""Up to here a class has room for a group of bars, and a cell for its number."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """One drawing."""

    figure: Figure
    label: str
    """what it shows, for those who do not see it."""
    kind: Literal["wide", "square"] = "wide"
    tooltips: Mapping[str, str] = field(default_factory=dict)
    """text by the ``gid`` of the artist that it belongs to."""
    legend: tuple[str, ...] = ()
    """names in the order of the series' colours; a page writes them above, a file holds them itself."""


@contextmanager
def canvas(size: tuple[float, float] = WIDE) -> Iterator[Figure]:
    """A figure in the style of the house; its artists are made inside the block."""
    with mpl.rc_context(rc=FIGURE_SETTINGS):
        yield Figure(figsize=size, layout="tight")


def method_names(entries: Sequence[Entry]) -> tuple[str, ...]:
    """The written forms of the methods that figures show, in the order of their colours."""
    return tuple(clean(entry.record.method) for entry in entries[:MAX_SERIES])


def plain_axes(axes: Axes, *, grid: Literal["x", "y", "both"] = "y") -> None:
    """No frame where the grid already says enough."""
    axes.spines["left"].set_visible(False)
    if grid != "both":
        axes.grid(visible=False, axis="x" if grid == "y" else "y")


def reference_line(axes: Axes, height: float) -> None:
    """A dashed line at a value to compare with."""
    axes.axhline(height, color=LIGHT["muted"], linewidth=0.9, linestyle=(0, (4, 3)))
