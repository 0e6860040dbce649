"""Published numbers beside measured ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fairbench.metrics import overall, worst_class, worst_fraction
from fairbench.protocol.conditions import CONDITIONS
from fairbench.protocol.corruptions import CORRUPTIONS, FAMILY
from fairbench.protocol.record import Record
from fairbench.protocol.schema import Schema
from fairbench.reference.tables import Row

_SAME_AS = {"pgd": "pgd20"}
"""FAIR-TAT does not say how many steps its PGD has."""
_COUNTS = ("class_correct", "class_total")


class Comparison(Schema):
    """One printed number and what was measured for it."""

    condition: str
    metric: str
    """``avg``, ``worst``, ``worst10pct`` or ``overall``."""
    published: float
    """percent."""
    measured: float | None
    """percent; null where the run did not measure it."""
    difference: float | None
    """measured minus published, in points."""
    doubt: str
    """why the printed number may be wrong: a letter of fairbench/reference/README.md, or nothing."""


def compare(row: Row, record: Record | None) -> list[Comparison]:
    """Every printed number of a row beside its measured one.

    Args:
        row: of a published table.
        record: of the run for it; None if it was not run.
    """
    return list(_compared(row, record))


def _compared(row: Row, record: Record | None) -> Iterator[Comparison]:
    for (condition, metric), cell in row.cells.items():
        value = _measured(record, condition, metric) if record is not None else None
        yield Comparison(
            condition=condition,
            metric=metric,
            published=cell.percent,
            measured=None if value is None else round(100 * value, 2),
            difference=None if value is None else round(100 * value - cell.percent, 2),
            doubt=cell.doubt,
        )


def _measured(record: Record, condition: str, metric: str) -> float | None:
    """The fraction that stands for a printed number; a corruption is that over all its severities together."""
    exact = record.conditions.get(_SAME_AS.get(condition, condition))
    of_type = f"{FAMILY}.{condition}."
    severities = [found for name, found in record.conditions.items() if name.startswith(of_type)]
    pooled = [exact] if exact is not None else severities
    if not pooled:
        return None
    correct, total = (np.sum([getattr(found, name) for found in pooled], axis=0) for name in _COUNTS)
    average, accuracies = float(correct.sum() / total.sum()), correct / total
    return {
        "avg": average,
        "worst": worst_class(accuracies),
        "worst10pct": worst_fraction(accuracies, 0.1),
        "overall": overall(average, _worst(accuracies)),
    }[metric]


def _worst(accuracies: np.ndarray) -> float:
    """What ABSLD averages with the average: the worst class, the worst tenth with a hundred classes."""
    return worst_class(accuracies) if len(accuracies) < 50 else worst_fraction(accuracies, 0.1)


def conditions_of(row: Row) -> list[str]:
    """The conditions that a row's numbers need, in the order of the tables; a corruption with all its severities.

    Args:
        row: of a published table.
    """
    wanted = {_SAME_AS.get(condition, condition) for condition, _ in row.cells}
    return [
        *(name for name in CONDITIONS if name in wanted),
        *(f"{FAMILY}.{kind}" for kind in CORRUPTIONS if kind in wanted),
    ]
