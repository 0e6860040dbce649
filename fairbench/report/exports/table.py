"""The leaderboard as a CSV file: fractions at full precision, text that no spreadsheet runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from itertools import groupby

from fairbench.leaderboard.ranking import MANY_CLASSES, Entry, Group
from fairbench.leaderboard.summary import (
    Summary,
    condition_names,
    highest_false_positive_score,
    strongest_condition,
    summarise,
)
from fairbench.report.cells import training_seconds
from fairbench.report.corruptions import COLUMN, METRICS, Cell, corruption_mean, is_single, shared_cells
from fairbench.report.exports.ends import rounded_ends
from fairbench.report.exports.grid import Board
from fairbench.report.places import Places
from fairbench.report.values import mean_value, worst_class_names
from fairbench.report.wording import cell_text, listed

Value = str | int | float | None
_WITH_INTERVAL = ("average", "worst")


def results_csv(board: Board) -> str:
    """The rows of all groups of a track.

    Args:
        board: of the track.

    Returns:
        CSV with a heading: rank, method, init, epochs, seeds, selected_on, protocol; for each condition average, worst
        and worst_class (and worst_tenth from 50 classes on), the first two with the ends of their 95 % intervals as
        average_low, average_high, worst_low, worst_high; of the corruptions, the means over the types that all rows
        have; the highest C_FPS under the strongest attack, the ends of its interval, its class; the images of each
        condition; the training seconds; why a row is not ranked; the ranks that the tests leave open. A missing number
        is empty.
    """
    conditions = [name for name in condition_names(board.entries) if not is_single(name)]
    metrics = METRICS if any(len(one.record.data.classes) >= MANY_CLASSES for one in board.entries) else METRICS[:2]
    strongest, shared = strongest_condition(board.entries), _shared_corruptions(board.entries)
    of_corruptions = metrics if any(shared.values()) else ()
    rows = [
        _row(entry, conditions, metrics)
        | {f"{COLUMN}_{metric}": corruption_mean(entry, metric, shared[entry.group]) for metric in of_corruptions}
        | _end(entry, conditions, strongest)
        | _open_ranks(entry, board.places)
        for entry in board.entries
    ]
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow([cell_text(name) for name in rows[0]])
    for row in rows:
        writer.writerow([cell_text(value) if isinstance(value, str) else value for value in row.values()])
    return written.getvalue()


def _row(entry: Entry, conditions: Sequence[str], metrics: Sequence[str]) -> dict[str, Value]:
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
        row |= _condition(entry, name, metrics)
    return row


def _end(entry: Entry, conditions: Sequence[str], strongest: str) -> dict[str, Value]:
    score = highest_false_positive_score(entry, strongest)
    return {
        "cfps_max": score.value if score else None,
        **_ends("cfps_max", score),
        "cfps_max_class": listed(score.classes) if score else "",
        **{f"{name}_n": _images(entry, name) for name in conditions},
        "train_seconds": training_seconds(entry),
        "unranked_because": entry.reason,
    }


def _shared_corruptions(entries: Sequence[Entry]) -> dict[Group, set[Cell]]:
    """The corruptions that the rows of each group share, over which the page takes their means too."""
    return {group: shared_cells(list(rows)) for group, rows in groupby(entries, key=lambda entry: entry.group)}


def _open_ranks(entry: Entry, places: Places) -> dict[str, Value]:
    standing = places.standing(entry)
    low, high = standing.ranks if standing else (None, None)
    return {"rank_from": low, "rank_to": high, "tie_groups": standing.groups if standing else ""}


def _condition(entry: Entry, name: str, metrics: Sequence[str]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for metric in metrics:
        values[f"{name}_{metric}"] = mean_value(entry, name, metric)
        if metric in _WITH_INTERVAL:
            values |= _ends(f"{name}_{metric}", summarise(entry, name, metric, quick=True))
    return values | {f"{name}_worst_class": listed(worst_class_names(entry, name))}


def _ends(name: str, summary: Summary | None) -> dict[str, Value]:
    low, high = rounded_ends(summary.interval) if summary and summary.interval else (None, None)
    return {f"{name}_low": low, f"{name}_high": high}


def _images(entry: Entry, name: str) -> Value:
    """The images that every seed was asked under a condition; several numbers if the seeds differ."""
    seen = [sum(record.conditions[name].class_total) for record in entry.records if name in record.conditions]
    if len(set(seen)) > 1:
        return listed(seen)
    return seen[0] if seen else None
