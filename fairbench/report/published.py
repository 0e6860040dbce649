"""Measured beside published: the numbers that papers printed for the same method, network, data and start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from fairbench.leaderboard.ranking import Entry
from fairbench.reference.tables import PAPERS, Row, published_rows
from fairbench.report.cells import METRIC_TITLES
from fairbench.report.values import mean_value
from fairbench.report.wording import condition_title, percent, points

_METRICS = {"avg": "average", "worst": "worst", "worst10pct": "worst_tenth", "overall": "overall"}
_TITLES = {"faal": "FAAL", "fair_tat": "FAIR-TAT", "absld": "ABSLD"}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One printed number and the measured one."""

    entry: Entry
    source: str
    """paper and table."""
    condition: str
    metric: str
    published: float
    """fraction."""
    measured: float
    doubt: str
    """a letter where there is reason not to trust the print; else empty."""

    @property
    def difference(self) -> float:
        """Measured minus published, a fraction."""
        return self.measured - self.published

    @property
    def number(self) -> str:
        """Condition and metric."""
        return f"{condition_title(self.condition)} {METRIC_TITLES.get(self.metric, self.metric)}"

    @property
    def cells(self) -> tuple[str, str, str]:
        """Published, measured and the difference, as they are shown."""
        return percent(self.published), percent(self.measured), points(self.difference)

    @property
    def in_words(self) -> str:
        """The printed number, its source and the difference."""
        doubt = f", doubtful ({self.doubt})" if self.doubt else ""
        return f"published {percent(self.published)} in {self.source}{doubt}, so {points(self.difference)} points here"


def comparisons(entry: Entry) -> list[Comparison]:
    """What was printed for an entry, in the order of print; each condition and metric once for each paper."""
    found: dict[tuple[str, str, str], Comparison] = {}
    for row in _rows_for(entry):
        for (condition, short), cell in row.cells.items():
            metric = _METRICS.get(short)
            measured = mean_value(entry, condition, metric) if metric else None
            if metric and measured is not None:
                found.setdefault(
                    (row.paper, condition, metric),
                    Comparison(
                        entry=entry, source=f"{_TITLES.get(row.paper, row.paper)}, Table {row.table}",
                        condition=condition, metric=metric, published=cell.percent / 100, measured=measured,
                        doubt=cell.doubt,
                    ),
                )  # fmt: skip
    return list(found.values())


def _rows_for(entry: Entry) -> Sequence[Row]:
    record = entry.record
    data = "cifar10" if record.data.name == "cifar10_jpeg" else record.data.name
    return _index().get((record.method, record.init, data, record.model.architecture), ())


@cache
def _index() -> dict[tuple[str, str, str, str], list[Row]]:
    found: dict[tuple[str, str, str, str], list[Row]] = {}
    for paper in PAPERS:
        for row in published_rows(paper):
            found.setdefault((row.written_form, row.start, row.dataset, row.model), []).append(row)
    return found
