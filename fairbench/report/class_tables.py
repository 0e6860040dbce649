"""Class by class: a table of methods and classes under one condition, its cells coloured by accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fairbench.leaderboard.ranking import Entry
from fairbench.leaderboard.summary import Summary, class_summaries, why_missing, why_no_false_positive_score
from fairbench.report.cells import summary_title
from fairbench.report.scales import heat_step
from fairbench.report.wording import MISSING, percent, percent_range

FEW_CLASSES = 20
"""Up to here each cell has room for its interval."""
MAX_CELLS = 8_000
"""Beyond this many cells in all conditions, only the strongest attack has a table."""


@dataclass(frozen=True, kw_only=True)
class ClassCell:
    """One class of one method."""

    text: str
    title: str
    interval: str = ""
    step: int | None = None
    """of the heat scale; None if there is no number."""
    is_worst_class: bool = False


@dataclass(frozen=True, kw_only=True)
class ClassTable:
    """Methods (rows) by classes (columns)."""

    classes: tuple[str, ...]
    rows: tuple[tuple[str, tuple[ClassCell, ...]], ...]
    """method and its cells; one single cell if the method has no numbers."""


def class_table(entries: Sequence[Entry], condition: str, metric: str) -> ClassTable:
    """The table of one metric, accuracy or c_fps, under a condition."""
    classes = tuple(entries[0].record.data.classes)
    rows = tuple((entry.record.method, _cells(entry, condition, metric)) for entry in entries)
    return ClassTable(classes=classes, rows=rows)


def _cells(entry: Entry, condition: str, metric: str) -> tuple[ClassCell, ...]:
    summaries = class_summaries(entry, condition, metric)
    if summaries is None:
        why = why_no_false_positive_score if metric == "c_fps" else why_missing
        return (ClassCell(text=MISSING, title=why(entry, condition)),)
    values = [summary.value for summary in summaries if summary is not None]
    weakest = max(values) if metric == "c_fps" else min(values)
    # Scores sum to 1 over the classes: their scale ends at three times the share of a fair class.
    scale = len(summaries) / 3 if metric == "c_fps" else 1.0
    names = entry.record.data.classes
    return tuple(
        _cell(summary, name, weakest, scale, few=len(names) <= FEW_CLASSES)
        for summary, name in zip(summaries, names, strict=True)
    )


def _cell(summary: Summary | None, name: str, weakest: float, scale: float, *, few: bool) -> ClassCell:
    if summary is None:
        return ClassCell(text=MISSING, title=f"{name}: no image of this class")
    return ClassCell(
        text=percent(summary.value),
        interval=percent_range(summary.interval) if summary.interval and few else "",
        title=f"{name}: {summary_title(summary)}" if few else "",
        step=heat_step(summary.value * scale),
        is_worst_class=summary.value == weakest,
    )
