"""Readers for older files: each upgrade turns the values of one schema version into those of the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fairbench.errors import UsageError

Upgrade = Callable[[dict[str, Any]], dict[str, Any]]

RECORD_UPGRADES: Mapping[int, Upgrade] = {}
"""Schema version of a record -> what makes the next version of it. A change of the schema adds one entry here."""


def upgraded(values: Any, *, current: int, upgrades: Mapping[int, Upgrade], place: str) -> Any:
    """The values of a file in the current schema version.

    Args:
        values: what was read; anything but a mapping is handed back for the schema to refuse.
        current: the version that this fairbench writes.
        upgrades: version -> what makes the next version of it; leaves its argument as it is.
        place: where the values came from, named in the error.

    >>> steps = {1: lambda values: {"method": values["name"]}}
    >>> upgraded({"schema_version": 1, "name": "faal"}, current=2, upgrades=steps, place="record.json")
    {'method': 'faal', 'schema_version': 2}

    Raises:
        UsageError: for a version from the future, one that is no number, and one that nothing reads any more.
    """
    if not isinstance(values, dict):
        return values
    version = values.get("schema_version", current)
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise UsageError(f"{place}: schema_version = {version!r}: expected a whole number from 1 to {current}")
    if version > current:
        raise UsageError(
            f"{place}: schema_version = {version}, this fairbench reads up to {current}; install a newer fairbench"
        )
    for step in range(version, current):
        if step not in upgrades:
            raise UsageError(f"{place}: schema_version = {version} is no longer read; make the file anew")
        values = upgrades[step](values) | {"schema_version": step + 1}
    return values
