"""``record.json``: written whole, read whole, and consistent in itself both times."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

from fairbench.errors import UsageError
from fairbench.evaluation.summary import rates_of
from fairbench.files import read_json, write_json
from fairbench.protocol.record import SCHEMA_VERSION, ConditionRecord, Record
from fairbench.protocol.schema import validated
from fairbench.protocol.versions import RECORD_UPGRADES, upgraded

RECORD_NAME = "record.json"
_FINISHED = "name the folder of a finished run, as checkpoints/<track>/<method>-<hash>/seed<k>"
_CURE = "restore it, or remove its folder and run the command that made it again"
_TOLERANCE = 1e-9


def write_record(record: Record, folder: Path) -> Path:
    """Write ``record.json``.

    Args:
        record: the record.
        folder: where it goes; made if it is not there.

    Returns:
        The path of the file.

    Raises:
        UsageError: if the record contradicts itself, or the file cannot be written.
    """
    values = record.model_dump(mode="json")
    path = folder / RECORD_NAME
    record_of(values, place="record")
    write_json(path, values)
    return path


def read_record(path: Path) -> Record:
    """The record in a file.

    Args:
        path: the file, or the folder that holds ``record.json``.

    Raises:
        UsageError: if it is missing, of a schema version that is not read, breaks the schema, or has a rate that does
            not follow from its counts.
    """
    file = path / RECORD_NAME if path.is_dir() else path
    if not file.exists():
        raise UsageError(f"{file.parent if file.name == RECORD_NAME else file} holds no {RECORD_NAME}; {_FINISHED}")
    values = read_json(file, cure=_CURE)
    values = upgraded(values, current=SCHEMA_VERSION, upgrades=RECORD_UPGRADES, place=str(file))
    try:
        return record_of(values, place=f"{file} is damaged")
    except UsageError as error:
        raise UsageError(f"{error}; {_CURE}") from None


def record_of(values: Any, *, place: str) -> Record:
    """The record made of plain values of the current schema version.

    Args:
        values: what came, usually from JSON.
        place: where it came from, named in the error.

    Raises:
        UsageError: if it breaks the schema, or has a rate that does not follow from its counts.
    """
    return _checked(validated(Record, values, place=place), place=place)


def record_sha256(record: Record) -> str:
    """The sha256 of everything that a record says; the same for the same content, however its file is laid out."""
    content = json.dumps(record.model_dump(mode="json"), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _checked(record: Record, *, place: str) -> Record:
    conditions = {f"conditions.{name}": condition for name, condition in record.conditions.items()}
    if record.last is not None:
        conditions |= {f"last.conditions.{name}": condition for name, condition in record.last.conditions.items()}
    for key, condition in conditions.items():
        problem = _contradiction(condition, len(record.data.classes))
        if problem:
            raise UsageError(f"{place}: {key}: {problem}")
    return record


def _contradiction(condition: ConditionRecord, num_classes: int) -> str:
    """What in a condition does not follow from its own counts, in words; empty if all does."""
    if len(condition.confusion) != num_classes:
        return f"confusion has {len(condition.confusion)} rows, there are {num_classes} classes"
    try:
        counted = rates_of(condition.confusion)
    except ValueError as error:
        return str(error)
    missing = counted.pop("undefined").keys() - condition.undefined.keys()
    if missing:
        return f"undefined gives no reason for {', '.join(missing)}"
    for name, expected in counted.items():
        written = getattr(condition, name)
        if not agree(written, expected):
            return f"{name} = {written}, but its counts say {expected}"
    return ""


def agree(written: Any, expected: Any) -> bool:
    """Whether two numbers, or lists of them, are equal up to the last digits of a float."""
    if written == expected:
        return True
    if isinstance(expected, float) and isinstance(written, float):
        return math.isclose(written, expected, rel_tol=0, abs_tol=_TOLERANCE)
    if isinstance(expected, list) and isinstance(written, list):
        return len(written) == len(expected) and all(map(agree, written, expected))
    return written == expected
