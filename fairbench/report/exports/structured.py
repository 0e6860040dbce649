"""The leaderboard as JSON: every aggregate with its interval, seed by seed, at full precision."""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from fairbench.leaderboard.ranking import Entry
from fairbench.leaderboard.results import AGGREGATES
from fairbench.leaderboard.summary import condition_names, summarise
from fairbench.report.exports.grid import Board
from fairbench.report.places import Places
from fairbench.report.values import class_values, seed_values, worst_class_names
from fairbench.report.wording import printable

_WITH_INTERVAL = ("average", "worst")
_INTERVAL_DIGITS = 9
"""The last digits of a root depend on the machine's mathematical library, and the same records shall give one file."""


def results_json(board: Board) -> str:
    """A list of rows: rank, method, group, and for each condition the aggregates and the class accuracies."""
    rows = [_printable(_row(entry, condition_names([entry]), board.places)) for entry in board.entries]
    lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def _row(entry: Entry, conditions: Sequence[str], places: Places) -> dict[str, Any]:
    record, standing = entry.record, places.standing(entry)
    return {
        "rank": entry.rank,
        "ranks": list(standing.ranks) if standing else None,
        "tie_groups": standing.groups if standing else None,
        "unranked_because": entry.reason or None,
        "method": record.method,
        "title": record.title,
        "paper": record.paper,
        "link": record.link,
        "track": record.track,
        "init": record.init,
        "epsilon": record.epsilon,
        "dataset": record.data.name,
        "fingerprint": record.data.fingerprint,
        "classes": list(record.data.classes),
        "seeds": [one.seed for one in entry.records],
        "selected_on": record.selected_on,
        "protocol": record.protocol,
        "departures": list(record.departures),
        "conditions": {name: _condition(entry, name) for name in conditions},
    }


def _condition(entry: Entry, name: str) -> dict[str, Any]:
    values: dict[str, Any] = {metric: _metric(entry, name, metric) for metric in (*AGGREGATES, "c_fps_max")}
    values["worst_classes"] = list(worst_class_names(entry, name))
    values["class_accuracy"] = class_values(entry, name)
    return values


def _metric(entry: Entry, name: str, metric: str) -> dict[str, Any] | None:
    by_seed = seed_values(entry, name, metric)
    if by_seed is None:
        return None
    values: dict[str, Any] = {"value": fmean(by_seed), "by_seed": list(by_seed)}
    # The intervals of single corruptions would be most of the work, and nobody ranks by one of them.
    summary = summarise(entry, name, metric, quick=True) if metric in _WITH_INTERVAL and "." not in name else None
    if summary and summary.interval:
        values["interval"] = [round(end, _INTERVAL_DIGITS) for end in summary.interval]
    return values


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable(key): _printable(one) for key, one in value.items()}
    return [_printable(one) for one in value] if isinstance(value, list) else value
