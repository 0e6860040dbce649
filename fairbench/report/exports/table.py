"""The leaderboard as a CSV file: fractions at full precision, text that no spreadsheet runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from fairbench.leaderboard.ranking import MANY_CLASSES, Entry
from fairbench.leaderboard.summary import (
    condition_names,
    highest_false_positive_score,
    strongest_condition,
)
from fairbench.report.cells import training_seconds
from fairbench.report.exports.grid import Board
from fairbench.report.places import Places
from fairbench.report.values import mean_value, worst_class_names
from fairbench.report.wording import cell_text, listed

Value = str | int | float | None


def results_csv(board: Board) -> str:
    """The rows of all groups of a track.

    Args:
        board: of the track.

    Returns:
        CSV with a heading: rank, method, init, epochs, seeds, selected_on, protocol; for each condition average, worst
        and worst_class (and worst_tenth from 50 classes on); the highest C_FPS under the strongest attack, its class;
        the images of each condition; the training seconds; why a row is not ranked; the ranks that the tests leave
        open. A missing number is empty.
    """
    conditions = condition_names(board.entries)
    many = any(len(entry.record.data.classes) >= MANY_CLASSES for entry in board.entries)
    rows = [
        _row(entry, conditions, strongest_condition(board.entries), many=many) | _open_ranks(entry, board.places)
        for entry in board.entries
    ]
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow([cell_text(name) for name in rows[0]])
    for row in rows:
        writer.writerow([cell_text(value) if isinstance(value, str) else value for value in row.values()])
    return written.getvalue()


def _row(entry: Entry, conditions: Sequence[str], strongest: str, *, many: bool) -> dict[str, Value]:
    record = entry.record
    row: dict[str, Value] = {
        "rank": entry.rank,
        "method": record.method,
        "init": record.init,
        "epochs": record.training.epochs if record.training else None,
        "seeds": ";".join(str(one.seed) for one in entry.records if one.seed is not None),
        "selected_on": record.selected_on,
        "protocol": record.protocol,
    }
    for name in conditions:
        row |= _condition(entry, name, many=many)
    score = highest_false_positive_score(entry, strongest)
    row["cfps_max"] = score.value if score else None
    row["cfps_max_class"] = listed(score.classes) if score else ""
    row |= {f"{name}_n": _images(entry, name) for name in conditions}
    row["train_seconds"] = training_seconds(entry)
    row["unranked_because"] = entry.reason
    return row


def _open_ranks(entry: Entry, places: Places) -> dict[str, Value]:
    standing = places.standing(entry)
    low, high = standing.ranks if standing else (None, None)
    return {"rank_from": low, "rank_to": high, "tie_groups": standing.groups if standing else ""}


def _condition(entry: Entry, name: str, *, many: bool) -> dict[str, Value]:
    values: dict[str, Value] = {
        f"{name}_average": mean_value(entry, name, "average"),
        f"{name}_worst": mean_value(entry, name, "worst"),
        f"{name}_worst_class": listed(worst_class_names(entry, name)),
    }
    if many:
        values[f"{name}_worst_tenth"] = mean_value(entry, name, "worst_tenth")
    return values


def _images(entry: Entry, name: str) -> Value:
    """The images that every seed was asked under a condition; several numbers if the seeds differ."""
    seen = [sum(record.conditions[name].class_total) for record in entry.records if name in record.conditions]
    if len(set(seen)) > 1:
        return listed(seen)
    return seen[0] if seen else None
