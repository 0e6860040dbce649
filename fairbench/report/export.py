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
    summarise,
)
from fairbench.report.cells import training_seconds
from fairbench.report.wording import cell_text, listed

Value = str | int | float | None


def results_csv(entries: Sequence[Entry]) -> str:
    """The rows of all groups of a track.

    Args:
        entries: in the order of the page.

    Returns:
        CSV with a heading: rank, method, init, epochs, seeds, selected_on, protocol; for each condition average, worst
        and worst_class (and worst_tenth from 50 classes on); the highest C_FPS under the strongest attack, its class;
        the images of each condition; the training seconds; why a row is not ranked. A missing number is empty.
    """
    conditions = condition_names(entries)
    many = any(len(entry.record.data.classes) >= MANY_CLASSES for entry in entries)
    rows = [_row(entry, conditions, strongest_condition(entries), many=many) for entry in entries]
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


def _condition(entry: Entry, name: str, *, many: bool) -> dict[str, Value]:
    average, worst = summarise(entry, name, "average"), summarise(entry, name, "worst")
    values: dict[str, Value] = {
        f"{name}_average": average.value if average else None,
        f"{name}_worst": worst.value if worst else None,
        f"{name}_worst_class": listed(worst.classes) if worst else "",
    }
    if many:
        tenth = summarise(entry, name, "worst_tenth")
        values[f"{name}_worst_tenth"] = tenth.value if tenth else None
    return values


def _images(entry: Entry, name: str) -> Value:
    """The images that every seed was asked under a condition; several numbers if the seeds differ."""
    seen = [sum(record.conditions[name].class_total) for record in entry.records if name in record.conditions]
    if len(set(seen)) > 1:
        return listed(seen)
    return seen[0] if seen else None
