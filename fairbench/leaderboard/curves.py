"""Accuracy against epsilon: which condition of a record stands at which radius."""

from __future__ import annotations

from fairbench.protocol.epsilons import epsilon_of, is_epsilon
from fairbench.protocol.record import Record

_AT_TRACK = "pgd20"


def conditions_by_radius(record: Record) -> dict[float, str]:
    """Radius -> name of the condition that stands for it, of those that the record holds."""
    present = record.conditions
    fixed = {0.0: "clean", record.epsilon: _AT_TRACK}
    tried = {epsilon_of(name): name for name in present if is_epsilon(name)}
    return tried | {radius: name for radius, name in fixed.items() if name in present}
