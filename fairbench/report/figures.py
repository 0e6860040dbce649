"""The drawings of the page: class-wise bars or profiles, and average against worst class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fairbench.leaderboard.ranking import Entry
from fairbench.leaderboard.summary import class_summaries, summarise
from fairbench.report.style import FIGURE_SETTINGS, LIGHT, MARKERS, SERIES_LIGHT
from fairbench.report.svg import inline_svg
from fairbench.report.wording import clean, percent, percent_range, shorten

MAX_SERIES = len(SERIES_LIGHT)
"""A figure shows as many methods as there are colours that can be told apart."""
_MAX_BAR_CLASSES = 20
_MAX_LABEL = 26
_WIDE = (9.6, 2.7)
_SQUARE = (7.2, 4.2)


def class_figure(entries: Sequence[Entry], condition: str, metric: str, *, name: str, label: str) -> Markup | None:
    """A metric class by class: grouped bars, or profiles of the sorted classes where there are many.

    Args:
        entries: the methods, at most ``MAX_SERIES`` of them are drawn; those without numbers are left out.
        condition: the name of the condition.
        metric: accuracy or c_fps.
        name: of the figure, unique on the page.
        label: what the figure shows, for those who do not see it.

    Returns:
        Inline SVG, or None if no method has numbers.
    """
    rows = [_percentages(entry, condition, metric) for entry in entries[:MAX_SERIES]]
    if all(row is None for row in rows):
        return None
    classes = [clean(one) for one in entries[0].record.data.classes]
    methods = [clean(entry.record.method) for entry in entries]
    with _styled_figure(_WIDE) as figure:
        axes = figure.subplots()
        if len(classes) <= _MAX_BAR_CLASSES:
            tooltips = _draw_bars(axes, rows, classes, methods)
        else:
            tooltips = _draw_profiles(axes, rows, methods)
        if metric == "c_fps":
            axes.axhline(100 / len(classes), color=LIGHT["muted"], linewidth=0.9, linestyle=(0, (4, 3)))
        axes.set_ylabel("share of wrong answers, %" if metric == "c_fps" else "accuracy, %")
        axes.set_ylim(bottom=0)
        axes.grid(visible=False, axis="x")
        axes.spines["left"].set_visible(False)
        return inline_svg(figure, name=name, kind="wide", label=label, tooltips=tooltips)


def trade_off_figure(entries: Sequence[Entry], condition: str, *, name: str, label: str) -> Markup | None:
    """Average against worst-class accuracy under a condition, with 95 % Wilson intervals; None without numbers."""
    points = []
    for index, entry in enumerate(entries[:MAX_SERIES]):
        average, worst = summarise(entry, condition, "average"), summarise(entry, condition, "worst")
        if average and worst and average.interval and worst.interval:
            points.append((index, entry.record.method, average, worst))
    if not points:
        return None
    tooltips: dict[str, str] = {}
    with _styled_figure(_SQUARE) as figure:
        axes = figure.subplots()
        for index, method, average, worst in points:
            colour, x, y = SERIES_LIGHT[index], 100 * average.value, 100 * worst.value
            (x_low, x_high), (y_low, y_high) = average.interval, worst.interval
            axes.plot([100 * x_low, 100 * x_high], [y, y], color=colour, linewidth=1.1, alpha=0.55)
            axes.plot([x, x], [100 * y_low, 100 * y_high], color=colour, linewidth=1.1, alpha=0.55)
            gid = f"point{index}"
            axes.plot([x], [y], MARKERS[index], color=colour, markersize=7, gid=gid)
            tooltips[gid] = (
                f"{clean(method)}: average {percent(average.value)} % ({percent_range(average.interval)}), "
                f"worst class {percent(worst.value)} % ({percent_range(worst.interval)})"
            )
        axes.set_ylim(bottom=0)
        axes.set_xlabel("average accuracy, %")
        axes.set_ylabel("worst-class accuracy, %")
        _label_points(axes, [(clean(method), 100 * a.value, 100 * w.value) for _, method, a, w in points])
        return inline_svg(figure, name=name, kind="square", label=label, tooltips=tooltips)


@contextmanager
def _styled_figure(size: tuple[float, float]) -> Iterator[Figure]:
    with mpl.rc_context(rc=FIGURE_SETTINGS):
        yield Figure(figsize=size, layout="tight")


def _percentages(entry: Entry, condition: str, metric: str) -> np.ndarray | None:
    summaries = class_summaries(entry, condition, metric)
    if summaries is None:
        return None
    return np.array([np.nan if summary is None else 100 * summary.value for summary in summaries])


def _draw_bars(
    axes: Axes, rows: Sequence[np.ndarray | None], classes: Sequence[str], methods: Sequence[str]
) -> dict[str, str]:
    """A group of bars for each class, a colour for each method; the tooltips of the bars."""
    tooltips = {}
    width = 0.8 / len(rows)
    centres = np.arange(len(classes))
    for index, row in enumerate(rows):
        if row is None:
            continue
        places = centres + (index - (len(rows) - 1) / 2) * width
        bars = axes.bar(places, np.nan_to_num(row), width * 0.9, color=SERIES_LIGHT[index], linewidth=0)
        for c, bar in enumerate(bars):
            gid = f"bar{index}c{c}"
            bar.set_gid(gid)
            tooltips[gid] = f"{methods[index]}, {classes[c]}: {row[c]:.1f} %"
    axes.set_xticks(centres, [shorten(one, 14) for one in classes])
    if sum(map(len, classes)) > 90:
        axes.tick_params(axis="x", labelrotation=30)
    axes.set_xlim(-0.5, len(classes) - 0.5)
    return tooltips


def _draw_profiles(axes: Axes, rows: Sequence[np.ndarray | None], methods: Sequence[str]) -> dict[str, str]:
    """A line for each method over its classes from the weakest to the strongest; the tooltips of the lines."""
    tooltips = {}
    for index, row in enumerate(rows):
        if row is None:
            continue
        values = np.sort(row[~np.isnan(row)])
        gid = f"profile{index}"
        axes.plot(np.arange(1, len(values) + 1), values, color=SERIES_LIGHT[index], linewidth=1.6, gid=gid)
        tooltips[gid] = methods[index]
    axes.set_xlabel("classes of each method, from its lowest value to its highest")
    axes.margins(x=0.01)
    return tooltips


def _label_points(axes: Axes, points: Sequence[tuple[str, float, float]]) -> None:
    """Names in a column right of the axes, in the order of the points' heights, joined to them by thin lines."""
    low, high = axes.get_ylim()
    ordered = sorted(points, key=lambda point: point[2])
    heights = _spread([(y - low) / (high - low) for _, _, y in ordered], gap=0.065)
    for (name, x, y), height in zip(ordered, heights, strict=True):
        axes.annotate(
            shorten(name, _MAX_LABEL),
            xy=(x, y),
            xytext=(1.04, height),
            textcoords="axes fraction",
            verticalalignment="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": LIGHT["muted"], "linewidth": 0.5, "linestyle": ":", "shrinkB": 6},
            zorder=1,
        )


def _spread(heights: list[float], gap: float) -> list[float]:
    """Ascending heights in [0, 1], moved as little as needed to be ``gap`` apart."""
    placed: list[float] = []
    for height in heights:
        placed.append(max(height, placed[-1] + gap) if placed else height)
    overflow = placed[-1] - 1
    for index in range(len(placed) - 1, -1, -1):
        ceiling = 1 - gap * (len(placed) - 1 - index)
        placed[index] = min(placed[index], ceiling) if overflow > 0 else placed[index]
    return placed
