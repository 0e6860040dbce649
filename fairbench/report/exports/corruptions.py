"""The corruptions one by one, which would drown the other numbers in the tables: a file of their own."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from fairbench.leaderboard.ranking import Entry
from fairbench.report.corruptions import METRICS, Values, values_by_cell, values_by_type
from fairbench.report.exports.grid import Board
from fairbench.report.wording import cell_text

COLUMNS = ("method", "init", "seeds", "type", "severity", *METRICS)
ALL_SEVERITIES = "all"


def corruptions_csv(board: Board) -> str:
    """A line for each method, type and severity, and one with a type's severities pooled.

    Args:
        board: of the track.

    Returns:
        CSV with the heading ``COLUMNS``; numbers are means over seeds. Empty if no record has a corruption.
    """
    rows = [row for entry in board.entries for row in _rows(entry)]
    if not rows:
        return ""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return written.getvalue()


def _rows(entry: Entry) -> Iterator[list[str | float]]:
    cells, record = values_by_cell(entry), entry.record
    seeds = ";".join(str(one.seed) for one in entry.records if one.seed is not None)
    who = [cell_text(record.method), cell_text(record.init), seeds]
    for kind, pooled in values_by_type(entry, set(cells)).items():
        for (of, severity), values in cells.items():
            if of == kind and severity:
                yield [*who, cell_text(kind), str(severity), *_numbers(values)]
        yield [*who, cell_text(kind), ALL_SEVERITIES, *_numbers(pooled)]


def _numbers(values: Values) -> list[float]:
    return [values[metric] for metric in METRICS]
