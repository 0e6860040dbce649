"""Every number of one run with its interval and count: aggregates by condition, and accuracy and C_FPS by class.

The tables are written as markup directly: a template takes several times as long for a hundred thousand cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

from fairbench.leaderboard.extremes import lowest_interval, spread_interval
from fairbench.leaderboard.intervals import wilson_interval
from fairbench.protocol.record import ConditionRecord
from fairbench.report.cells import Cell, missing_cell
from fairbench.report.scales import heat_step
from fairbench.report.wording import EN_DASH, MISSING, class_title, condition_title, percent, percent_range, printable

AGGREGATES = ("average", "balanced", "worst", "worst 10 %", "spread", "overall", "highest C_FPS", "images")
"""Headings."""
_FEW_CELLS = 200
"""Up to so many conditions times classes, the intervals that take milliseconds are there."""


@dataclass(frozen=True, kw_only=True)
class ConditionRow:
    """The aggregates of one condition."""

    title: str
    cells: tuple[Cell, ...]


def condition_rows(conditions: Mapping[str, ConditionRecord], classes: Sequence[str]) -> tuple[ConditionRow, ...]:
    """A row for each condition, its cells as in ``AGGREGATES``."""
    ends = _chosen_intervals(list(conditions.values()))
    return tuple(
        ConditionRow(title=condition_title(name), cells=_aggregates(one, classes, *pair))
        for (name, one), pair in zip(conditions.items(), ends, strict=True)
    )


def accuracy_table(conditions: Mapping[str, ConditionRecord], classes: Sequence[str]) -> Markup:
    """Classes (rows) by conditions (columns): accuracy in percent, its Wilson interval, and the count behind it."""
    return _table(classes, _accuracy_columns(list(conditions.values())))


def score_table(conditions: Mapping[str, ConditionRecord], classes: Sequence[str]) -> Markup:
    """Classes (rows) by conditions (columns): share of the wrong answers that name the class, in percent."""
    return _table(classes, [_score_column(condition, len(classes)) for condition in conditions.values()])


def _chosen_intervals(conditions: Sequence[ConditionRecord]) -> list[tuple[str, str]]:
    """Of each condition the intervals of the worst class and of the spread, which allow for the choice of classes."""
    correct = np.array([one.class_correct for one in conditions])
    total = np.array([one.class_total for one in conditions])
    if not conditions or correct.size > _FEW_CELLS or not total.all():
        return [("", "")] * len(conditions)
    found = [np.stack(function(correct, total), axis=-1).tolist() for function in (lowest_interval, spread_interval)]
    return [(percent_range(worst), percent_range(spread)) for worst, spread in zip(*found, strict=True)]


def _aggregates(
    condition: ConditionRecord, classes: Sequence[str], worst_interval: str, spread_ends: str
) -> tuple[Cell, ...]:
    worst = condition.worst_class
    correct, total = condition.class_correct, condition.class_total
    rates = [hits / seen for hits, seen in zip(correct, total, strict=True) if seen]
    low, high = wilson_interval(sum(correct), sum(total))
    scores = condition.class_false_positive_score
    highest = missing_cell(condition.undefined.get("class_false_positive_score", "not defined"))
    if scores is not None:
        top = max(scores)
        highest = Cell(text=percent(top), value=top, label=class_title(classes[scores.index(top)]))
    return (
        _cell(condition.average, percent_range((float(low), float(high))), _count(sum(correct), sum(total))),
        _cell(condition.balanced),
        _cell(condition.worst, worst_interval, _count(correct[worst], total[worst]), label=class_title(classes[worst])),
        _cell(condition.worst_tenth),
        _cell(max(rates) - min(rates), spread_ends),
        _cell(condition.overall),
        highest,
        Cell(text=f"{sum(total):,}", value=sum(total)),
    )


def _cell(value: float, *beside: str, label: str = "") -> Cell:
    return Cell(text=percent(value), value=value, interval="; ".join(filter(None, beside)), label=label)


def _count(correct: int, total: int) -> str:
    return f"{correct:,} of {total:,}"


def _accuracy_columns(conditions: Sequence[ConditionRecord]) -> list[list[str]]:
    correct = np.array([one.class_correct for one in conditions])
    total = np.array([one.class_total for one in conditions])
    low, high = wilson_interval(correct, np.maximum(total, 1))
    blocks = (correct.tolist(), total.tolist(), (100 * low).tolist(), (100 * high).tolist())
    return [[_accuracy_cell(*values) for values in zip(*rows, strict=True)] for rows in zip(*blocks, strict=True)]


def _accuracy_cell(correct: int, total: int, low: float, high: float) -> str:
    if not total:
        return f'<td class="missing">{MISSING}<small>no image</small></td>'
    return (
        f'<td class="heat-{heat_step(correct / total)}">{100 * correct / total:.1f}'
        f"<small>{low:.1f}{EN_DASH}{high:.1f}</small><small>{correct}/{total}</small></td>"
    )


def _score_column(condition: ConditionRecord, num_classes: int) -> list[str]:
    scores = condition.class_false_positive_score
    if scores is None:
        return [f'<td class="missing">{MISSING}</td>'] * num_classes
    scale = num_classes / 3  # scores sum to 1: the scale ends at three times the share of a fair class
    return [f'<td class="heat-{heat_step(score * scale)}">{100 * score:.1f}</td>' for score in scores]


def _table(classes: Sequence[str], columns: Sequence[Sequence[str]]) -> Markup:
    rows = []
    for c, name in enumerate(classes):
        head = f'<tr><th scope="row" class="method">{escape(printable(name))}</th>'
        rows.append(head + "".join(column[c] for column in columns) + "</tr>")
    return Markup("\n".join(rows))  # the names are escaped, the rest are numbers
