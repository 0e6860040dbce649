"""The leaderboard table: one row per method, average and worst class under every attack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fairbench.leaderboard.ranking import MANY_CLASSES, RANKING_CONDITION, Entry, ranking_metric
from fairbench.leaderboard.summary import condition_names, strongest_condition, summarise
from fairbench.protocol.conditions import UPLOADED
from fairbench.report.cells import METRIC_TITLES, Cell, metric_cell, score_cell, time_cell
from fairbench.report.wording import condition_meaning, condition_title, count, percent, safe_link

SELECTIONS = {
    "select": "epoch chosen on the held-out split select",
    "last": "last epoch",
    "test": "epoch chosen on the test set",
    "unknown": "choice of the epoch unknown",
}


@dataclass(frozen=True, kw_only=True)
class Column:
    """The columns of one condition."""

    title: str
    meaning: str
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
    cells: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True)
class Fact:
    """What to see first."""

    question: str
    answer: str
    number: str


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


def shown_conditions(entries: Sequence[Entry]) -> list[str]:
    """The conditions that have columns: all but single corruptions, other radii, and uploads by themselves."""
    return [name for name in condition_names(entries) if "." not in name and name != UPLOADED]


def shown_metrics(entries: Sequence[Entry]) -> tuple[str, ...]:
    """The metrics of every condition: the worst 10 % of the classes too where there are many."""
    many = len(entries[0].record.data.classes) >= MANY_CLASSES
    return ("average", "worst", "worst_tenth") if many else ("average", "worst")


def standings(entries: Sequence[Entry]) -> Standings:
    """The table of the entries of one group, in their order."""
    conditions, metrics = shown_conditions(entries), shown_metrics(entries)
    strongest = strongest_condition(entries)
    best = {(name, metric): _best(entries, name, metric) for name in conditions for metric in metrics}
    rows = [_row(entry, best, strongest) for entry in entries]
    key = (RANKING_CONDITION, ranking_metric(len(entries[0].record.data.classes)))
    titles = tuple(METRIC_TITLES[metric] for metric in metrics)
    return Standings(
        columns=tuple(
            Column(title=condition_title(name), meaning=condition_meaning(name), metrics=titles) for name in conditions
        ),
        key=list(best).index(key) if key in best else None,
        strongest=condition_title(strongest),
        ranked=tuple(row for row in rows if row.rank is not None),
        unranked=tuple(row for row in rows if row.rank is None),
        facts=_facts(entries, strongest),
    )


def _row(entry: Entry, best: dict[tuple[str, str], float | None], strongest: str) -> Row:
    record = entry.record
    cells = [
        metric_cell(entry, name, metric, best=value if entry.rank is not None else None)
        for (name, metric), value in best.items()
    ]
    return Row(
        rank=entry.rank,
        reason=entry.reason,
        method=record.method,
        title=record.title,
        link=safe_link(record.link),
        notes=_notes(entry),
        cells=(*cells, score_cell(entry, strongest), time_cell(entry)),
    )


def _notes(entry: Entry) -> tuple[str, ...]:
    record = entry.record
    seeds = [one.seed for one in entry.records if one.seed is not None]
    notes = [count(record.training.epochs, "epoch")] if record.training else []
    notes.append(("seed " if len(seeds) == 1 else "seeds ") + ", ".join(map(str, seeds)) if seeds else "seed unknown")
    if record.selected_on != "select":
        notes.append(SELECTIONS[record.selected_on])
    return tuple(notes)


def _best(entries: Sequence[Entry], condition: str, metric: str) -> float | None:
    """The best value of the ranked entries; None if no ranked entry has one."""
    found = [summarise(entry, condition, metric) for entry in entries if entry.rank is not None]
    return max((summary.value for summary in found if summary), default=None)


def _facts(entries: Sequence[Entry], condition: str) -> tuple[Fact, ...]:
    ranked = [entry for entry in entries if entry.rank is not None]
    if not ranked:
        return ()
    under = condition_title(condition)
    weakest = ranking_metric(len(ranked[0].record.data.classes))
    questions = {
        weakest: f"Best for the weakest {'classes' if weakest == 'worst_tenth' else 'class'}",
        "average": "Best on average",
    }
    facts = []
    for metric, question in questions.items():
        found = [(summarise(entry, condition, metric), entry.record.method) for entry in ranked]
        scores = [(summary.value, method) for summary, method in found if summary]
        top = max(value for value, _ in scores)
        winners = ", ".join(method for value, method in scores if value == top)
        facts.append(Fact(question=question, answer=winners, number=f"{percent(top)} % under {under}"))
    return tuple(facts)
