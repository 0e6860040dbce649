"""Two methods side by side: every condition, every class, and what the one takes for what that the other does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fairbench.errors import UsageError, unknown_name
from fairbench.leaderboard.ranking import RANKING_CONDITION, Entry
from fairbench.leaderboard.records import Run
from fairbench.leaderboard.summary import condition_names, strongest_condition
from fairbench.report.cells import Cell, corruption_cell, metric_cell, missing_cell
from fairbench.report.compare_words import compare_words
from fairbench.report.corruptions import COLUMN, is_single, shared_cells
from fairbench.report.corruptions import Cell as CorruptionCell
from fairbench.report.figures.classes import class_figure
from fairbench.report.figures.confusion import confusion_figure
from fairbench.report.gallery import Gallery
from fairbench.report.scales import difference_step
from fairbench.report.standings import shown_metrics
from fairbench.report.values import class_values, mean_value
from fairbench.report.wording import MISSING, condition_title, points

_FULL_COLOUR = 0.3
"""A difference of so much has the last step of the colour scale."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The first number minus the second."""

    text: str
    value: float | None
    step: int | None = None


@dataclass(frozen=True, kw_only=True)
class CompareRow:
    """One condition and metric, or one class."""

    title: str
    cells: tuple[Cell, ...]
    """of the two methods."""
    difference: Difference


@dataclass(frozen=True, kw_only=True)
class ComparePage:
    """The content of the page."""

    track: str
    methods: tuple[str, str]
    strongest: str
    words: tuple[str, ...]
    rows: tuple[CompareRow, ...]
    classes: tuple[CompareRow, ...]
    drawings: tuple[Markup, ...]


def compare_page(track: str, pair: tuple[Entry, Entry], runs: Sequence[Run], gallery: Gallery) -> ComparePage:
    """The page of two entries of one group.

    Args:
        track: its name.
        pair: the two.
        runs: where their records were read.
        gallery: gets the drawings.
    """
    strongest = strongest_condition(pair)
    label = f"Accuracy of each class under {condition_title(strongest)}, for both methods."
    drawings = [
        gallery.hang("classes", class_figure(pair, strongest, "accuracy", label=label)),
        gallery.hang("confusion", confusion_figure(pair[0], pair[1], strongest)),
    ]
    return ComparePage(
        track=track,
        methods=(pair[0].record.method, pair[1].record.method),
        strongest=condition_title(strongest),
        words=compare_words(pair, strongest, runs),
        rows=_rows(pair),
        classes=_class_rows(pair, strongest),
        drawings=tuple(one for one in drawings if one is not None),
    )


def find_pair(entries: Sequence[Entry], first: str, second: str) -> tuple[Entry, Entry]:
    """The rows of two methods in the first group that has both.

    Raises:
        UsageError: if a method is not there, or no group has both.
    """
    methods = list(dict.fromkeys(entry.record.method for entry in entries))
    for name in (first, second):
        if name not in methods:
            raise unknown_name("method", name, methods)
    for group in dict.fromkeys(entry.group for entry in entries):
        rows = {entry.record.method: entry for entry in reversed(entries) if entry.group == group}
        if first in rows and second in rows:
            return rows[first], rows[second]
    raise UsageError(f"{first} and {second} share no group: they start from different weights or saw different data")


def _rows(pair: tuple[Entry, Entry]) -> tuple[CompareRow, ...]:
    """Every condition; the single corruptions, of which there may be 95, as their means."""
    metrics, shared = shown_metrics(pair), shared_cells(pair)
    conditions = [name for name in condition_names(pair) if not is_single(name)]
    rows = [_row(pair, name, metric) for name in conditions for metric in metrics]
    return tuple(rows + [_corruption_row(pair, metric, shared) for metric in metrics if shared])


def _corruption_row(pair: tuple[Entry, Entry], metric: str, shared: set[CorruptionCell]) -> CompareRow:
    cells = tuple(corruption_cell(entry, metric, shared) for entry in pair)
    title = f"{condition_title(COLUMN)}, {metric.replace('_', ' ')}"
    return CompareRow(title=title, cells=cells, difference=_difference(*(cell.value for cell in cells)))


def _row(pair: tuple[Entry, Entry], condition: str, metric: str) -> CompareRow:
    values = [mean_value(entry, condition, metric) for entry in pair]
    quick = condition != RANKING_CONDITION
    return CompareRow(
        title=f"{condition_title(condition)}, {metric.replace('_', ' ')}",
        cells=tuple(metric_cell(entry, condition, metric, quick=quick) for entry in pair),
        difference=_difference(*values),
    )


def _class_rows(pair: tuple[Entry, Entry], condition: str) -> tuple[CompareRow, ...]:
    names = pair[0].record.data.classes
    columns = [class_values(entry, condition) or [None] * len(names) for entry in pair]
    rows = []
    for name, *values in zip(names, *columns, strict=True):
        cells = [missing_cell("not measured") if value is None else _plain_cell(value) for value in values]
        rows.append(CompareRow(title=name, cells=tuple(cells), difference=_difference(*values)))
    return tuple(rows)


def _plain_cell(value: float) -> Cell:
    return Cell(text=f"{100 * value:.1f}", value=value)


def _difference(first: float | None, second: float | None) -> Difference:
    if first is None or second is None:
        return Difference(text=MISSING, value=None)
    value = first - second
    return Difference(text=points(value), value=value, step=difference_step(value / _FULL_COLOUR))
