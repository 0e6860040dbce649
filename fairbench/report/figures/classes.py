"""A metric class by class: grouped bars, or profiles of the sorted classes where there are many."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from fairbench.leaderboard.ranking import Entry
from fairbench.leaderboard.summary import class_summaries
from fairbench.report.figures.canvas import (
    MAX_BAR_CLASSES,
    MAX_SERIES,
    Drawing,
    canvas,
    method_names,
    plain_axes,
    reference_line,
)
from fairbench.report.style import SERIES_LIGHT
from fairbench.report.wording import clean, shorten

Row = np.ndarray | None


def class_figure(entries: Sequence[Entry], condition: str, metric: str, *, label: str) -> Drawing | None:
    """A metric class by class, as in FAAL Figs. 1-3, ABSLD Fig. 3 and, for C_FPS, FAIR-TAT Fig. 1.

    Args:
        entries: the methods, at most ``MAX_SERIES`` of them are drawn; those without numbers are left out.
        condition: the name of the condition.
        metric: accuracy or c_fps.
        label: what the figure shows.

    Returns:
        The drawing, or None if no method has numbers.
    """
    rows = [class_percentages(entry, condition, metric) for entry in entries[:MAX_SERIES]]
    if all(row is None for row in rows):
        return None
    classes, methods = [clean(one) for one in entries[0].record.data.classes], method_names(entries)
    with canvas() as figure:
        axes = figure.subplots()
        if len(classes) <= MAX_BAR_CLASSES:
            tooltips = draw_bars(axes, rows, classes, methods)
        else:
            tooltips = _draw_profiles(axes, rows, methods)
        if metric == "c_fps":
            reference_line(axes, 100 / len(classes))
        axes.set_ylabel("share of wrong answers, %" if metric == "c_fps" else "accuracy, %")
        axes.set_ylim(bottom=0)
        plain_axes(axes)
        return Drawing(figure=figure, label=label, tooltips=tooltips, legend=methods)


def class_percentages(entry: Entry, condition: str, metric: str) -> Row:
    """(K,) percent, NaN for a class without images; None if the entry has no numbers."""
    summaries = class_summaries(entry, condition, metric)
    if summaries is None:
        return None
    return np.array([np.nan if summary is None else 100 * summary.value for summary in summaries])


def draw_bars(
    axes: Axes, rows: Sequence[Row], classes: Sequence[str], names: Sequence[str], *, number: str = "{:.1f} %"
) -> dict[str, str]:
    """A group of bars for each class, a colour for each name; the tooltips of the bars, ``number`` their format."""
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
            tooltips[gid] = f"{names[index]}, {classes[c]}: {number.format(row[c])}"
    label_classes(axes, classes)
    axes.set_xlim(-0.5, len(classes) - 0.5)
    return tooltips


def label_classes(axes: Axes, classes: Sequence[str]) -> None:
    """Class names below the axis, slanted where they are long."""
    axes.set_xticks(np.arange(len(classes)), [shorten(one, 14) for one in classes])
    if sum(map(len, classes)) > 90:
        axes.tick_params(axis="x", labelrotation=30)


def _draw_profiles(axes: Axes, rows: Sequence[Row], methods: Sequence[str]) -> dict[str, str]:
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
