"""An append-only file of JSON lines, each with its checksum: ``{"checksum": ..., "entry": {...}}``."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from fairbench.errors import UsageError
from fairbench.files import cannot_write


def checked_line(entry: dict[str, Any]) -> str:
    """The line of an entry, with its line end.

    Args:
        entry: plain JSON values.
    """
    return _canonical({"checksum": _checksum(entry), "entry": entry}) + "\n"


def append_line(path: Path, entry: dict[str, Any]) -> None:
    """Write an entry behind the others and wait until the disk has it.

    Raises:
        UsageError: if the file cannot be written.
    """
    try:
        with path.open("ab") as stream:
            stream.write(checked_line(entry).encode())
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise cannot_write(path, error) from error


def read_lines(path: Path, *, cure: str) -> tuple[list[dict[str, Any]], int]:
    """The whole entries, at least one, and how many bytes they take.

    Args:
        path: the file.
        cure: said after what is wrong.

    Raises:
        UsageError: if the file cannot be read, is empty, or is damaged before its last line.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {(error.strerror or str(error)).lower()}; {cure}") from None
    entries: list[dict[str, Any]] = []
    whole = 0
    lines = content.splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        entry = _entry(line)
        if entry is None:
            if number < len(lines) or not entries:
                raise UsageError(f"{path} is damaged in line {number}; {cure}")
            break
        entries.append(entry)
        whole += len(line)
    if not entries:
        raise UsageError(f"{path} is empty; {cure}")
    return entries, whole


def _entry(line: bytes) -> dict[str, Any] | None:
    """The entry of a line; None if the line is torn or damaged."""
    if not line.endswith(b"\n"):
        return None
    try:
        values = json.loads(line)
        entry = values["entry"]
        return entry if isinstance(entry, dict) and values["checksum"] == _checksum(entry) else None
    except (ValueError, KeyError, TypeError):
        return None


def _checksum(entry: dict[str, Any]) -> str:
    return hashlib.sha256(_canonical(entry).encode()).hexdigest()[:16]


def _canonical(values: dict[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
