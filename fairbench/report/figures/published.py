"""Published against measured: on the diagonal both agree."""

from __future__ import annotations

from collections.abc import Sequence

from fairbench.report.figures.canvas import SQUARE, Drawing, canvas
from fairbench.report.published import Comparison
from fairbench.report.style import LIGHT, MARKERS, SERIES_LIGHT
from fairbench.report.wording import clean, condition_title, percent

_FILLED = {"average": "full", "worst": "none", "worst_tenth": "none", "overall": "left"}


def published_figure(found: Sequence[Comparison]) -> Drawing | None:
    """Each printed number against the measured one: a colour for each condition, filled for averages."""
    if not found:
        return None
    conditions = list(dict.fromkeys(one.condition for one in found))[: len(SERIES_LIGHT)]
    tooltips = {}
    with canvas(SQUARE) as figure:
        axes = figure.subplots()
        top = 100 * max(max(one.published, one.measured) for one in found) + 5
        axes.plot([0, top], [0, top], color=LIGHT["muted"], linewidth=0.9, linestyle=(0, (4, 3)))
        for index, one in enumerate(one for one in found if one.condition in conditions):
            place = conditions.index(one.condition)
            gid = f"number{index}"
            axes.plot(
                [100 * one.published], [100 * one.measured], MARKERS[place], color=SERIES_LIGHT[place],
                fillstyle=_FILLED.get(one.metric, "full"), markersize=5, gid=gid,
            )  # fmt: skip
            tooltips[gid] = (
                f"{clean(one.entry.record.method)}, {condition_title(one.condition)} {one.metric}: measured "
                f"{percent(one.measured)} %, published {percent(one.published)} % ({one.source})"
            )
        axes.set_xlim(0, top)
        axes.set_ylim(0, top)
        axes.set_xlabel("published, %")
        axes.set_ylabel("measured here, %")
        label = "Published against measured accuracy: filled for averages, open for the worst class."
        legend = tuple(condition_title(name) for name in conditions)
        return Drawing(figure=figure, label=label, kind="square", tooltips=tooltips, legend=legend)
