"""The leaderboard as JSON: every aggregate seed by seed, at full precision, and intervals for what is compared.

Single corruptions have a table of their own, ``corruptions.csv``; here they would be most of the file.
"""

from __future__ import annotations

import json
from statistics import fmean
from typing import Any

import numpy as np

from fairbench.leaderboard.intervals import wilson_interval
from fairbench.leaderboard.ranking import Entry
from fairbench.leaderboard.results import AGGREGATES
from fairbench.leaderboard.summary import condition_names, highest_false_positive_score, strongest_condition, summarise
from fairbench.report.corruptions import is_single
from fairbench.report.exports.ends import rounded_ends
from fairbench.report.exports.grid import Board
from fairbench.report.places import Places
from fairbench.report.values import class_values, seed_values, worst_class_names
from fairbench.report.wording import printable

_WITH_INTERVAL = ("average", "worst")


def results_json(board: Board) -> str:
    """A list of rows: rank, method, group, and for each condition the aggregates and the class accuracies."""
    strongest = strongest_condition(board.entries)
    rows = [_printable(_row(entry, strongest, board.places)) for entry in board.entries]
    lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def _row(entry: Entry, strongest: str, places: Places) -> dict[str, Any]:
    record, standing = entry.record, places.standing(entry)
    conditions = [name for name in condition_names([entry]) if not is_single(name)]
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
        "conditions": {name: _condition(entry, name, with_score_interval=name == strongest) for name in conditions},
    }


def _condition(entry: Entry, name: str, *, with_score_interval: bool) -> dict[str, Any]:
    values: dict[str, Any] = {metric: _metric(entry, name, metric) for metric in (*AGGREGATES, "c_fps_max")}
    # It takes longer than all the rest of a condition, so it is there where the page has it.
    score = highest_false_positive_score(entry, name) if with_score_interval else None
    if score and score.interval:
        values["c_fps_max"]["interval"] = rounded_ends(score.interval)
    values["worst_classes"] = list(worst_class_names(entry, name))
    values["class_accuracy"] = class_values(entry, name)
    values["class_accuracy_interval"] = _class_intervals(entry, name)
    return values


def _metric(entry: Entry, name: str, metric: str) -> dict[str, Any] | None:
    by_seed = seed_values(entry, name, metric)
    if by_seed is None:
        return None
    values: dict[str, Any] = {"value": fmean(by_seed), "by_seed": list(by_seed)}
    summary = summarise(entry, name, metric, quick=True) if metric in _WITH_INTERVAL else None
    if summary and summary.interval:
        values["interval"] = rounded_ends(summary.interval)
    return values


def _class_intervals(entry: Entry, name: str) -> list[list[float] | None] | None:
    """Wilson's of each class, their ends averaged over seeds; None for a class without images."""
    found = [record.conditions[name] for record in entry.records if name in record.conditions]
    if len(found) < len(entry.records):
        return None
    correct, total = np.array([one.class_correct for one in found]), np.array([one.class_total for one in found])
    ends = np.stack(wilson_interval(correct, np.maximum(total, 1)), axis=-1).mean(axis=0).tolist()
    return [rounded_ends(pair) if seen else None for pair, seen in zip(ends, total.min(axis=0).tolist(), strict=True)]


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable(key): _printable(one) for key, one in value.items()}
    return [_printable(one) for one in value] if isinstance(value, list) else value
