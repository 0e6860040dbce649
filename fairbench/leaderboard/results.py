"""The tidy table of all results: one row per run, condition, class or aggregate, and metric."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from fairbench.evaluation.corruption_groups import CorruptionMean, corruption_means, pooled_severities
from fairbench.leaderboard.records import Run, load_runs
from fairbench.metrics.foreign import added_metrics
from fairbench.protocol.record import ConditionRecord, Record

RUN_COLUMNS = ("track", "method", "seed", "init", "selected_on", "protocol")
VALUE_COLUMNS = ("weights", "condition", "class", "metric", "value", "correct", "total", "reason")
AGGREGATES = ("average", "balanced", "worst", "worst_tenth", "overall")

_Row = tuple[str, str, str, str, float, int | None, int | None, str]


def load_results(path: Path | str) -> pd.DataFrame:
    """A tidy table of every number in the records below a folder.

    Args:
        path: a folder that is searched for ``record.json`` recursively, or one such file.

    Returns:
        One row per run, condition, class or aggregate, and metric. ``class`` is empty for an aggregate; ``metric`` is
        accuracy and c_fps for a class, and average, balanced, worst, worst_tenth and overall for an aggregate;
        ``value`` is a fraction in [0, 1], or NaN with a ``reason``; ``correct`` and ``total`` are the counts of
        images behind it, where there are any; ``weights`` is ``selected`` or ``last``. Beside the measured conditions
        stand ``corruptions.<type>``, its five severities pooled, and ``corruptions.<group>``, the mean over the types
        of a group of ``CORRUPTION_GROUPS``. Metrics that other packages add follow under their own names.

    Raises:
        UsageError: if there is no record, or if one is damaged; nothing is skipped.
    """
    return tabulate(load_runs(path))


def tabulate(runs: Iterable[Run]) -> pd.DataFrame:
    """The tidy table of records that are already read; its columns are those of ``load_results``."""
    rows = [
        (*(getattr(run.record, name) for name in RUN_COLUMNS), *row, str(run.path))
        for run in runs
        for row in _record_rows(run.record)
    ]
    table = pd.DataFrame(rows, columns=[*RUN_COLUMNS, *VALUE_COLUMNS, "path"])
    return table.astype({"seed": "Int64", "correct": "Int64", "total": "Int64", "value": "float64"})


def _record_rows(record: Record) -> Iterator[_Row]:
    blocks = [("selected", record.conditions)]
    if record.last is not None:
        blocks.append(("last", record.last.conditions))
    for weights, conditions in blocks:
        for name, condition in {**conditions, **pooled_severities(conditions)}.items():
            yield from _aggregate_rows(weights, name, condition)
            yield from _class_rows(weights, name, condition, record.data.classes)
            yield from _added_rows(weights, name, condition, record.data.classes)
        for name, mean in corruption_means(conditions).items():
            yield from _mean_rows(weights, name, mean, record.data.classes)


def _aggregate_rows(weights: str, name: str, condition: ConditionRecord) -> Iterator[_Row]:
    worst = condition.worst_class
    counts: dict[str, tuple[int, int]] = {
        "average": (sum(condition.class_correct), sum(condition.class_total)),
        "worst": (condition.class_correct[worst], condition.class_total[worst]),
    }
    for metric in AGGREGATES:
        correct, total = counts.get(metric, (None, None))
        yield weights, name, "", metric, getattr(condition, metric), correct, total, ""


def _mean_rows(weights: str, name: str, mean: CorruptionMean, classes: list[str]) -> Iterator[_Row]:
    for metric in AGGREGATES:
        yield weights, name, "", metric, getattr(mean, metric), None, None, ""
    scores = mean.class_false_positive_score
    for index, label in enumerate(classes):
        yield weights, name, label, "accuracy", mean.class_accuracy[index], None, None, ""
        if scores is None:
            yield weights, name, label, "c_fps", math.nan, None, None, "not defined for every corruption"
        else:
            yield weights, name, label, "c_fps", scores[index], None, None, ""


def _class_rows(weights: str, name: str, condition: ConditionRecord, classes: list[str]) -> Iterator[_Row]:
    scores = condition.class_false_positive_score
    why = condition.undefined.get("class_false_positive_score", "not defined") if scores is None else ""
    for index, label in enumerate(classes):
        correct, total = condition.class_correct[index], condition.class_total[index]
        accuracy, reason = (correct / total, "") if total else (math.nan, "no image of this class")
        yield weights, name, label, "accuracy", accuracy, correct, total, reason
        yield weights, name, label, "c_fps", math.nan if scores is None else scores[index], None, None, why


def _added_rows(weights: str, name: str, condition: ConditionRecord, classes: list[str]) -> Iterator[_Row]:
    """Metrics of other packages: one value, or one for each class."""
    for metric, added in added_metrics().items():
        try:
            values, reason = np.asarray(added.of_confusion(np.array(condition.confusion)), dtype=float), ""
        except ValueError as error:
            values, reason = np.array(math.nan), str(error)
        labels = [""] if values.ndim == 0 else classes
        for label, value in zip(labels, np.atleast_1d(values), strict=True):
            yield weights, name, label, metric, float(value), None, None, reason
