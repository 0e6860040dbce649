"""The single corruptions of one run: types by severities, each with its accuracy and its weakest class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from fairbench.leaderboard.intervals import wilson_interval
from fairbench.protocol.record import ConditionRecord
from fairbench.report.corruptions import POOLED, cell_of
from fairbench.report.scales import heat_step
from fairbench.report.wording import MISSING, class_title, percent, percent_range, printable


@dataclass(frozen=True, kw_only=True)
class SeverityTable:
    """Types (rows) by severities (columns)."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, Markup], ...]
    """type and its cells."""


def severity_table(conditions: Mapping[str, ConditionRecord], classes: Sequence[str]) -> SeverityTable | None:
    """The table of the conditions that are one type of corruption at one severity; None without any.

    One cell holds what is read most; a row for each of a hundred conditions would be most of a run's page.

    Args:
        conditions: by name; others than single corruptions are left out.
        classes: K names.
    """
    found = {cell: one for name, one in conditions.items() if (cell := cell_of(name)) is not None}
    cells = {(kind, severity): one for (kind, severity), one in found.items() if severity != POOLED}
    severities = sorted({severity for _, severity in cells})
    if not severities:
        return None
    kinds = dict.fromkeys(kind for kind, _ in cells)
    return SeverityTable(
        columns=tuple(f"severity {severity}" for severity in severities),
        rows=tuple(
            (
                kind.replace("_", " "),
                Markup("".join(_cell(cells.get((kind, severity)), classes) for severity in severities)),
            )
            for kind in kinds
        ),
    )


def _cell(condition: ConditionRecord | None, classes: Sequence[str]) -> str:
    if condition is None:
        return f'<td class="missing">{MISSING}<small>not measured</small></td>'
    low, high = wilson_interval(sum(condition.class_correct), sum(condition.class_total))
    interval = percent_range((float(low), float(high)))
    worst = escape(printable(class_title(classes[condition.worst_class])))
    return (
        f'<td class="heat-{heat_step(condition.average)}">{percent(condition.average)}'
        f"<small>{interval}</small><small>{percent(condition.worst)} {worst}</small></td>"
    )
