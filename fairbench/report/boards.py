"""Published boards: what a page rests on is kept beside it, so that anybody can write the same page again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fairbench.errors import UsageError
from fairbench.evaluation.predictions import PREDICTIONS_NAME, pack_predictions
from fairbench.evaluation.records import RECORD_NAME
from fairbench.files import cannot_write, read_json, replacing, write_text
from fairbench.leaderboard.records import RECORDS_FOLDER, Run, load_runs
from fairbench.report.beside import LOG_NAME
from fairbench.report.render import Wishes, write_track

BOARDS = "boards"
KEPT = (RECORD_NAME, "config.json", LOG_NAME, PREDICTIONS_NAME)
"""What a board keeps of a run; weights are too large for it, their hashes are in the record."""


def publish(runs: Sequence[Run], boards: Path, track: str, wishes: Wishes, *, source: Path) -> Path:
    """Copy the runs of a track to its board, and write the board's page from what lies there then.

    Args:
        runs: as they were read; those of other tracks are left out.
        boards: the folder of all boards; gets ``<track>/records/<run>-seed<k>/`` and ``<track>/index.html``.
        track: its name.
        wishes: what else is to be written.
        source: where the runs were read, for errors.

    Returns:
        The path of the board's page.

    Raises:
        UsageError: if there is no run of the track, a number would not lead back to a commit, or the folder cannot be
            written.
    """
    of_track = [run for run in runs if run.record.track == track]
    records = boards / track / RECORDS_FOLDER
    for run in of_track:
        _check_traceable(run)
    for run in of_track:
        _copy(run.path.parent, records / _name(run))
    kept = load_runs(records) if of_track else of_track
    return write_track(kept, boards, track, wishes, source=source)


def _check_traceable(run: Run) -> None:
    """A number that nobody can make again is not published."""
    commit = run.record.environment.git_commit
    if commit is None or commit.endswith("-dirty"):
        state = "from no known commit" if commit is None else "with changes that no commit holds"
        raise UsageError(
            f"{run.path} was made by code {state}, so nobody could make it again; "
            "run it from a clean checkout, then publish"
        )


def _name(run: Run) -> str:
    """``faal-8f3c9021/seed0`` becomes ``faal-8f3c9021-seed0``; what lies on a board already keeps its name."""
    folder = run.path.parent
    return f"{folder.parent.name}-{folder.name}" if folder.name == f"seed{run.record.seed}" else folder.name


def _copy(source: Path, folder: Path) -> None:
    if source.resolve() == folder.resolve():
        return
    for name in KEPT:
        try:
            if not (source / name).is_file():
                (folder / name).unlink(missing_ok=True)
            elif name == RECORD_NAME:
                write_text(folder / name, _in_lines(read_json(source / name, cure="restore it")))
            elif name == PREDICTIONS_NAME:
                pack_predictions(source / name, folder / name)
            else:
                with replacing(folder / name) as temporary:
                    shutil.copyfile(source / name, temporary)
        except OSError as error:
            raise cannot_write(folder / name, error) from error


def _in_lines(record: dict[str, Any]) -> str:
    """The same JSON without indents, a line for each entry and each condition: with all corruptions 30 kB less."""
    conditions = record["conditions"]
    entries = {name: _short(value) for name, value in record.items()}
    entries["conditions"] = _braced({name: _short(value) for name, value in conditions.items()})
    return f"{_braced(entries)}\n"


def _braced(entries: dict[str, str]) -> str:
    return "{\n" + ",\n".join(f"{_short(name)}:{text}" for name, text in entries.items()) + "\n}"


def _short(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
