"""From the 95 cells of the corruptions to the numbers that papers print: by type, and the mean over types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from fairbench.evaluation.summary import condition_record
from fairbench.protocol.corruptions import CORRUPTION_GROUPS, CORRUPTIONS, FAMILY, SEVERITIES, corruption_condition
from fairbench.protocol.record import ConditionRecord


@dataclass(frozen=True, kw_only=True)
class CorruptionMean:
    """The means over the types of a group, each type with its severities pooled."""

    types: tuple[str, ...]
    average: float
    balanced: float
    worst: float
    """mean of each type's lowest class accuracy, whichever class that is."""
    worst_tenth: float
    overall: float
    class_accuracy: tuple[float, ...]
    class_false_positive_score: tuple[float, ...] | None
    """None where a type has none."""


def pooled_severities(conditions: Mapping[str, ConditionRecord]) -> dict[str, ConditionRecord]:
    """The record of each type over all its images, as ``corruptions.<type>``: counts of the five severities added up.

    So the published tables are made: their worst classes are fractions of five times the images of a class.

    Args:
        conditions: of a record, by name; types without all five severities are left out.
    """
    pooled = {}
    for name in CORRUPTIONS:
        cells = [conditions.get(corruption_condition(name, severity)) for severity in SEVERITIES]
        found = [cell for cell in cells if cell is not None]
        if len(found) < len(SEVERITIES):
            continue
        settings = {key: found[0].settings.get(key) for key in ("corruption", "constants", "images_from")}
        pooled[f"{FAMILY}.{name}"] = condition_record(
            np.sum([cell.confusion for cell in found], axis=0),
            settings={**settings, "severities": list(SEVERITIES)},
            seconds=sum(cell.seconds for cell in found),
        )
    return pooled


def merged_severities(conditions: Mapping[str, ConditionRecord]) -> dict[str, ConditionRecord]:
    """The conditions of a record with a type's five severities pooled into one; those of an incomplete type stay.

    Args:
        conditions: of a record, by name.
    """
    pooled = pooled_severities(conditions)
    kept = {name: one for name, one in conditions.items() if name.rpartition(".")[0] not in pooled}
    return kept | pooled


def corruption_means(conditions: Mapping[str, ConditionRecord]) -> dict[str, CorruptionMean]:
    """The means over the groups that papers report, as ``corruptions.<group>``.

    Args:
        conditions: of a record, by name; groups that lack a cell are left out.
    """
    pooled = pooled_severities(conditions)
    means = {}
    for group, types in CORRUPTION_GROUPS.items():
        found = [pooled[f"{FAMILY}.{name}"] for name in types if f"{FAMILY}.{name}" in pooled]
        if len(found) == len(types):
            means[f"{FAMILY}.{group}"] = _mean(types, found)
    return means


def _mean(types: tuple[str, ...], found: list[ConditionRecord]) -> CorruptionMean:
    accuracies = np.array([one.class_correct for one in found]) / np.array([one.class_total for one in found])
    scores = [one.class_false_positive_score for one in found if one.class_false_positive_score is not None]
    return CorruptionMean(
        types=types,
        average=fmean(one.average for one in found),
        balanced=fmean(one.balanced for one in found),
        worst=fmean(one.worst for one in found),
        worst_tenth=fmean(one.worst_tenth for one in found),
        overall=fmean(one.overall for one in found),
        class_accuracy=tuple(accuracies.mean(axis=0).tolist()),
        class_false_positive_score=tuple(np.mean(scores, axis=0).tolist()) if len(scores) == len(found) else None,
    )
