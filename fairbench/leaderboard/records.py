"""Reading records: every ``record.json`` below a folder, each whole and consistent or refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fairbench.errors import UsageError
from fairbench.evaluation.records import RECORD_NAME, read_record
from fairbench.protocol.record import Record

_MAKE_SOME = "make some with: fairbench run --methods pgd_at,faal"


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
