"""Whether the order of the methods depends on the number that orders them: Kendall's tau of each pair of numbers."""

from __future__ import annotations

import numpy as np

from fairbench.leaderboard.agreement import Agreement, Choice
from fairbench.report.figures.canvas import Drawing, canvas
from fairbench.report.figures.heat_map import draw_differences, label_cells
from fairbench.report.wording import condition_title

_FEWEST_METHODS = 3


def agreement_figure(agreement: Agreement | None) -> Drawing | None:
    """The matrix of rank agreements; None for fewer than three methods, whose orders can hardly differ."""
    if agreement is None or agreement.methods < _FEWEST_METHODS:
        return None
    values = np.array([[np.nan if tau is None else tau for tau in row] for row in agreement.tau], dtype=float)
    names = [_name(choice) for choice in agreement.choices]
    size = 1.6 + 0.36 * len(names)
    with canvas((size + 1.4, size)) as figure:
        axes = figure.subplots()
        draw_differences(axes, values, scale=1.0, write=_tau)
        label_cells(axes, names, names)
        label = f"Kendall's tau between the orders of {agreement.methods} methods by each pair of numbers."
        return Drawing(figure=figure, label=label, kind="square")


def _name(choice: Choice) -> str:
    return f"{condition_title(choice.condition)} {choice.metric.replace('_', ' ')}"


def _tau(value: float) -> str:
    return f"{round(value, 1) + 0:.1f}".replace("-", "\u2212")  # adding 0 takes the sign from a zero
