"""One number of a leaderboard row: the mean over seeds of each seed's value, with what stands behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean, stdev

import numpy as np

from fairbench.leaderboard.extremes import Interval, bias_of_lowest, lowest_mean_interval
from fairbench.leaderboard.false_positive_intervals import false_positive_intervals, highest_false_positive_interval
from fairbench.leaderboard.intervals import wilson_interval
from fairbench.leaderboard.ranking import Entry
from fairbench.protocol.conditions import CONDITIONS
from fairbench.protocol.record import ConditionRecord

_NORMAL_95 = 1.959964
_WEAKEST = ("worst", "worst_tenth")
STRONGEST_FIRST = ("aa", "cw30", "cw20", "pgd20", "square", "fgsm", "clean")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The mean over seeds of one metric."""

    value: float
    by_seed: tuple[float, ...]
    interval: tuple[float, float] | None = None
    """the 95 % interval for the sampling of test images, its ends averaged over seeds: the seeds share their test
    images, so their counts are not added up. For the weakest classes it allows for their choice among all."""
    bias: float | None = None
    """for the weakest classes: by how much the counted value understates the truth in the median, mean over seeds."""
    classes: tuple[str, ...] = ()
    """for a worst class or a highest score: its name, seed by seed."""

    @property
    def seed_deviation(self) -> float | None:
        """The standard deviation between seeds on the same test images; None with one seed."""
        return stdev(self.by_seed) if len(self.by_seed) > 1 else None

    @property
    def sampling_deviation(self) -> float | None:
        """The standard deviation that drawing other test images would bring, for one network; None if unknown."""
        return (self.interval[1] - self.interval[0]) / (2 * _NORMAL_95) if self.interval else None


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


def summarise(entry: Entry, condition: str, metric: str, *, last: bool = False, quick: bool = False) -> Summary | None:
    """An aggregate metric of an entry under a condition.

    Args:
        entry: the row.
        condition: the name of the condition.
        metric: average, balanced, worst, worst_tenth or overall.
        last: of the last epoch's weights instead of the selected ones.
        quick: leave out what takes milliseconds and more: the bias, and the interval of a worst tenth.

    Returns:
        The summary, or None if any seed lacks the condition.
    """
    found = _complete(entry, condition, last=last)
    if found is None:
        return None
    values = tuple(float(getattr(one, metric)) for one in found)
    classes = _names(entry, [one.worst_class for one in found]) if metric == "worst" else ()
    return Summary(
        value=fmean(values),
        by_seed=values,
        interval=None if quick and metric == "worst_tenth" else _mean_ends([_interval(one, metric) for one in found]),
        bias=fmean(_bias(one, metric) for one in found) if metric in _WEAKEST and not quick else None,
        classes=classes,
    )


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
    ends = _mean_ends([highest_false_positive_interval(one.confusion) for one in found])
    return Summary(value=fmean(values), by_seed=values, interval=ends, classes=classes)


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
    scores = condition.class_false_positive_score or []
    low, high = false_positive_intervals(condition.confusion)
    return [
        Summary(value=score, by_seed=(score,), interval=(float(low[c]), float(high[c])))
        for c, score in enumerate(scores)
    ]


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
    return Summary(value=fmean(values), by_seed=values, interval=_mean_ends([one.interval for one in present]))


def _mean_ends(intervals: Sequence[Interval | None]) -> Interval | None:
    known = [one for one in intervals if one is not None]
    if len(known) < len(intervals):
        return None
    return fmean(low for low, _ in known), fmean(high for _, high in known)


def _conditions(entry: Entry, condition: str, *, last: bool) -> list[ConditionRecord | None]:
    if last:
        return [record.last.conditions.get(condition) if record.last else None for record in entry.records]
    return [record.conditions.get(condition) for record in entry.records]


def _complete(entry: Entry, condition: str, *, last: bool) -> list[ConditionRecord] | None:
    found = [one for one in _conditions(entry, condition, last=last) if one is not None]
    return found if len(found) == len(entry.records) else None


def _interval(condition: ConditionRecord, metric: str) -> Interval | None:
    if metric == "average":
        low, high = wilson_interval(sum(condition.class_correct), sum(condition.class_total))
        return float(low), float(high)
    if metric not in _WEAKEST:
        return None
    return _weakest_interval(*_weakest_counts(condition, metric))


def _bias(condition: ConditionRecord, metric: str) -> float:
    return _weakest_bias(*_weakest_counts(condition, metric))


def _weakest_counts(condition: ConditionRecord, metric: str) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    count = -(-len(condition.class_total) // 10) if metric == "worst_tenth" else 1
    return tuple(condition.class_correct), tuple(condition.class_total), count


@lru_cache(maxsize=1024)
def _weakest_interval(correct: tuple[int, ...], total: tuple[int, ...], count: int) -> Interval:
    return lowest_mean_interval(correct, total, count)


@lru_cache(maxsize=1024)
def _weakest_bias(correct: tuple[int, ...], total: tuple[int, ...], count: int) -> float:
    return bias_of_lowest(correct, total, count)


def _names(entry: Entry, indices: list[int]) -> tuple[str, ...]:
    return tuple(record.data.classes[index] for record, index in zip(entry.records, indices, strict=True))
