"""Common corruptions: a heat map of types and methods, and curves over the severities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fairbench.leaderboard.ranking import Entry
from fairbench.report.corruptions import Cell, shared_cells, values_by_severity, values_by_type
from fairbench.report.figures.canvas import MAX_ROWS, MAX_SERIES, Drawing, canvas
from fairbench.report.figures.curves import LINES, Curve, draw_curves
from fairbench.report.figures.heat_map import draw_heat, label_cells
from fairbench.report.wording import clean, shorten


def corruption_figure(entries: Sequence[Entry]) -> Drawing | None:
    """Accuracy by method and type, the severities that all share pooled: over all images and of the worst class."""
    shared = shared_cells(entries)
    rows = [(entry, found) for entry in entries if (found := values_by_type(entry, shared))][:MAX_ROWS]
    if not rows:
        return None
    kinds = list(rows[0][1])
    with canvas((9.6, 1.6 + 0.24 * len(rows))) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        for panel, (metric, (title, _)) in zip(panels, LINES.items(), strict=True):
            values = np.array([[found[kind][metric] for kind in kinds] for _, found in rows])
            draw_heat(panel, 100 * values, scale=100, write="{:.0f}".format)
            names = [shorten(clean(entry.record.method), 26) for entry, _ in rows]
            label_cells(panel, names, [shorten(clean(kind.replace("_", " ")), 18) for kind in kinds])
            panel.set_title(title, loc="left", fontsize=8.5)
        return Drawing(figure=figure, label="Accuracy in percent by method and type of corruption.")


def severity_figure(entries: Sequence[Entry]) -> Drawing | None:
    """Accuracy over the severities, mean over the types that all share: solid on average, dashed the worst class."""
    shared = shared_cells(entries)
    severities = sorted({severity for _, severity in shared})
    if len(severities) < 2:
        return None
    curves = [(clean(entry.record.method), _by_severity(entry, shared)) for entry in entries[:MAX_SERIES]]
    label = "Accuracy over the severities of the corruptions, by method: over all images and of the worst class."
    return draw_curves(curves, axis="severity", label=label, ticks=severities)


def _by_severity(entry: Entry, shared: set[Cell]) -> dict[str, Curve]:
    found = values_by_severity(entry, shared)
    return {metric: [(at, values[metric]) for at, values in found.items()] for metric in LINES} if found else {}
