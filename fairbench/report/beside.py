"""What lies beside a record and is not in it: the training log, weights and answers of its run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fairbench.errors import UsageError
from fairbench.leaderboard.records import Run
from fairbench.protocol.record import Record

LOG_NAME = "log.jsonl"
_CURE = "restore it, or remove it: the page then leaves out the training curves"


class Folders:
    """The folder of each record that was read."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self._runs = {id(run.record): run for run in runs}

    def of(self, record: Record) -> Path | None:
        """The folder that the record was read from; None for a record that was not read."""
        run = self._runs.get(id(record))
        return run.path.parent if run else None

    def log(self, record: Record) -> list[Mapping[str, Any]]:
        """The lines of the record's training log, one for each epoch; empty if there is none.

        Raises:
            UsageError: if the log is damaged.
        """
        folder = self.of(record)
        path = folder / LOG_NAME if folder else None
        if path is None or not path.is_file():
            return []
        try:
            rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} is damaged ({error}); {_CURE}") from None
        if not all(isinstance(row, dict) and isinstance(row.get("epoch"), int) for row in rows):
            raise UsageError(f"{path} is damaged (a line without its epoch); {_CURE}")
        return rows
