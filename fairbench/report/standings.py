"""The leaderboard table: one row per method, average and worst class under every attack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fairbench.leaderboard.board import Standing
from fairbench.leaderboard.ranking import MANY_CLASSES, RANKING_CONDITION, Entry, ranking_metric
from fairbench.leaderboard.summary import condition_names, strongest_condition
from fairbench.protocol.conditions import UPLOADED
from fairbench.protocol.record import Record
from fairbench.report.badges import Badge, badges_of
from fairbench.report.cells import MANY_CELLS, METRIC_TITLES, Cell, corruption_cell, metric_cell, score_cell, time_cell
from fairbench.report.corruptions import COLUMN, shared_cells
from fairbench.report.facts import Fact, facts_of
from fairbench.report.places import Places
from fairbench.report.published import comparisons
from fairbench.report.wording import EN_DASH, condition_meaning, condition_title, count, safe_link

SELECTIONS = {
    "select": "epoch chosen on the held-out split select",
    "last": "last epoch",
    "test": "epoch chosen on the test set",
    "unknown": "choice of the epoch unknown",
}


@dataclass(frozen=True, kw_only=True)
class Column:
    """The columns of one condition."""

    name: str
    title: str
    meaning: str
    keys: tuple[str, ...]
    """the names of its metrics."""
    metrics: tuple[str, ...]
    """their headings."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One method."""

    rank: int | None
    reason: str
    method: str
    title: str
    link: str | None
    notes: tuple[str, ...]
    badges: tuple[Badge, ...]
    pages: tuple[tuple[str, str], ...]
    """seed and address of each run's own page."""
    cells: tuple[Cell, ...]
    ranks: str = ""
    """the ranks that the tests leave open, where there is more than one."""
    ties_with_first: bool = False
    """whether the row cannot be told apart from the one that leads."""


@dataclass(frozen=True, kw_only=True)
class Standings:
    """The table."""

    columns: tuple[Column, ...]
    key: int | None
    """which of a row's cells ranks it; None if no row has that condition."""
    strongest: str
    """the condition that C_FPS is taken from, in words."""
    ranked: tuple[Row, ...]
    unranked: tuple[Row, ...]
    facts: tuple[Fact, ...]

    @property
    def has_badges(self) -> bool:
        """Whether any row carries a warning."""
        return any(row.badges for row in self.ranked + self.unranked)

    @property
    def has_deviations(self) -> bool:
        """Whether any row has several seeds."""
        return any(cell.deviation for row in self.ranked + self.unranked for cell in row.cells)


def shown_conditions(entries: Sequence[Entry]) -> list[str]:
    """The conditions that have columns: all but single corruptions, other radii, and uploads by themselves."""
    return [name for name in condition_names(entries) if "." not in name and name != UPLOADED]


def shown_metrics(entries: Sequence[Entry]) -> tuple[str, ...]:
    """The metrics of every condition: the worst 10 % of the classes too where there are many."""
    many = len(entries[0].record.data.classes) >= MANY_CLASSES
    return ("average", "worst", "worst_tenth") if many else ("average", "worst")


def column_of(condition: str, metrics: Sequence[str]) -> Column:
    """The columns of a condition."""
    return Column(
        name=condition,
        title=condition_title(condition),
        meaning=condition_meaning(condition),
        keys=tuple(metrics),
        metrics=tuple(METRIC_TITLES[metric] for metric in metrics),
    )


def standings(entries: Sequence[Entry], places: Places, pages: Mapping[int, str] | None = None) -> Standings:
    """The table of the entries of one group.

    Args:
        entries: in their order.
        places: the ranks that the data supports.
        pages: the address of each record's own page, by the record's ``id``; None if there are no such pages.
    """
    conditions, metrics = shown_conditions(entries), shown_metrics(entries)
    strongest, shared = strongest_condition(entries), shared_cells(entries)
    columns = [*conditions, COLUMN] if shared else conditions
    keys = [(name, metric) for name in columns for metric in metrics]
    quick = len(entries) * len(entries[0].record.data.classes) > MANY_CELLS
    cells = {key: _column_cells(entries, *key, shared, quick=quick) for key in keys}
    printed = [{(one.condition, one.metric): one.in_words for one in comparisons(entry)} for entry in entries]
    rows = [
        replace(
            _row(entry, [_with_print(cells[key][index], printed[index].get(key)) for key in keys], strongest, pages),
            ranks=_ranks(places.standing(entry)),
            ties_with_first=places.ties_with_first(entry),
        )
        for index, entry in enumerate(entries)
    ]
    ranking = (RANKING_CONDITION, ranking_metric(len(entries[0].record.data.classes)))
    return Standings(
        columns=tuple(column_of(name, metrics) for name in columns),
        key=keys.index(ranking) if ranking in keys else None,
        strongest=condition_title(strongest),
        ranked=tuple(row for row in rows if row.rank is not None),
        unranked=tuple(row for row in rows if row.rank is None),
        facts=facts_of(entries, strongest, places),
    )


def _column_cells(
    entries: Sequence[Entry], condition: str, metric: str, shared: set[tuple[str, int]], *, quick: bool
) -> list[Cell]:
    """The cells of one column, the best ranked ones marked."""
    if condition == COLUMN:
        cells = [corruption_cell(entry, metric, shared) for entry in entries]
    else:
        is_key = condition == RANKING_CONDITION
        cells = [metric_cell(entry, condition, metric, quick=quick or not is_key) for entry in entries]
    ranked = [cell.value for cell, entry in zip(cells, entries, strict=True) if entry.rank is not None]
    best = max((value for value in ranked if value is not None), default=None)
    return [
        replace(cell, is_best=entry.rank is not None and cell.value is not None and cell.value == best)
        for cell, entry in zip(cells, entries, strict=True)
    ]


def _row(entry: Entry, cells: Sequence[Cell], strongest: str, pages: Mapping[int, str] | None) -> Row:
    record = entry.record
    return Row(
        rank=entry.rank,
        reason=entry.reason,
        method=record.method,
        title=record.title,
        link=safe_link(record.link),
        notes=_notes(entry),
        badges=badges_of(entry),
        pages=tuple((_seed(one), pages[id(one)]) for one in entry.records) if pages else (),
        cells=(*cells, score_cell(entry, strongest), time_cell(entry)),
    )


def _notes(entry: Entry) -> tuple[str, ...]:
    record = entry.record
    notes = [count(record.training.epochs, "epoch")] if record.training else []
    if all(one.seed is None for one in entry.records):
        notes.append("seed unknown")
    if record.selected_on != "select":
        notes.append(SELECTIONS[record.selected_on])
    return tuple(notes)


def _with_print(cell: Cell, words: str | None) -> Cell:
    """The cell, with what a paper printed for it in its hover text."""
    return replace(cell, title=f"{cell.title}; {words}") if words else cell


def _ranks(standing: Standing | None) -> str:
    if standing is None or standing.ranks[0] == standing.ranks[1]:
        return ""
    return EN_DASH.join(map(str, standing.ranks))


def _seed(record: Record) -> str:
    return "unknown" if record.seed is None else str(record.seed)
