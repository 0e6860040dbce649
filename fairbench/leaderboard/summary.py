"""One number of a leaderboard row: the mean over seeds of each seed's value, with what stands behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from fairbench.leaderboard.intervals import wilson_interval
from fairbench.leaderboard.ranking import Entry
from fairbench.protocol.conditions import CONDITIONS
from fairbench.protocol.record import ConditionRecord

STRONGEST_FIRST = ("aa", "cw30", "cw20", "pgd20", "square", "fgsm", "clean")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The mean over seeds of one metric."""

    value: float
    by_seed: tuple[float, ...]
    interval: tuple[float, float] | None = None
    """the 95 % Wilson interval, its ends averaged over seeds: the seeds share their test images, so their counts are
    not added up. For the worst class it is the interval of that class alone."""
    classes: tuple[str, ...] = ()
    """for a worst class or a highest score: its name, seed by seed."""


def condition_names(entries: Sequence[Entry]) -> list[str]:
    """The conditions that any of the entries has, in the order of the tables, unknown ones last."""
    present = {name for entry in entries for record in entry.records for name in record.conditions}
    return [name for name in CONDITIONS if name in present] + sorted(present - CONDITIONS.keys())


def strongest_condition(entries: Sequence[Entry]) -> str:
    """The strongest attack that any of the entries has; AutoAttack where it was run.

    Raises:
        ValueError: if the entries have no condition at all.
    """
    present = condition_names(entries)
    if not present:
        raise ValueError("the records hold no condition")
    return next((name for name in STRONGEST_FIRST if name in present), present[0])


def why_missing(entry: Entry, condition: str, *, last: bool = False) -> str:
    """Why an entry has no number for a condition; empty if it has one."""
    have = [found for found in _conditions(entry, condition, last=last) if found is not None]
    if len(have) == len(entry.records):
        return ""
    return f"measured for {len(have)} of {len(entry.records)} seeds" if have else "not measured"


def summarise(entry: Entry, condition: str, metric: str, *, last: bool = False) -> Summary | None:
    """An aggregate metric of an entry under a condition.

    Args:
        entry: the row.
        condition: the name of the condition.
        metric: average, balanced, worst, worst_tenth or overall.
        last: of the last epoch's weights instead of the selected ones.

    Returns:
        The summary, or None if any seed lacks the condition.
    """
    found = _complete(entry, condition, last=last)
    if found is None:
        return None
    values = tuple(float(getattr(one, metric)) for one in found)
    classes = _names(entry, [one.worst_class for one in found]) if metric == "worst" else ()
    return Summary(value=fmean(values), by_seed=values, interval=_interval(found, metric), classes=classes)


def highest_false_positive_score(entry: Entry, condition: str) -> Summary | None:
    """The highest C_FPS over the classes under a condition, or None if any seed lacks it."""
    found = _complete(entry, condition, last=False)
    if found is None:
        return None
    scores = [one.class_false_positive_score for one in found if one.class_false_positive_score is not None]
    if len(scores) < len(found):
        return None
    values = tuple(max(row) for row in scores)
    classes = _names(entry, [row.index(value) for row, value in zip(scores, values, strict=True)])
    return Summary(value=fmean(values), by_seed=values, classes=classes)


def why_no_false_positive_score(entry: Entry, condition: str) -> str:
    """Why an entry has no C_FPS under a condition; empty if it has one."""
    found = _complete(entry, condition, last=False)
    if found is None:
        return why_missing(entry, condition)
    reasons = [
        one.undefined.get("class_false_positive_score", "not defined")
        for one in found
        if one.class_false_positive_score is None
    ]
    return "; ".join(dict.fromkeys(reasons))


def class_summaries(entry: Entry, condition: str, metric: str) -> list[Summary | None] | None:
    """A metric class by class, mean over seeds.

    Args:
        entry: the row.
        condition: the name of the condition.
        metric: accuracy or c_fps.

    Returns:
        K summaries, None for a class without images; or None if any seed lacks the condition or the score.
    """
    found = _complete(entry, condition, last=False)
    if found is None or (metric == "c_fps" and any(one.class_false_positive_score is None for one in found)):
        return None
    columns = [_score_column(one) if metric == "c_fps" else _accuracy_column(one) for one in found]
    return [_mean_of(seeds) for seeds in zip(*columns, strict=True)]


def _score_column(condition: ConditionRecord) -> list[Summary | None]:
    return [Summary(value=score, by_seed=(score,)) for score in condition.class_false_positive_score or []]


def _accuracy_column(condition: ConditionRecord) -> list[Summary | None]:
    low, high = wilson_interval(condition.class_correct, np.maximum(condition.class_total, 1))
    return [
        Summary(value=hits / seen, by_seed=(hits / seen,), interval=(float(low[c]), float(high[c]))) if seen else None
        for c, (hits, seen) in enumerate(zip(condition.class_correct, condition.class_total, strict=True))
    ]


def _mean_of(seeds: Sequence[Summary | None]) -> Summary | None:
    """The summary over seeds of one summary per seed; None if any is None."""
    present = [one for one in seeds if one is not None]
    if len(present) < len(seeds):
        return None
    values = tuple(one.value for one in present)
    intervals = [one.interval for one in present if one.interval is not None]
    ends = (fmean(low for low, _ in intervals), fmean(high for _, high in intervals)) if intervals else None
    return Summary(value=fmean(values), by_seed=values, interval=ends)


def _conditions(entry: Entry, condition: str, *, last: bool) -> list[ConditionRecord | None]:
    if last:
        return [record.last.conditions.get(condition) if record.last else None for record in entry.records]
    return [record.conditions.get(condition) for record in entry.records]


def _complete(entry: Entry, condition: str, *, last: bool) -> list[ConditionRecord] | None:
    found = [one for one in _conditions(entry, condition, last=last) if one is not None]
    return found if len(found) == len(entry.records) else None


def _interval(conditions: list[ConditionRecord], metric: str) -> tuple[float, float] | None:
    if metric == "average":
        correct = [sum(one.class_correct) for one in conditions]
        total = [sum(one.class_total) for one in conditions]
    elif metric == "worst":
        correct = [one.class_correct[one.worst_class] for one in conditions]
        total = [one.class_total[one.worst_class] for one in conditions]
    else:
        return None
    low, high = wilson_interval(correct, total)
    return float(low.mean()), float(high.mean())


def _names(entry: Entry, indices: list[int]) -> tuple[str, ...]:
    return tuple(record.data.classes[index] for record, index in zip(entry.records, indices, strict=True))
