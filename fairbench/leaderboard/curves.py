"""Accuracy against epsilon: the average and the weakest classes of an entry at every radius that was tried."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from fairbench.leaderboard.ranking import Entry, ranking_metric
from fairbench.protocol.epsilons import epsilon_of, is_epsilon
from fairbench.protocol.record import ConditionRecord


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """One radius; means over seeds."""

    epsilon: float
    average: float
    weakest: float
    """the worst class, or the worst tenth where there are many."""


def epsilon_curve(entry: Entry) -> tuple[CurvePoint, ...]:
    """The points of PGD-20 by radius: unperturbed images at 0, the track's own epsilon, and the family ``epsilon``.

    Args:
        entry: a row; radii that one of its seeds lacks are left out.
    """
    metric = ranking_metric(len(entry.record.data.classes))
    found = [_by_radius(record.conditions, record.epsilon) for record in entry.records]
    shared = sorted(set.intersection(*(set(one) for one in found)))
    return tuple(
        CurvePoint(
            epsilon=radius,
            average=fmean(one[radius].average for one in found),
            weakest=fmean(float(getattr(one[radius], metric)) for one in found),
        )
        for radius in shared
    )


def _by_radius(conditions: dict[str, ConditionRecord], epsilon: float) -> dict[float, ConditionRecord]:
    fixed = {0.0: "clean", epsilon: "pgd20"}
    points = {radius: conditions[name] for radius, name in fixed.items() if name in conditions}
    return {epsilon_of(name): one for name, one in conditions.items() if is_epsilon(name)} | points
