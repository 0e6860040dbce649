"""Waiting for records to change, without a service: their times and sizes are looked at once in a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from fairbench.evaluation.records import RECORD_NAME

Fingerprint = tuple[tuple[str, int, int], ...]


def changes(folder: Path, *, seconds: float, sleep: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """Yield once for each change of the records below a folder, forever.

    Args:
        folder: searched for ``record.json`` recursively.
        seconds: between two looks.
        sleep: waits.
    """
    before = fingerprint(folder)
    while True:
        sleep(seconds)
        now = fingerprint(folder)
        if now != before:
            before = now
            yield


def fingerprint(folder: Path) -> Fingerprint:
    """Path, time and size of every record; one that vanishes meanwhile is left out."""
    found = []
    for path in sorted(folder.rglob(RECORD_NAME)):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        found.append((str(path), status.st_mtime_ns, status.st_size))
    return tuple(found)
