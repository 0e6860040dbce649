"""The confusion of a method under attack, and how it differs from a baseline's."""

from __future__ import annotations

import numpy as np

from fairbench.leaderboard.ranking import Entry
from fairbench.report.figures.canvas import MAX_BAR_CLASSES, Drawing, canvas
from fairbench.report.figures.heat_map import draw_differences, draw_heat, label_cells
from fairbench.report.wording import clean, condition_title, shorten


def confusion_figure(entry: Entry, baseline: Entry | None, condition: str) -> Drawing | None:
    """Confusion in percent of each class, and the difference from the baseline in points.

    Args:
        entry: the method.
        baseline: what it is compared with; None draws the confusion alone.
        condition: the name of the condition.

    Returns:
        The drawing, or None where there are no numbers or too many classes.
    """
    shares = mean_confusion(entry, condition)
    others = mean_confusion(baseline, condition) if baseline else None
    classes = [shorten(clean(name), 14) for name in entry.record.data.classes]
    if shares is None or len(classes) > MAX_BAR_CLASSES:
        return None
    method, against = clean(entry.record.method), clean(baseline.record.method) if baseline else ""
    with canvas((9.6 if others is not None else 5.2, 4.1)) as figure:
        panels = figure.subplots(1, 1 if others is None else 2, squeeze=False, sharey=True)[0]
        draw_heat(panels[0], 100 * shares, scale=100, write="{:.0f}".format)
        panels[0].set_title(shorten(method, 40), loc="left", fontsize=8.5)
        if others is not None:
            draw_differences(panels[1], 100 * (shares - others), scale=30, write=_points)
            panels[1].set_title(shorten(f"minus {against}", 40), loc="left", fontsize=8.5)
        for panel in panels:
            label_cells(panel, classes, classes)
        label = f"Confusion of {method} under {condition_title(condition)}, percent of each class" + (
            f", and the difference from {against} in points." if others is not None else "."
        )
        return Drawing(figure=figure, label=label, kind="wide")


def mean_confusion(entry: Entry, condition: str) -> np.ndarray | None:
    """(K, K) shares of each class by answer, the mean over seeds; None if a seed lacks the condition."""
    found = [record.conditions.get(condition) for record in entry.records]
    matrices = [np.array(one.confusion) for one in found if one is not None]
    if len(matrices) < len(found):
        return None
    return np.mean([matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1) for matrix in matrices], axis=0)


def _points(difference: float) -> str:
    text = f"{difference:+.0f}"
    return "0" if text in ("+0", "-0") else text.replace("-", "\u2212")
