"""The journal of an evaluation: a line for each batch, so that a killed evaluation loses one batch at most.

The first entry says which weights and data it is about. Then the entry of a condition opens it, and entries of its
batches follow in the order of its images. Opening a condition again drops what it had. A last line that was torn by a
kill is cut off; damage anywhere else is refused.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fairbench.errors import UsageError
from fairbench.evaluation.checked_lines import append_line, checked_line, read_lines
from fairbench.files import cannot_write, write_text

JOURNAL_NAME = "evaluation.jsonl"
_CURE = "choose another folder with --out or start anew with --fresh"


@dataclass
class ConditionLog:
    """What is known about one condition."""

    settings: dict[str, Any]
    """all that decides its outcome, apart from weights and data."""
    indices: list[int] | None
    """positions of its images in the whole split; None is all of them."""
    shape: dict[str, int]
    """how it is computed: batch sizes and threads."""
    predicted: list[int] = field(default_factory=list)
    """answers so far, in the order of its images."""
    seconds: float = 0.0
    checks: list[dict[str, Any]] = field(default_factory=list)
    """of each batch, where the condition is a search."""


class Journal:
    """The outcomes so far, and where further ones are written."""

    def __init__(self, path: Path | None, logs: dict[str, ConditionLog]) -> None:
        self.logs = logs
        self._path = path

    def open_condition(
        self, name: str, *, settings: dict[str, Any], indices: list[int] | None, shape: dict[str, int]
    ) -> ConditionLog:
        """Begin a condition, from its first image.

        Raises:
            UsageError: if the journal cannot be written.
        """
        opening = {"condition": name, "settings": settings, "indices": indices, "shape": shape}
        self._append(opening)
        _apply(self.logs, opening)
        return self.logs[name]

    def add_batch(self, name: str, predicted: list[int], seconds: float, checks: dict[str, Any] | None = None) -> None:
        """The answers to the next images of a condition.

        Raises:
            UsageError: if the journal cannot be written.
        """
        batch = {
            "batch_of": name,
            "start": len(self.logs[name].predicted),
            "predicted": predicted,
            "seconds": round(seconds, 3),
        }
        if checks is not None:
            batch["checks"] = checks
        self._append(batch)
        _apply(self.logs, batch)

    def log_for(self, name: str, *, settings: dict[str, Any], indices: list[int] | None) -> ConditionLog | None:
        """What is known about a condition, None if nothing.

        Raises:
            UsageError: if it was begun with other settings or images.
        """
        log = self.logs.get(name)
        if log is None:
            return None
        for key in sorted(settings.keys() | log.settings.keys()):
            before, now = log.settings.get(key), settings.get(key)
            if before != now:
                raise UsageError(f"{self._path}: {name} was run with {key} = {before}, now it is {now}; {_CURE}")
        if log.indices != indices:
            raise UsageError(
                f"{self._path}: {name} was run on {_amount(log.indices)} images, now on "
                f"{_amount(indices)} (or others); {_CURE}"
            )
        return log

    def _append(self, entry: dict[str, Any]) -> None:
        if self._path is not None:
            append_line(self._path, entry)


def open_journal(path: Path | None, subject: dict[str, Any], *, fresh: bool = False) -> Journal:
    """The journal in a file, continued if it is there.

    Args:
        path: the file; None keeps the journal in memory.
        subject: what is evaluated, as plain values: sha256 of weights and data, and such.
        fresh: drop what is there.

    Raises:
        UsageError: if it is about another subject, damaged, or cannot be written.
    """
    if path is None:
        return Journal(None, {})
    if fresh or not path.exists():
        write_text(path, checked_line({"subject": subject}))
        return Journal(path, {})
    entries, whole = read_lines(path, cure=_CURE)
    _check_subject(path, entries[0].get("subject"), subject)
    logs: dict[str, ConditionLog] = {}
    try:
        for entry in entries[1:]:
            _apply(logs, entry)
        os.truncate(path, whole)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path} is damaged ({error!r}); {_CURE}") from None
    except OSError as error:
        raise cannot_write(path, error) from error
    return Journal(path, logs)


def _apply(logs: dict[str, ConditionLog], entry: dict[str, Any]) -> None:
    if "condition" in entry:
        logs[entry["condition"]] = ConditionLog(entry["settings"], entry["indices"], entry["shape"])
        return
    log = logs[entry["batch_of"]]
    if entry["start"] != len(log.predicted):
        raise ValueError(f"{entry['batch_of']} goes on at {entry['start']} after {len(log.predicted)} images")
    log.predicted += entry["predicted"]
    log.seconds += entry["seconds"]
    log.checks += [entry["checks"]] if "checks" in entry else []


def _check_subject(path: Path, before: Any, now: dict[str, Any]) -> None:
    if not isinstance(before, dict):
        raise UsageError(f"{path} is damaged: it does not say what it is about; {_CURE}")
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key):
            raise UsageError(
                f"{path} belongs to another evaluation ({key} was {_short(before.get(key))}, now "
                f"{_short(now.get(key))}); {_CURE}"
            )


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 16 else f"{text[:12]}..."


def _amount(indices: list[int] | None) -> str:
    return "all" if indices is None else str(len(indices))
