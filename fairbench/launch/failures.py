"""What went wrong with a cell, kept in its folder until it succeeds, with the command that repeats it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from fairbench.errors import UsageError
from fairbench.files import read_json, write_json
from fairbench.launch.cells import Cell, Request
from fairbench.launch.tasks import Failure
from fairbench.protocol.schema import Schema, validated

FAILURE_NAME = "failure.json"


class FailureRecord(Schema):
    """``failure.json``."""

    message: str
    traceback: str
    command: str
    """repeats this cell alone."""


def command_for(request: Request, plugins: Sequence[Path] = ()) -> str:
    """The command line that asks for the same, ready for a shell."""
    words = ["fairbench", "run", "--methods", ",".join(request.methods), "--track", ",".join(request.tracks)]
    words += ["--seeds", ",".join(map(str, request.seeds)), "--out", str(request.out)]
    words += ["--init", request.init] if request.init else []
    words += ["--dataset", request.dataset] if request.dataset else []
    for role, teacher in request.teachers.items():
        words += ["--teacher", f"{role}={teacher}"]
    for key, value in request.overrides.items():
        words += ["--set", f"{key}={value}"]
    words += ["--train-bases"] if request.train_bases else []
    for path in plugins:
        words += ["--plugin", str(path)]
    return shlex.join(words)


def record_failure(cell: Cell, failure: Failure, plugins: Sequence[Path] = ()) -> None:
    """Write the failure into the cell's folder, if that can be written at all."""
    record = FailureRecord(
        message=failure.message, traceback=failure.traceback, command=command_for(cell.request, plugins)
    )
    with suppress(UsageError):
        write_json(cell.folder / FAILURE_NAME, record.model_dump(mode="json"))


def read_failure(cell_folder: Path) -> FailureRecord | None:
    """Why the cell of this folder failed last; None if it did not.

    Raises:
        UsageError: if the file is damaged.
    """
    path = cell_folder / FAILURE_NAME
    if not path.exists():
        return None
    return validated(FailureRecord, read_json(path, cure="remove it"), place=str(path))


def clear_failure(cell: Cell) -> None:
    """Forget an earlier failure."""
    (cell.folder / FAILURE_NAME).unlink(missing_ok=True)
