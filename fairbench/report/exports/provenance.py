"""Where every number comes from: for each run the command that makes it, the commit, the weights and the time."""

from __future__ import annotations

import csv
import io

from fairbench.protocol.record import Record
from fairbench.report.command import command_of
from fairbench.report.exports.grid import Board
from fairbench.report.wording import cell_text

COLUMNS = ("method", "init", "seed", "command", "commit", "train_seconds", "evaluate_seconds", "weights_sha256")


def runs_csv(board: Board) -> str:
    """A line for each run, in the order of the leaderboard and of the seeds.

    Args:
        board: of the track.

    Returns:
        CSV with the heading ``COLUMNS``; ``evaluate_seconds`` is the sum over the conditions. The command is empty
        where it would not be enough: for foreign models and methods that do not come with the package.
    """
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(COLUMNS)
    for record in (record for entry in board.entries for record in entry.records):
        values = _values(record)
        writer.writerow([cell_text(value) if isinstance(value, str) else value for value in values])
    return written.getvalue()


def _values(record: Record) -> tuple[str | int | float | None, ...]:
    return (
        record.method,
        record.init,
        record.seed,
        command_of(record),
        record.environment.git_commit,
        record.training.seconds if record.training else None,
        round(sum(one.seconds for one in record.conditions.values()), 3),
        record.model.weights_sha256,
    )
