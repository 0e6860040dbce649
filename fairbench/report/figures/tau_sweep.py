"""One method at several values of tau, the radius of the worst-case mixture: what the robustness to mixtures costs."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from fairbench.leaderboard.ranking import Entry
from fairbench.report.figures.canvas import Drawing
from fairbench.report.figures.curves import LINES, Curve, draw_curves
from fairbench.report.values import mean_value
from fairbench.report.wording import clean, condition_title

_TAU = re.compile(r"(?:(?<=\?)|(?<=&))(?:[a-z_]+\.)?tau=[^&]+&?")
_FEWEST = 3


def tau_figure(entries: Sequence[Entry], condition: str) -> Drawing | None:
    """Average and worst-class accuracy over tau, of the methods that are there with at least three values of it.

    Args:
        entries: the methods; those that differ in nothing but ``tau`` are joined.
        condition: the name of the condition.
    """
    sweeps = tau_sweeps(entries)
    if not sweeps:
        return None
    curves = [(method, _curves(points, condition)) for method, points in sweeps.items()]
    label = f"Average and worst-class accuracy over tau under {condition_title(condition)}: {', '.join(sweeps)}."
    return draw_curves(curves, axis="tau", label=label)


def _curves(points: Sequence[tuple[float, Entry]], condition: str) -> dict[str, Curve]:
    found = {metric: [(tau, mean_value(entry, condition, metric)) for tau, entry in points] for metric in LINES}
    return {metric: [(tau, value) for tau, value in pairs if value is not None] for metric, pairs in found.items()}


def tau_sweeps(entries: Sequence[Entry]) -> dict[str, list[tuple[float, Entry]]]:
    """The rest of the written form -> tau and entry in the order of tau, where there are enough of them."""
    found: dict[str, list[tuple[float, Entry]]] = defaultdict(list)
    for entry in entries:
        tau = _tau(entry)
        if tau is not None:
            found[clean(_TAU.sub("", entry.record.method).rstrip("?&"))].append((tau, entry))
    return {
        rest: sorted(points, key=lambda point: point[0])
        for rest, points in found.items()
        if len({tau for tau, _ in points}) >= _FEWEST
    }


def _tau(entry: Entry) -> float | None:
    """The entry's tau, from its resolved options."""
    options = entry.record.training.config.get("options") if entry.record.training else None
    parts = options.values() if isinstance(options, dict) else ()
    values = [part["tau"] for part in parts if isinstance(part, dict) and isinstance(part.get("tau"), int | float)]
    return float(values[0]) if len(values) == 1 else None
