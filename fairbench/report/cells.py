"""The cells of the page's tables: the number as it is shown, what stands beside it, and why one is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fairbench.leaderboard.ranking import Entry
from fairbench.leaderboard.summary import (
    Summary,
    highest_false_positive_score,
    summarise,
    why_missing,
    why_no_false_positive_score,
)
from fairbench.report.wording import MISSING, count, duration, listed, percent, percent_range

METRIC_TITLES = {"average": "average", "worst": "worst", "worst_tenth": "worst 10 %"}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell."""

    text: str
    value: float | None = None
    """what the column is sorted by."""
    interval: str = ""
    label: str = ""
    """a class name below the number."""
    title: str = ""
    """the whole story, shown on hover."""
    is_best: bool = False


def missing_cell(reason: str) -> Cell:
    """A dash that says why there is no number."""
    return Cell(text=MISSING, title=reason)


def metric_cell(entry: Entry, condition: str, metric: str, *, best: float | None = None, last: bool = False) -> Cell:
    """An aggregate metric of an entry under a condition, in percent."""
    summary = summarise(entry, condition, metric, last=last)
    if summary is None:
        return missing_cell(why_missing(entry, condition, last=last))
    return Cell(
        text=percent(summary.value),
        value=summary.value,
        interval=percent_range(summary.interval) if summary.interval else "",
        label=usual(summary.classes),
        title=summary_title(summary),
        is_best=best is not None and summary.value == best,
    )


def score_cell(entry: Entry, condition: str) -> Cell:
    """The highest C_FPS of an entry under a condition, in percent of all wrong answers, with its class."""
    summary = highest_false_positive_score(entry, condition)
    if summary is None:
        return missing_cell(why_no_false_positive_score(entry, condition))
    return Cell(
        text=percent(summary.value), value=summary.value, label=usual(summary.classes), title=summary_title(summary)
    )


def training_seconds(entry: Entry) -> float | None:
    """Mean training time over seeds; None where nothing was trained or it was trained elsewhere."""
    times = [record.training.seconds for record in entry.records if record.training and record.training.epochs > 0]
    return sum(times) / len(times) if len(times) == len(entry.records) else None


def time_cell(entry: Entry) -> Cell:
    """The training time of an entry."""
    seconds = training_seconds(entry)
    if seconds is None:
        is_base = entry.record.training is not None or entry.record.method.startswith("base:")
        return missing_cell("not trained further" if is_base else "trained elsewhere")
    device = listed(record.environment.device for record in entry.records)
    return Cell(text=duration(seconds), value=seconds, title=f"{seconds:.1f} s per seed on {device}")


def usual(classes: Sequence[str]) -> str:
    """The class that most seeds name (the first on ties), with their share where they differ."""
    if not classes:
        return ""
    name, seeds = Counter(classes).most_common(1)[0]
    return name if seeds == len(classes) else f"{name} {seeds}/{len(classes)}"


def summary_title(summary: Summary) -> str:
    """What stands behind a number: interval, and the value and class of each seed."""
    parts = [f"{percent(summary.value)} %"]
    if summary.interval:
        of = " of that class alone" if summary.classes else ""
        parts.append(f"95 % Wilson interval{of} {percent_range(summary.interval)}")
    if len(summary.by_seed) > 1:
        names = summary.classes or ("",) * len(summary.by_seed)
        each = [f"{percent(value)} {name}".strip() for value, name in zip(summary.by_seed, names, strict=True)]
        parts.append(f"mean of {count(len(each), 'seed')}: " + ", ".join(each))
    elif summary.classes:
        parts.append(summary.classes[0])
    return "; ".join(parts)
