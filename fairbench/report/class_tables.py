"""Class by class: a table of methods and classes under one condition, its cells coloured by accuracy.

The cells are written as markup directly: a template takes several times as long for ten thousand of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from fairbench.leaderboard.ranking import Entry
from fairbench.leaderboard.summary import class_summaries, why_missing, why_no_false_positive_score
from fairbench.report.cells import summary_title
from fairbench.report.scales import heat_step
from fairbench.report.wording import MISSING, percent, percent_range, printable

FEW_CLASSES = 20
"""Up to here each cell has room for its interval."""
MAX_CELLS = 8_000
"""Beyond this many cells in all conditions, only the strongest attack has a table."""


@dataclass(frozen=True, kw_only=True)
class ClassTable:
    """Methods (rows) by classes (columns)."""

    classes: tuple[str, ...]
    rows: tuple[tuple[str, Markup], ...]
    """method and its cells; one single cell if the method has no numbers."""


def class_table(entries: Sequence[Entry], condition: str, metric: str) -> ClassTable:
    """The table of one metric, accuracy or c_fps, under a condition."""
    classes = tuple(entries[0].record.data.classes)
    rows = tuple((entry.record.method, Markup("".join(_cells(entry, condition, metric)))) for entry in entries)
    return ClassTable(classes=classes, rows=rows)


def _cells(entry: Entry, condition: str, metric: str) -> Iterator[str]:
    names, summaries = entry.record.data.classes, class_summaries(entry, condition, metric)
    if summaries is None:
        reason = (why_no_false_positive_score if metric == "c_fps" else why_missing)(entry, condition)
        why = escape(printable(reason))
        yield f'<td class="missing" colspan="{len(names)}" title="{why}">{MISSING} <small>{why}</small></td>'
        return
    values = [summary.value for summary in summaries if summary is not None]
    weakest = max(values) if metric == "c_fps" else min(values)
    # Scores sum to 1 over the classes: their scale ends at three times the share of a fair class.
    scale = len(summaries) / 3 if metric == "c_fps" else 1.0
    few = len(names) <= FEW_CLASSES
    for summary, name in zip(summaries, names, strict=True):
        if summary is None:
            yield f'<td class="missing" title="{escape(printable(name))}: no image of this class">{MISSING}</td>'
        else:
            outline = " outlined" if summary.value == weakest else ""
            title = f' title="{escape(printable(name))}: {escape(summary_title(summary))}"' if few else ""
            interval = f"<small>{percent_range(summary.interval)}</small>" if summary.interval and few else ""
            step = heat_step(summary.value * scale)
            yield f'<td class="heat-{step}{outline}"{title}>{percent(summary.value)}{interval}</td>'
