"""Methods and classes at a glance: a heat map whose classes go from the one that is hardest for all to the easiest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fairbench.leaderboard.ranking import Entry
from fairbench.report.figures.canvas import MAX_BAR_CLASSES, MAX_ROWS, Drawing, canvas
from fairbench.report.figures.classes import class_percentages
from fairbench.report.figures.heat_map import draw_heat, label_cells
from fairbench.report.wording import clean, condition_title, shorten


def class_heat_figure(entries: Sequence[Entry], condition: str) -> Drawing | None:
    """Accuracy by method and class under a condition.

    Args:
        entries: the methods, at most ``MAX_ROWS`` of them are drawn.
        condition: the name of the condition.

    Returns:
        The drawing, or None for fewer than two methods with numbers.
    """
    rows = [(entry, class_percentages(entry, condition, "accuracy")) for entry in entries[:MAX_ROWS]]
    found = [(entry, row) for entry, row in rows if row is not None]
    if len(found) < 2:
        return None
    values = np.stack([row for _, row in found])
    order = np.argsort(np.nan_to_num(values).mean(axis=0), kind="stable")
    classes = [shorten(clean(entries[0].record.data.classes[c]), 14) for c in order]
    has_room = len(classes) <= MAX_BAR_CLASSES
    with canvas((9.6, 1.4 + 0.24 * len(found))) as figure:
        axes = figure.subplots()
        draw_heat(axes, values[:, order], scale=100, write="{:.0f}".format if has_room else None)
        label_cells(axes, [shorten(clean(entry.record.method), 30) for entry, _ in found], classes)
        if not has_room:
            axes.set_xticks([])
            axes.set_xlabel("classes, from the one that is hardest for all to the easiest")
        label = f"Accuracy in percent by method and class under {condition_title(condition)}, hardest class first."
        return Drawing(figure=figure, label=label)
