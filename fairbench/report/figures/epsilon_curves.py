"""Accuracy against the radius of the attack: over all images, and of the worst class."""

from __future__ import annotations

from collections.abc import Sequence

from fairbench.leaderboard.curves import conditions_by_radius
from fairbench.leaderboard.ranking import Entry
from fairbench.protocol.epsilons import is_epsilon
from fairbench.report.figures.canvas import MAX_SERIES, Drawing
from fairbench.report.figures.curves import LINES, Curve, draw_curves
from fairbench.report.values import mean_value
from fairbench.report.wording import clean


def epsilon_figure(entries: Sequence[Entry]) -> Drawing | None:
    """PGD-20 at several radii, the clean images at 0; solid over all images, dashed of the worst class.

    Args:
        entries: the methods; those without any other radius than the track's have no curve.
    """
    curves = [(clean(entry.record.method), _curves(entry)) for entry in entries[:MAX_SERIES]]
    if not any(found for _, found in curves):
        return None
    label = "Accuracy under PGD-20 against its radius, by method: over all images and of the worst class."
    return draw_curves(curves, axis="radius of the attack", label=label)


def _curves(entry: Entry) -> dict[str, Curve]:
    places = conditions_by_radius(entry.record)
    if not any(map(is_epsilon, places.values())):
        return {}
    found = {metric: [(at, mean_value(entry, name, metric)) for at, name in sorted(places.items())] for metric in LINES}
    return {metric: [(at, value) for at, value in points if value is not None] for metric, points in found.items()}
