"""Average against worst class, with intervals and the front of those that nobody beats in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from fairbench.leaderboard.ranking import Entry
from fairbench.leaderboard.summary import Summary, summarise
from fairbench.report.cells import MANY_CELLS
from fairbench.report.figures.canvas import MAX_SERIES, SQUARE, Drawing, canvas
from fairbench.report.figures.margin_labels import MOST_LABELS, label_points
from fairbench.report.style import LIGHT, MARKERS, SERIES_LIGHT
from fairbench.report.wording import clean, condition_title, percent, percent_range


@dataclass(frozen=True)
class _Point:
    index: int
    method: str
    average: Summary
    worst: Summary

    @property
    def place(self) -> tuple[float, float]:
        return 100 * self.average.value, 100 * self.worst.value


def trade_off_figure(entries: Sequence[Entry], condition: str, *, metric: str) -> Drawing | None:
    """Average against worst-class accuracy under a condition, with 95 % intervals and the Pareto front.

    Args:
        entries: the methods; beyond ``MAX_SERIES`` they are grey.
        condition: the name of the condition.
        metric: worst or worst_tenth.

    Returns:
        The drawing, or None without numbers.
    """
    quick = len(entries) * len(entries[0].record.data.classes) > MANY_CELLS
    found = [_point(index, entry, condition, metric, quick=quick) for index, entry in enumerate(entries)]
    points = [point for point in found if point is not None]
    if not points:
        return None
    label = (
        f"Average against worst-class accuracy under {condition_title(condition)}; numbers in the leaderboard table."
    )
    front = pareto_front([point.place for point in points])
    with canvas(SQUARE) as figure:
        axes = figure.subplots()
        _draw_grey_intervals(axes, [point for point in points if point.index >= MAX_SERIES])
        tooltips = {f"point{point.index}": _draw_point(axes, point) for point in reversed(points)}
        if len(front) > 1:
            places = sorted(points[index].place for index in front)
            x, y = [place[0] for place in places], [place[1] for place in places]
            axes.step(x, y, where="pre", color=LIGHT["ink"], linewidth=1, linestyle=(0, (1, 2)), gid="front", zorder=1)
            tooltips["front"] = "the Pareto front: no other method is better in both"
        axes.set_ylim(bottom=0)
        axes.set_xlabel("average accuracy, %")
        axes.set_ylabel("worst-class accuracy, %" if metric == "worst" else "accuracy of the worst 10 % of classes, %")
        named = [point for place, point in enumerate(points) if point.index < MAX_SERIES or place in front]
        label_points(axes, [(point.method, *point.place) for point in named[:MOST_LABELS]])
        return Drawing(figure=figure, label=label, kind="square", tooltips=tooltips)


def pareto_front(points: Sequence[tuple[float, float]]) -> set[int]:
    """The places of the points that no other point beats: at least as high in both, higher in one."""
    return {
        index
        for index, (x, y) in enumerate(points)
        if not any(a >= x and b >= y and (a > x or b > y) for a, b in points)
    }


def _point(index: int, entry: Entry, condition: str, metric: str, *, quick: bool) -> _Point | None:
    average, worst = (summarise(entry, condition, name, quick=quick) for name in ("average", metric))
    return _Point(index, clean(entry.record.method), average, worst) if average and worst else None


def _draw_point(axes: Axes, point: _Point) -> str:
    """Draw the point and its intervals; its tooltip."""
    is_named = point.index < MAX_SERIES
    colour = SERIES_LIGHT[point.index] if is_named else LIGHT["muted"]
    x, y = point.place
    line = {"color": colour, "linewidth": 1.1, "alpha": 0.55}
    if is_named and point.average.interval:
        axes.plot([100 * end for end in point.average.interval], [y, y], **line)
    if is_named and point.worst.interval:
        axes.plot([x, x], [100 * end for end in point.worst.interval], **line)
    marker = MARKERS[point.index] if is_named else "."
    axes.plot([x], [y], marker, color=colour, markersize=7, gid=f"point{point.index}")
    return f"{point.method}: average {_said(point.average)}, worst class {_said(point.worst)}"


def _draw_grey_intervals(axes: Axes, points: Sequence[_Point]) -> None:
    """The intervals of the methods without a colour, all at once: one by one they would take seconds."""
    line = {"color": LIGHT["muted"], "linewidth": 0.6, "alpha": 0.3}
    wide = [(point.place[1], point.average.interval) for point in points if point.average.interval]
    high = [(point.place[0], point.worst.interval) for point in points if point.worst.interval]
    axes.hlines([y for y, _ in wide], [100 * low for _, (low, _) in wide], [100 * end for _, (_, end) in wide], **line)
    axes.vlines([x for x, _ in high], [100 * low for _, (low, _) in high], [100 * end for _, (_, end) in high], **line)


def _said(summary: Summary) -> str:
    interval = f" ({percent_range(summary.interval)})" if summary.interval else ""
    return f"{percent(summary.value)} %{interval}"
