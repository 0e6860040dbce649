"""What the single corruptions of an entry come to: by type with its severities pooled, by severity, and the mean.

As in the published tables, the counts of a type's severities are added up before its worst class is read off, and the
mean over the types is that of their own worst classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np

from fairbench.leaderboard.ranking import Entry

COLUMN = "corruptions"
"""The column that stands for all of them."""
METRICS = ("average", "worst", "worst_tenth")
POOLED = 0
"""Stands for all severities in a record that holds a type only as a whole."""

Cell = tuple[str, int]
"""Type and severity."""
Counts = tuple[np.ndarray, np.ndarray]
"""(S, K) correct and total."""
Values = Mapping[str, float]
"""By metric, the mean over seeds."""


def shared_cells(entries: Sequence[Entry]) -> set[Cell]:
    """The corruptions that all entries with any have: only over these are means comparable."""
    present = [set(_counts(entry)) for entry in entries]
    with_any = [cells for cells in present if cells]
    return set.intersection(*with_any) if with_any else set()


def values_by_type(entry: Entry, shared: set[Cell]) -> dict[str, Values]:
    """Each type with the shared severities pooled, in the order of the record; empty if the entry lacks any."""
    counts = _shared_counts(entry, shared)
    kinds = dict.fromkeys(kind for kind, _ in counts)
    pooled = {kind: [one for (of, _), one in counts.items() if of == kind] for kind in kinds}
    return {kind: _values(*np.sum(blocks, axis=0)) for kind, blocks in pooled.items()}


def values_by_severity(entry: Entry, shared: set[Cell]) -> dict[int, Values]:
    """Each severity: the mean over the types of the values at this severity; empty if the entry lacks any."""
    singles = {cell: _values(*counts) for cell, counts in _shared_counts(entry, shared).items()}
    severities = sorted({severity for _, severity in singles})
    return {
        severity: {
            metric: fmean(one[metric] for (_, at), one in singles.items() if at == severity) for metric in METRICS
        }
        for severity in severities
    }


def values_by_cell(entry: Entry) -> dict[Cell, Values]:
    """Every single corruption that all seeds of the entry have, in the order of the record."""
    return {cell: _values(*counts) for cell, counts in _counts(entry).items()}


def corruption_mean(entry: Entry, metric: str, shared: set[Cell]) -> float | None:
    """The mean over the types of a metric; None if the entry lacks a shared corruption."""
    by_type = values_by_type(entry, shared)
    return fmean(values[metric] for values in by_type.values()) if by_type else None


def is_single(condition: str) -> bool:
    """Whether a condition is one type, at one severity or as a whole."""
    return cell_of(condition) is not None


def _shared_counts(entry: Entry, shared: set[Cell]) -> dict[Cell, Counts]:
    counts = _counts(entry)
    return {cell: one for cell, one in counts.items() if cell in shared} if shared <= counts.keys() else {}


def _values(correct: np.ndarray, total: np.ndarray) -> Values:
    """From (S, K) counts."""
    accuracy = np.sort(correct / np.maximum(total, 1), axis=1)
    tenth = math.ceil(0.1 * accuracy.shape[1])
    by_seed = {
        "average": correct.sum(axis=1) / np.maximum(total.sum(axis=1), 1),
        "worst": accuracy[:, 0],
        "worst_tenth": accuracy[:, :tenth].mean(axis=1),
    }
    return {metric: float(values.mean()) for metric, values in by_seed.items()}


def _counts(entry: Entry) -> dict[Cell, Counts]:
    """The corruptions that every seed has."""
    found = {}
    for name in entry.record.conditions:
        cell = cell_of(name)
        blocks = [record.conditions[name] for record in entry.records if name in record.conditions]
        if cell is not None and len(blocks) == len(entry.records):
            found[cell] = np.array([one.class_correct for one in blocks]), np.array([one.class_total for one in blocks])
    return found


def cell_of(condition: str) -> Cell | None:
    """The type and severity of a condition that is one type, at one severity or as a whole; None for any other."""
    family, *rest = condition.split(".")
    if family != COLUMN or not 1 <= len(rest) <= 2 or not rest[0]:
        return None
    severity = rest[1] if len(rest) == 2 else str(POOLED)
    return (rest[0], int(severity)) if severity in set("012345") else None
