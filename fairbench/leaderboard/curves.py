"""Accuracy against epsilon: the average and the weakest classes of an entry at every radius that was tried."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from fairbench.leaderboard.ranking import Entry, ranking_metric
from fairbench.protocol.epsilons import epsilon_of, is_epsilon
from fairbench.protocol.record import Record

_AT_TRACK = "pgd20"


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
    found = [{at: one.conditions[name] for at, name in conditions_by_radius(one).items()} for one in entry.records]
    shared = sorted(set.intersection(*(set(one) for one in found)))
    return tuple(
        CurvePoint(
            epsilon=radius,
            average=fmean(one[radius].average for one in found),
            weakest=fmean(float(getattr(one[radius], metric)) for one in found),
        )
        for radius in shared
    )


def conditions_by_radius(record: Record) -> dict[float, str]:
    """Radius -> name of the condition that stands for it, of those that the record holds."""
    present = record.conditions
    fixed = {0.0: "clean", record.epsilon: _AT_TRACK}
    tried = {epsilon_of(name): name for name in present if is_epsilon(name)}
    return tried | {radius: name for radius, name in fixed.items() if name in present}
