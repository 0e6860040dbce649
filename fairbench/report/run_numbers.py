"""Every number of one run with its interval and count: aggregates by condition, and accuracy and C_FPS by class.

The tables are written as markup directly: a template takes several times as long for a hundred thousand cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

from fairbench.leaderboard.extremes import lowest_interval, spread_interval
from fairbench.leaderboard.false_positive_intervals import chosen_false_positive_intervals, false_positive_intervals
from fairbench.leaderboard.intervals import wilson_interval
from fairbench.protocol.record import ConditionRecord
from fairbench.report.cells import Cell, missing_cell
from fairbench.report.scales import heat_step
from fairbench.report.wording import EN_DASH, MISSING, class_title, condition_title, percent, percent_range, printable

AGGREGATES = (
    *("average", "balanced", "worst", "worst 10 %", "spread", "overall"),
    *("highest C_FPS", "spread of C_FPS", "images"),
)
"""Headings."""
_FEW_CELLS = 200
"""Up to so many conditions times classes, the intervals that take milliseconds are there."""
_FEW_CLASSES = 50
"""With more classes no part of a page has them, so that its parts are alike."""
_FEW_SCORES = 100
"""Up to so many conditions times classes, each C_FPS has its interval."""


@dataclass(frozen=True, kw_only=True)
class ConditionRow:
    """The aggregates of one condition."""

    title: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True)
class _Chosen:
    """The intervals of one condition that allow for the choice of classes, as text; empty where they are left out."""

    worst: str = ""
    spread: str = ""
    highest_score: str = ""
    score_spread: str = ""


def condition_rows(conditions: Mapping[str, ConditionRecord], classes: Sequence[str]) -> tuple[ConditionRow, ...]:
    """A row for each condition, its cells as in ``AGGREGATES``."""
    chosen = _chosen_intervals(list(conditions.values()))
    return tuple(
        ConditionRow(title=condition_title(name), cells=_aggregates(one, classes, intervals))
        for (name, one), intervals in zip(conditions.items(), chosen, strict=True)
    )


def accuracy_table(conditions: Mapping[str, ConditionRecord], classes: Sequence[str]) -> Markup:
    """Classes (rows) by conditions (columns): accuracy in percent, its Wilson interval, and the count behind it."""
    return _table(classes, _accuracy_columns(list(conditions.values())))


def score_table(conditions: Mapping[str, ConditionRecord], classes: Sequence[str]) -> Markup:
    """Classes (rows) by conditions (columns): share of the wrong answers that name the class, and its interval."""
    few = len(conditions) * len(classes) <= _FEW_SCORES
    columns = [_score_column(condition, len(classes), with_intervals=few) for condition in conditions.values()]
    return _table(classes, columns)


def _chosen_intervals(conditions: Sequence[ConditionRecord]) -> list[_Chosen]:
    correct = np.array([one.class_correct for one in conditions])
    total = np.array([one.class_total for one in conditions])
    if not conditions or correct.size > _FEW_CELLS or correct.shape[1] > _FEW_CLASSES or not total.all():
        return [_Chosen()] * len(conditions)
    worst, spread = _ranges(lowest_interval(correct, total)), _ranges(spread_interval(correct, total))
    scored = [place for place, one in enumerate(conditions) if one.class_false_positive_score is not None]
    highest, score_spread = {}, {}
    if scored:
        found = chosen_false_positive_intervals([conditions[place].confusion for place in scored])
        highest, score_spread = (dict(zip(scored, _ranges(ends), strict=True)) for ends in found)
    return [
        _Chosen(
            worst=worst[place],
            spread=spread[place],
            highest_score=highest.get(place, ""),
            score_spread=score_spread.get(place, ""),
        )
        for place in range(len(conditions))
    ]


def _ranges(ends: Sequence[np.ndarray]) -> list[str]:
    """Lower and upper ends, (M,) each, as M texts."""
    return [percent_range((float(low), float(high))) for low, high in zip(*ends, strict=True)]


def _aggregates(condition: ConditionRecord, classes: Sequence[str], chosen: _Chosen) -> tuple[Cell, ...]:
    worst = condition.worst_class
    correct, total = condition.class_correct, condition.class_total
    rates = [hits / seen for hits, seen in zip(correct, total, strict=True) if seen]
    low, high = wilson_interval(sum(correct), sum(total))
    return (
        _cell(condition.average, percent_range((float(low), float(high))), _count(sum(correct), sum(total))),
        _cell(condition.balanced),
        _cell(condition.worst, chosen.worst, _count(correct[worst], total[worst]), label=class_title(classes[worst])),
        _cell(condition.worst_tenth),
        _cell(max(rates) - min(rates), chosen.spread),
        _cell(condition.overall),
        *_score_cells(condition, classes, chosen),
        Cell(text=f"{sum(total):,}", value=sum(total)),
    )


def _score_cells(condition: ConditionRecord, classes: Sequence[str], chosen: _Chosen) -> tuple[Cell, Cell]:
    """The highest C_FPS, and the highest minus the lowest one."""
    scores = condition.class_false_positive_score
    if scores is None:
        missing = missing_cell(condition.undefined.get("class_false_positive_score", "not defined"))
        return missing, missing
    top = max(scores)
    highest = _cell(top, chosen.highest_score, label=class_title(classes[scores.index(top)]))
    return highest, _cell(top - min(scores), chosen.score_spread)


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


def _score_column(condition: ConditionRecord, num_classes: int, *, with_intervals: bool) -> list[str]:
    scores = condition.class_false_positive_score
    if scores is None:
        return [f'<td class="missing">{MISSING}</td>'] * num_classes
    scale = num_classes / 3  # scores sum to 1: the scale ends at three times the share of a fair class
    ends = _ranges(false_positive_intervals(condition.confusion)) if with_intervals else [""] * num_classes
    return [
        f'<td class="heat-{heat_step(score * scale)}">{100 * score:.1f}{f"<small>{end}</small>" if end else ""}</td>'
        for score, end in zip(scores, ends, strict=True)
    ]


def _table(classes: Sequence[str], columns: Sequence[Sequence[str]]) -> Markup:
    rows = []
    for c, name in enumerate(classes):
        head = f'<tr><th scope="row" class="method">{escape(printable(name))}</th>'
        rows.append(head + "".join(column[c] for column in columns) + "</tr>")
    return Markup("\n".join(rows))  # the names are escaped, the rest are numbers
