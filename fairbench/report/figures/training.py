"""One run while it trained: accuracy by class, and what its method kept for each class, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fairbench.report.figures.canvas import MAX_BAR_CLASSES, Drawing, canvas, plain_axes
from fairbench.report.figures.classes import draw_bars
from fairbench.report.figures.margin_labels import MOST_LABELS, label_points
from fairbench.report.style import LIGHT, SERIES_LIGHT
from fairbench.report.wording import clean

Log = Sequence[Mapping[str, Any]]
SELECT_CURVE = "select_pgd_class_accuracy"
TRAIN_CURVE = "train_adversarial_class_accuracy"
_CURVES = (SELECT_CURVE, TRAIN_CURVE, "select_clean_class_accuracy", "train_clean_class_accuracy")
_LINE_STYLES = ("-", (0, (5, 2)), (0, (1, 1.5)))


def training_figure(log: Log, classes: Sequence[str], *, selected: int | None) -> Drawing | None:
    """Robust accuracy of each class over the epochs, on the held-out split where it was measured.

    Args:
        log: a line for each epoch.
        classes: K names.
        selected: the epoch whose weights were selected, marked by a line.
    """
    for name in (SELECT_CURVE, TRAIN_CURVE):
        epochs, values = class_series(log, name, len(classes))
        if len(epochs) > 1:
            where = "the held-out split" if name == SELECT_CURVE else "the training images"
            label = f"Accuracy of each class under the training attack on {where}, epoch by epoch."
            return _drawing(epochs, 100 * values, classes, axis="robust accuracy, %", label=label, selected=selected)
    return None


def diagnostic_figures(log: Log, classes: Sequence[str]) -> list[tuple[str, Drawing]]:
    """What the method kept for each class, such as FAAL's class weights (its Fig. 6): name and drawing of each."""
    names = [name for name in (log[0] if log else {}) if name not in _CURVES]
    found = []
    for name in names:
        epochs, values = class_series(log, name, len(classes))
        if len(epochs):
            title = clean(name.replace("_", " "))
            label = f"{title} of each class, epoch by epoch."
            draw = _drawing if len(epochs) > 2 else _bars
            found.append((title, draw(epochs, values, classes, axis=title, label=label)))
    return found


def class_series(log: Log, name: str, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """The epochs that have K numbers under a name, (E,), and the numbers (E, K)."""
    rows = [(line["epoch"], line[name]) for line in log if _is_vector(line.get(name), num_classes)]
    values = np.array([row for _, row in rows], dtype=float).reshape(-1, num_classes)
    return np.array([epoch for epoch, _ in rows]), values


def _is_vector(value: Any, length: int) -> bool:
    return isinstance(value, list) and len(value) == length and all(isinstance(one, int | float) for one in value)


def _drawing(
    epochs: np.ndarray,
    values: np.ndarray,
    classes: Sequence[str],
    *,
    axis: str,
    label: str,
    selected: int | None = None,
) -> Drawing:
    with canvas((7.6, 3.4)) as figure:
        axes = figure.subplots()
        tooltips = _draw_lines(axes, epochs, values, classes)
        if selected is not None and epochs[0] <= selected <= epochs[-1]:
            axes.axvline(selected, color=LIGHT["muted"], linewidth=0.9, linestyle=(0, (4, 3)), gid="selected")
            tooltips["selected"] = f"epoch {selected} was selected"
        axes.set_xlabel("epoch")
        axes.set_ylabel(axis)
        axes.set_ylim(bottom=min(0.0, float(np.nanmin(values))))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        plain_axes(axes)
        shown = np.argsort(values[-1], kind="stable")[: MOST_LABELS if len(classes) <= MAX_BAR_CLASSES else 5]
        label_points(axes, [(clean(classes[int(c)]), float(epochs[-1]), float(values[-1, c])) for c in shown])
        return Drawing(figure=figure, label=label, kind="square", tooltips=tooltips)


def _draw_lines(axes: Axes, epochs: np.ndarray, values: np.ndarray, classes: Sequence[str]) -> dict[str, str]:
    tooltips = {}
    few = len(classes) <= MAX_BAR_CLASSES
    weakest = set(np.argsort(values[-1], kind="stable")[:5].tolist())
    for c, name in enumerate(classes):
        is_plain = not few and c not in weakest
        axes.plot(
            epochs, values[:, c], gid=f"line{c}",
            color=LIGHT["rule"] if is_plain else SERIES_LIGHT[c % len(SERIES_LIGHT)],
            linestyle="-" if is_plain else _LINE_STYLES[c // len(SERIES_LIGHT) % len(_LINE_STYLES)],
            linewidth=0.7 if is_plain else 1.4, marker="." if len(epochs) < 4 else None, zorder=2 if is_plain else 3,
        )  # fmt: skip
        tooltips[f"line{c}"] = clean(name)
    return tooltips


def _bars(epochs: np.ndarray, values: np.ndarray, classes: Sequence[str], *, axis: str, label: str) -> Drawing:
    """One or two epochs: bars by class, an epoch each."""
    names = [f"epoch {epoch}" for epoch in epochs]
    with canvas() as figure:
        axes = figure.subplots()
        tooltips = draw_bars(axes, list(values), [clean(one) for one in classes], names, number="{:.4g}")
        axes.set_ylabel(axis)
        plain_axes(axes)
        return Drawing(figure=figure, label=label, tooltips=tooltips, legend=tuple(names))
