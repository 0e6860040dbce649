"""One run in words: how its weakest class fares, whether that is more than chance, and what it is taken for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import hypergeom

from fairbench.leaderboard.intervals import wilson_interval
from fairbench.protocol.record import ConditionRecord
from fairbench.report.wording import condition_title, listed, percent, percent_range

LEVEL = 0.05
_MOST_NAMED = 6


@dataclass(frozen=True, kw_only=True)
class WeakClass:
    """One of the weakest classes."""

    name: str
    accuracy: str
    interval: str
    count: str
    taken_for: str
    """the answers that its images get instead, most frequent first."""


def weakest_classes(condition: ConditionRecord, classes: Sequence[str], *, most: int = 5) -> tuple[WeakClass, ...]:
    """The classes with the lowest accuracy, the lowest first."""
    seen = [c for c, total in enumerate(condition.class_total) if total]
    ordered = sorted(seen, key=lambda c: condition.class_correct[c] / condition.class_total[c])
    return tuple(_weak_class(condition, classes, c) for c in ordered[:most])


def in_words(name: str, condition: ConditionRecord, classes: Sequence[str]) -> tuple[str, ...]:
    """What a condition says about a model, a sentence each.

    Args:
        name: of the condition.
        condition: its counts.
        classes: K names.
    """
    correct, total = condition.class_correct, condition.class_total
    worst, images = condition.worst_class, sum(total)
    gap = 100 * (condition.average - condition.worst)
    sentences = [
        f"Under {condition_title(name)} it answers {percent(condition.average)} % of {images:,} images correctly "
        f"(95 % interval {_interval(sum(correct), images)}).",
        f"The class that fares worst is {classes[worst]}: {percent(condition.worst)} % of its {total[worst]:,} images "
        f"({_interval(correct[worst], total[worst])}), {gap:.1f} points below the average.",
    ]
    rivals = indistinguishable_from_worst(condition)
    if rivals:
        named = listed((classes[c] for c in rivals), most=_MOST_NAMED)
        sentences.append(
            f"So many images do not settle which class is the weakest: by Fisher's exact tests (Holm, 5 %) it may as "
            f"well be {named}."
        )
    else:
        sentences.append(
            "No other class is as weak: each is better by more than chance, by Fisher's exact tests (Holm, 5 %)."
        )
    return tuple(sentences)


def indistinguishable_from_worst(condition: ConditionRecord) -> list[int]:
    """The other classes whose accuracy is not shown to be above that of the worst class, the weakest first.

    Classes share no images, so each is compared with the worst one by Fisher's exact test, one-sided; the p-values
    are adjusted by Holm's step-down over the K - 1 tests.
    """
    worst = condition.worst_class
    others = [c for c, total in enumerate(condition.class_total) if total and c != worst]
    p_values = _p_values(condition, worst, others)
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(others), 0, -1)
    adjusted = np.maximum.accumulate(np.minimum(p_values[order] * factors, 1.0))
    rivals = [others[place] for place, p in zip(order, adjusted, strict=True) if p > LEVEL]
    return sorted(rivals, key=lambda c: (condition.class_correct[c] / condition.class_total[c], c))


def _p_values(condition: ConditionRecord, worst: int, others: Sequence[int]) -> np.ndarray:
    """Fisher's one-sided p-value of each other class: the hypergeometric chance of so few correct in the worst one."""
    correct, total = np.array(condition.class_correct), np.array(condition.class_total)
    pooled_correct, pooled = correct[others] + correct[worst], total[others] + total[worst]
    return np.minimum(hypergeom.cdf(correct[worst], pooled, pooled_correct, total[worst]), 1.0)


def _weak_class(condition: ConditionRecord, classes: Sequence[str], c: int) -> WeakClass:
    correct, total, row = condition.class_correct[c], condition.class_total[c], condition.confusion[c]
    answers = sorted((k for k, count in enumerate(row) if count and k != c), key=lambda k: -row[k])
    return WeakClass(
        name=classes[c],
        accuracy=percent(correct / total),
        interval=_interval(correct, total),
        count=f"{correct:,} of {total:,}",
        taken_for=", ".join(f"{classes[k]} {percent(row[k] / total)} %" for k in answers[:3]),
    )


def _interval(correct: int, total: int) -> str:
    low, high = wilson_interval(correct, total)
    return percent_range((float(low), float(high)))
