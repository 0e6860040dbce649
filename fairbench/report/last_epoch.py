"""The last epoch's weights beside the selected ones: what choosing the epoch changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fairbench.leaderboard.ranking import Entry
from fairbench.protocol.conditions import CONDITIONS
from fairbench.report.cells import Cell, metric_cell
from fairbench.report.standings import Column, column_of, shown_metrics
from fairbench.report.values import mean_value
from fairbench.report.wording import listed, points


@dataclass(frozen=True, kw_only=True)
class LastRow:
    """One method: which epochs, and the last one's numbers."""

    method: str
    epochs: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True)
class LastEpochTable:
    """The table."""

    columns: tuple[Column, ...]
    rows: tuple[LastRow, ...]


def last_epoch_table(entries: Sequence[Entry]) -> LastEpochTable | None:
    """The last epoch's numbers, each with its difference from the selected epoch; None if no record has any."""
    with_last = [entry for entry in entries if any(record.last for record in entry.records)]
    present = {name for entry in with_last for one in entry.records if one.last for name in one.last.conditions}
    conditions = [name for name in CONDITIONS if name in present] + sorted(present - CONDITIONS.keys())
    if not conditions:
        return None
    metrics = shown_metrics(entries)
    return LastEpochTable(
        columns=tuple(column_of(name, metrics) for name in conditions),
        rows=tuple(
            LastRow(
                method=entry.record.method,
                epochs=_epochs(entry),
                cells=tuple(_cell(entry, name, metric) for name in conditions for metric in metrics),
            )
            for entry in with_last
        ),
    )


def _cell(entry: Entry, condition: str, metric: str) -> Cell:
    cell = metric_cell(entry, condition, metric, last=True, quick=True)
    selected = mean_value(entry, condition, metric)
    if cell.value is None or selected is None:
        return cell
    # Beside the difference these would be two numbers too many; they stay in the hover text.
    return replace(cell, interval=points(cell.value - selected), deviation="")


def _epochs(entry: Entry) -> str:
    pairs = [(record.last.epoch, record.selected_epoch) for record in entry.records if record.last]
    last = listed(epoch for epoch, _ in pairs)
    selected = listed("unknown" if epoch is None else epoch for _, epoch in pairs)
    return f"{last} (selected {selected})"
