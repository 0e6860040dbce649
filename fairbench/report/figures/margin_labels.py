"""Names in a column right of the axes, in the order of their points' heights, joined to them by thin lines."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from fairbench.report.style import LIGHT
from fairbench.report.wording import shorten

_MAX_LABEL = 26
_GAP = 0.065
MOST_LABELS = int(1 / _GAP)
"""More names than this do not fit beside the axes."""


def label_points(axes: Axes, points: Sequence[tuple[str, float, float]]) -> None:
    """Write names beside the axes.

    Args:
        axes: with its final limits.
        points: name, x and y of each, at most ``MOST_LABELS``.
    """
    if not points:
        return
    low, high = axes.get_ylim()
    left, right = axes.get_xlim()
    ordered = sorted(points, key=lambda point: point[2])
    heights = spread([(y - low) / (high - low) for _, _, y in ordered], gap=_GAP)
    for (name, x, y), height in zip(ordered, heights, strict=True):
        start, place = (x - left) / (right - left), (y - low) / (high - low)
        axes.plot(
            [start, 1.03], [place, height], transform=axes.transAxes, color=LIGHT["muted"], linewidth=0.5,
            linestyle=":", clip_on=False, zorder=1,
        )  # fmt: skip
        axes.text(1.04, height, shorten(name, _MAX_LABEL), transform=axes.transAxes, verticalalignment="center")
    axes.set_xlim(left, right)
    axes.set_ylim(low, high)


def spread(heights: list[float], gap: float) -> list[float]:
    """Ascending heights in [0, 1], moved as little as needed to be ``gap`` apart."""
    placed: list[float] = []
    for height in heights:
        placed.append(max(height, placed[-1] + gap) if placed else height)
    overflow = placed[-1] - 1
    for index in range(len(placed) - 1, -1, -1):
        ceiling = 1 - gap * (len(placed) - 1 - index)
        placed[index] = min(placed[index], ceiling) if overflow > 0 else placed[index]
    return placed
