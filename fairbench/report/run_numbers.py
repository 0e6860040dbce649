"""Every number of one run with its interval and count: aggregates by condition, and accuracy and C_FPS by class.

The tables are written as markup directly: a template takes several times as long for a hundred thousand cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

from fairbench.leaderboard.intervals import wilson_interval
from fairbench.leaderboard.summary import interval_of
from fairbench.protocol.record import ConditionRecord
from fairbench.report.cells import Cell, missing_cell
from fairbench.report.scales import heat_step
from fairbench.report.wording import EN_DASH, MISSING, class_title, condition_title, percent, percent_range, printable

AGGREGATES = ("average", "balanced", "worst", "worst 10 %", "spread", "overall", "highest C_FPS", "images")
"""Headings."""
_MANY = 1_000
"""From so many conditions times classes on, intervals that take milliseconds and more are left out."""


@dataclass(frozen=True, kw_only=True)
class ConditionRow:
    """The aggregates of one condition."""

    title: str
    cells: tuple[Cell, ...]


def condition_rows(conditions: Mapping[str, ConditionRecord], classes: Sequence[str]) -> tuple[ConditionRow, ...]:
    """A row for each condition, its cells as in ``AGGREGATES``."""
    quick = len(conditions) * len(classes) > _MANY
    return tuple(
        ConditionRow(title=condition_title(name), cells=_aggregates(one, classes, quick=quick))
        for name, one in conditions.items()
    )


def accuracy_table(conditions: Mapping[str, ConditionRecord], classes: Sequence[str]) -> Markup:
    """Classes (rows) by conditions (columns): accuracy in percent, its Wilson interval, and the count behind it."""
    return _table(classes, _accuracy_columns(list(conditions.values())))


def score_table(conditions: Mapping[str, ConditionRecord], classes: Sequence[str]) -> Markup:
    """Classes (rows) by conditions (columns): share of the wrong answers that name the class, in percent."""
    return _table(classes, [_score_column(condition, len(classes)) for condition in conditions.values()])


def _aggregates(condition: ConditionRecord, classes: Sequence[str], *, quick: bool) -> tuple[Cell, ...]:
    worst = condition.worst_class
    correct, total = np.array(condition.class_correct), np.array(condition.class_total)
    rates = correct[total > 0] / total[total > 0]
    scores = condition.class_false_positive_score
    highest = missing_cell(condition.undefined.get("class_false_positive_score", "not defined"))
    if scores is not None:
        highest = _cell(condition, "c_fps", max(scores), label=classes[scores.index(max(scores))], quick=quick)
    return (
        _cell(condition, "average", condition.average, counts=(int(correct.sum()), int(total.sum()))),
        _cell(condition, "balanced", condition.balanced),
        _cell(
            condition,
            "worst",
            condition.worst,
            counts=(int(correct[worst]), int(total[worst])),
            label=classes[worst],
            quick=quick,
        ),
        _cell(condition, "worst_tenth", condition.worst_tenth, quick=quick),
        _cell(condition, "spread", float(np.ptp(rates)), quick=quick),
        _cell(condition, "overall", condition.overall),
        highest,
        Cell(text=f"{total.sum():,}", value=int(total.sum())),
    )


def _cell(
    condition: ConditionRecord,
    metric: str,
    value: float,
    *,
    counts: tuple[int, int] | None = None,
    label: str = "",
    quick: bool = False,
) -> Cell:
    """A number with its interval, unless it is costly and there is no time, and the counts behind it."""
    ends = interval_of(condition, metric) if all(condition.class_total) and not quick else None
    parts = [percent_range(ends)] if ends else []
    parts += [f"{counts[0]:,} of {counts[1]:,}"] if counts else []
    return Cell(text=percent(value), value=value, interval="; ".join(parts), label=class_title(label))


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
