"""Accuracy along an axis, method by method: solid over all images, dashed of the worst class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fairbench.report.figures.canvas import MAX_SERIES, Drawing, canvas, plain_axes
from fairbench.report.style import MARKERS, SERIES_LIGHT

_DASHED = (0, (4, 2))
LINES = {"average": ("all images", "-"), "worst": ("worst class", _DASHED)}
"""Metric -> its name and the style of its line."""

Curve = Sequence[tuple[float, float]]
"""Place on the axis and fraction."""


def draw_curves(
    curves: Sequence[tuple[str, Mapping[str, Curve]]],
    *,
    axis: str,
    label: str,
    ticks: Sequence[float] | None = None,
) -> Drawing:
    """The drawing.

    Args:
        curves: name and, by metric of ``LINES``, its curves; the order gives the colours, one without curves keeps its.
        axis: what the places are.
        label: what is to be seen.
        ticks: the places to be named; left to the drawing if None.
    """
    shown = curves[:MAX_SERIES]
    tooltips = {}
    with canvas((7.6, 3.4)) as figure:
        axes = figure.subplots()
        for index, (name, by_metric) in enumerate(shown):
            for metric, points in by_metric.items():
                title, style = LINES[metric]
                gid = f"curve{index}{metric}"
                axes.plot(
                    [place for place, _ in points], [100 * value for _, value in points], color=SERIES_LIGHT[index],
                    marker=MARKERS[index], markersize=4, linestyle=style, linewidth=1.4, gid=gid,
                )  # fmt: skip
                tooltips[gid] = f"{name}, {title}"
        axes.set_xlabel(axis)
        axes.set_ylabel("accuracy, %")
        axes.set_ylim(bottom=0)
        if ticks is not None:
            axes.set_xticks(ticks)
        plain_axes(axes)
        legend = tuple(name for name, _ in shown)
        return Drawing(figure=figure, label=label, kind="square", tooltips=tooltips, legend=legend)
