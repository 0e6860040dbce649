"""What a method kept for single batches, such as FAAL's class weights (its Fig. 6): classes by time, as a heat map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fairbench.report.figures.canvas import Drawing, canvas
from fairbench.report.figures.heat_map import draw_heat
from fairbench.report.figures.training import Log
from fairbench.report.wording import clean, shorten

_MOST_CELLS = 3000
_MOST_COLUMNS = 150


def batch_figures(log: Log, classes: Sequence[str]) -> list[tuple[str, Drawing]]:
    """A heat map for each entry of the log that has a row of K numbers for single batches: name and drawing."""
    found = []
    for name in log[0] if log else {}:
        blocks = [np.array(line[name], dtype=float) for line in log if _is_matrix(line.get(name), len(classes))]
        if blocks:
            title = clean(name.replace("_", " "))
            found.append((title, _drawing(blocks, classes, title)))
    return found


def _is_matrix(value: Any, columns: int) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(row, list) and len(row) == columns for row in value)
        and all(isinstance(one, int | float) for row in value for one in row)
    )


def _drawing(blocks: Sequence[np.ndarray], classes: Sequence[str], title: str) -> Drawing:
    values = _thinned(np.concatenate(blocks), limit=min(_MOST_COLUMNS, max(10, _MOST_CELLS // len(classes))))
    top = max(float(np.nanmax(values)), 1e-12)
    with canvas((9.6, 0.9 + 0.2 * min(len(classes), 40))) as figure:
        axes = figure.subplots()
        draw_heat(axes, values.T, scale=top, write=None)
        axes.set_yticks(np.arange(len(classes)) + 0.5, [shorten(clean(name), 14) for name in classes])
        ends = np.cumsum([0] + [len(block) for block in blocks]) / sum(map(len, blocks)) * len(values)
        step = max(1, len(blocks) // 10)
        axes.set_xticks(ends[::step], [str(epoch) for epoch in range(0, len(blocks) + 1, step)])
        axes.set_xlabel(f"epochs; the darkest is {top:.3g}")
        return Drawing(figure=figure, label=f"{title}: classes by time, from none to {top:.3g}.")


def _thinned(values: np.ndarray, *, limit: int) -> np.ndarray:
    """(M, K) as at most ``limit`` rows, each the mean of neighbours."""
    if len(values) <= limit:
        return values
    return np.stack([part.mean(axis=0) for part in np.array_split(values, limit)])
