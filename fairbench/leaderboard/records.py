"""Reading records: every ``record.json`` below a folder, each whole and consistent or refused."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from fairbench.errors import UsageError
from fairbench.files import read_json
from fairbench.protocol.record import ConditionRecord, Record
from fairbench.protocol.schema import validated

RECORD_NAME = "record.json"
_MAKE_SOME = "make some with: fairbench run --methods pgd_at,faal"
_CURE = "restore it, or remove its folder and run the command that made it again"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One record and where it lies."""

    path: Path
    record: Record


def load_runs(path: Path | str) -> list[Run]:
    """All records below a folder, in the order of their paths; or the one record of a file.

    Args:
        path: a folder that is searched for ``record.json`` recursively, or one such file.

    Raises:
        UsageError: if there is no record, or if one is damaged; nothing is skipped.
    """
    place = Path(path)
    if place.is_file():
        return [Run(path=place, record=read_record(place))]
    if not place.is_dir():
        raise UsageError(f"no records in {place}: there is no such folder; {_MAKE_SOME}")
    files = sorted(place.rglob(RECORD_NAME))
    if not files:
        raise UsageError(f"no records in {place}: it holds no {RECORD_NAME}; {_MAKE_SOME}")
    return [Run(path=file, record=read_record(file)) for file in files]


def read_record(path: Path) -> Record:
    """The record in a file.

    Raises:
        UsageError: if the file cannot be read, breaks the schema, or contradicts itself.
    """
    values = read_json(path, cure=_CURE)
    try:
        record = validated(Record, values, place=f"{path} is damaged")
    except UsageError as error:
        raise UsageError(f"{error}; {_CURE}") from None
    for name, condition in (*record.conditions.items(), *_last_conditions(record)):
        problem = _contradiction(condition, len(record.data.classes))
        if problem:
            raise UsageError(f"{path} is damaged: conditions.{name}: {problem}; {_CURE}")
    return record


def _last_conditions(record: Record) -> list[tuple[str, ConditionRecord]]:
    if record.last is None:
        return []
    return [(f"last.{name}", condition) for name, condition in record.last.conditions.items()]


def _contradiction(condition: ConditionRecord, num_classes: int) -> str:
    """What in a condition contradicts its own counts, in words; empty if nothing does."""
    rows = [len(condition.class_total), *map(len, condition.confusion)]
    if condition.class_false_positive_score is not None:
        rows.append(len(condition.class_false_positive_score))
    if any(length != num_classes for length in rows):
        return f"a list is not as long as data.classes, {num_classes}"
    if min(map(min, condition.confusion)) < 0 or not any(condition.class_total):
        return "counts are negative or all zero"
    average, worst_class, worst = _rates(condition)
    if not math.isclose(condition.average, average, abs_tol=1e-6):
        return f"average = {condition.average}, but its counts say {average:.6f}"
    if condition.worst_class != worst_class or not math.isclose(condition.worst, worst, abs_tol=1e-6):
        return (
            f"worst = {condition.worst} of class {condition.worst_class}, "
            f"but its counts say {worst:.6f} of class {worst_class}"
        )
    return ""


def _rates(condition: ConditionRecord) -> tuple[float, int, float]:
    """The average, the class with the lowest accuracy (first on ties) and that accuracy, from the counts."""
    rates = [
        hits / seen if seen else math.inf
        for hits, seen in zip(condition.class_correct, condition.class_total, strict=True)
    ]
    worst = min(rates)
    return sum(condition.class_correct) / sum(condition.class_total), rates.index(worst), worst
