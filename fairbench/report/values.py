"""Plain means over seeds, for exports and comparisons of many numbers that show no interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import fmean

import numpy as np

from fairbench.leaderboard.ranking import Entry
from fairbench.protocol.record import ConditionRecord
from fairbench.report.wording import class_title


def seed_values(entry: Entry, condition: str, metric: str, *, last: bool = False) -> tuple[float, ...] | None:
    """An aggregate metric seed by seed; None if any seed lacks the condition.

    Args:
        entry: the row.
        condition: the name of the condition.
        metric: average, balanced, worst, worst_tenth, overall, or c_fps_max for the highest C_FPS.
        last: of the last epoch's weights instead of the selected ones.
    """
    found = _conditions(entry, condition, last=last)
    if found is None:
        return None
    if metric != "c_fps_max":
        return tuple(float(getattr(one, metric)) for one in found)
    scores = [one.class_false_positive_score for one in found]
    return None if None in scores else tuple(max(one) for one in scores if one is not None)


def mean_value(entry: Entry, condition: str, metric: str, *, last: bool = False) -> float | None:
    """The mean over seeds; arguments as for ``seed_values``."""
    values = seed_values(entry, condition, metric, last=last)
    return fmean(values) if values else None


def class_values(entry: Entry, condition: str) -> list[float | None] | None:
    """(K,) accuracies, the mean over seeds, None for a class without images; None if a seed lacks the condition."""
    found = _conditions(entry, condition)
    if found is None:
        return None
    correct, total = np.array([one.class_correct for one in found]), np.array([one.class_total for one in found])
    means = (correct / np.maximum(total, 1)).mean(axis=0)
    return [mean if seen else None for mean, seen in zip(means.tolist(), total.min(axis=0).tolist(), strict=True)]


def worst_class_names(entry: Entry, condition: str) -> tuple[str, ...]:
    """The name of the worst class, seed by seed; empty if a seed lacks the condition."""
    found = _conditions(entry, condition) or []
    return tuple(record.data.classes[one.worst_class] for record, one in zip(entry.records, found, strict=False))


def usual(classes: Sequence[str]) -> str:
    """The class that most seeds name (the first on ties), with their share where they differ."""
    if not classes:
        return ""
    name, seeds = Counter(classes).most_common(1)[0]
    return class_title(name) if seeds == len(classes) else f"{class_title(name)} {seeds}/{len(classes)}"


def _conditions(entry: Entry, condition: str, *, last: bool = False) -> list[ConditionRecord] | None:
    if last:
        blocks = [record.last.conditions if record.last else {} for record in entry.records]
    else:
        blocks = [record.conditions for record in entry.records]
    found = [block[condition] for block in blocks if condition in block]
    return found if len(found) == len(blocks) else None
