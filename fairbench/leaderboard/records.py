"""Reading records: every ``record.json`` below a folder, each whole and consistent or refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fairbench.allocator import collector_at_rest
from fairbench.errors import UsageError
from fairbench.evaluation.records import RECORD_NAME, read_record, record_sha256
from fairbench.files import read_json
from fairbench.protocol.record import Record
from fairbench.protocol.schema import validated
from fairbench.protocol.verdict import VERDICT_NAME, Verdict

RECORDS_FOLDER = "records"
"""Of a published board: a folder for each entry, beside the board's pages."""
_MAKE_SOME = "make some with: fairbench run --methods pgd_at,faal"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One record and where it lies."""

    path: Path
    record: Record
    verified: bool | None = None
    """what the verdict beside the record says of it: False also if the record was changed since; None without one."""


@collector_at_rest()
def load_runs(path: Path | str) -> list[Run]:
    """All records below a folder, in the order of their paths; or the one record of a file.

    Args:
        path: a folder that is searched for ``record.json`` recursively, or one such file.

    Raises:
        UsageError: if there is no record, or if a record or a verdict is damaged; nothing is skipped.
    """
    place = Path(path)
    if place.is_file():
        return [_load_run(place)]
    if not place.is_dir():
        raise UsageError(f"no records in {place}: there is no such folder; {_MAKE_SOME}")
    files = sorted(place.rglob(RECORD_NAME))
    if not files:
        raise UsageError(f"no records in {place}: it holds no {RECORD_NAME}; {_MAKE_SOME}")
    return [_load_run(file) for file in files]


def verified_records(runs: Iterable[Run]) -> dict[str, bool]:
    """What the verdicts say, by ``record_sha256``; records without one are left out."""
    return {record_sha256(run.record): run.verified for run in runs if run.verified is not None}


def _load_run(file: Path) -> Run:
    record = read_record(file)
    sidecar = file.with_name(VERDICT_NAME)
    if not sidecar.is_file():
        return Run(path=file, record=record)
    cure = "verify the submission again"
    verdict = validated(Verdict, read_json(sidecar, cure=cure), place=f"{sidecar} is damaged")
    holds = verdict.verified and verdict.record_sha256 == record_sha256(record)
    return Run(path=file, record=record, verified=holds)
