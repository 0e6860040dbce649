"""The cells of the page's tables: the number as it is shown, what stands beside it, and why one is missing."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from fairbench.leaderboard.ranking import Entry
from fairbench.leaderboard.summary import (
    Summary,
    highest_false_positive_score,
    summarise,
    why_missing,
    why_no_false_positive_score,
)
from fairbench.report.corruptions import POOLED, corruption_mean
from fairbench.report.corruptions import Cell as CorruptionCell
from fairbench.report.values import usual
from fairbench.report.wording import MISSING, count, duration, listed, percent, percent_range

MANY_CELLS = 4_000
"""From so many methods times classes on, costly intervals are left out."""
METRIC_TITLES = {"average": "average", "worst": "worst", "worst_tenth": "worst 10 %"}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell."""

    text: str
    value: float | None = None
    """what the column is sorted by."""
    deviation: str = ""
    """between seeds, in points; empty with one seed."""
    interval: str = ""
    label: str = ""
    """a class name below the number."""
    title: str = ""
    """the whole story, shown on hover."""
    is_best: bool = False


def missing_cell(reason: str) -> Cell:
    """A dash that says why there is no number."""
    return Cell(text=MISSING, title=reason)


def metric_cell(entry: Entry, condition: str, metric: str, *, last: bool = False, quick: bool = False) -> Cell:
    """An aggregate metric of an entry under a condition, in percent; ``quick`` as in ``summary.summarise``."""
    summary = summarise(entry, condition, metric, last=last, quick=quick)
    if summary is None:
        return missing_cell(why_missing(entry, condition, last=last))
    return _cell_of(summary)


def corruption_cell(entry: Entry, metric: str, shared: set[CorruptionCell]) -> Cell:
    """The mean of a metric over the corruptions that all rows share, in percent."""
    value = corruption_mean(entry, metric, shared)
    if value is None:
        return missing_cell("not measured")
    types, severities = ({cell[place] for cell in shared} for place in (0, 1))
    pooled = f", severities {listed(sorted(severities))} pooled" if severities != {POOLED} else ""
    title = f"mean over {count(len(types), 'type')} of corruption{pooled}"
    return Cell(text=percent(value), value=value, title=title)


def score_cell(entry: Entry, condition: str) -> Cell:
    """The highest C_FPS of an entry under a condition, in percent of all wrong answers, with its class."""
    summary = highest_false_positive_score(entry, condition)
    if summary is None:
        return missing_cell(why_no_false_positive_score(entry, condition))
    return _cell_of(summary)


def training_seconds(entry: Entry) -> float | None:
    """Mean training time over seeds; None where nothing was trained or it was trained elsewhere."""
    times = [record.training.seconds for record in entry.records if record.training and record.training.epochs > 0]
    return fmean(times) if len(times) == len(entry.records) else None


def time_cell(entry: Entry) -> Cell:
    """The training time of an entry."""
    seconds = training_seconds(entry)
    if seconds is None:
        is_base = entry.record.training is not None or entry.record.method.startswith("base:")
        return missing_cell("not trained further" if is_base else "trained elsewhere")
    device = listed(record.environment.device for record in entry.records)
    return Cell(text=duration(seconds), value=seconds, title=f"{seconds:.1f} s per seed on {device}")


def _cell_of(summary: Summary) -> Cell:
    return Cell(
        text=percent(summary.value),
        value=summary.value,
        deviation=_deviation(summary),
        interval=percent_range(summary.interval) if summary.interval else "",
        label=usual(summary.classes),
        title=summary_title(summary),
    )


def _deviation(summary: Summary) -> str:
    return "" if summary.seed_deviation is None else f"\u00b1{percent(summary.seed_deviation)}"


def summary_title(summary: Summary) -> str:
    """What stands behind a number: interval, and the value and class of each seed."""
    parts = [f"{percent(summary.value)} %"]
    if summary.interval:
        parts.append(f"95 % interval {percent_range(summary.interval)}")
    if summary.bias:
        parts.append(f"the lowest of several counts lies too low, here by about {100 * summary.bias:.1f} points")
    if summary.seed_deviation is not None and summary.sampling_deviation is not None:
        between, sampling = 100 * summary.seed_deviation, 100 * summary.sampling_deviation
        parts.append(f"standard deviation {between:.1f} between seeds, {sampling:.1f} from the choice of test images")
    if len(summary.by_seed) > 1:
        names = summary.classes or ("",) * len(summary.by_seed)
        each = [f"{percent(value)} {name}".strip() for value, name in zip(summary.by_seed, names, strict=True)]
        parts.append(f"mean of {count(len(each), 'seed')}: " + ", ".join(each))
    elif summary.classes:
        parts.append(summary.classes[0])
    return "; ".join(parts)
